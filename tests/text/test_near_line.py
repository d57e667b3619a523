from __future__ import annotations

import random

from domainlm.text.near_line import SHOWN_ROWS, NearLine


def test_the_nearest_rows_whatever_the_order() -> None:
    rows = [{"id": f"d{number:03}", "value": round(number / 500, 4)} for number in range(500)]
    expected = sorted(rows, key=lambda row: (abs(row["value"] - 0.5), row["id"]))[:SHOWN_ROWS]
    for seed in (1, 2):
        nearest = NearLine()
        for row in random.Random(seed).sample(rows, len(rows)):
            nearest.add(abs(row["value"] - 0.5), row["id"], row)
        assert nearest.rows() == sorted(expected, key=lambda row: (-row["value"], row["id"]))


def test_ties_go_by_id() -> None:
    nearest = NearLine()
    for number in reversed(range(SHOWN_ROWS + 5)):
        nearest.add(0.25, f"d{number:03}", {"id": f"d{number:03}", "value": 0.75})
    assert [row["id"] for row in nearest.rows()] == [f"d{number:03}" for number in range(SHOWN_ROWS)]
