from __future__ import annotations

import random
from typing import Any

from domainlm.text.examples import examples_of


def rows() -> list[dict[str, Any]]:
    return [{"source": "ab"[n % 2], "reason": "xyz"[n % 3], "n": n} for n in range(300)]


def test_the_same_few_of_each_kind_in_any_order() -> None:
    found = rows()
    expected = examples_of(found)
    for seed in range(5):
        random.Random(seed).shuffle(found)
        assert examples_of(found) == expected
    kinds = [(row["source"], row["reason"]) for row in expected]
    assert kinds == sorted(kinds)
    assert all(kinds.count(kind) == 3 for kind in kinds)
    # not the first ones, which would all be of one folder
    assert max(row["n"] for row in expected) > 100


def test_more_rows_keep_what_is_shown_or_replace_it() -> None:
    few = examples_of(rows()[:60], shown=2)
    more = examples_of([*rows()[:60], *rows()[60:]], shown=2)
    assert len(few) == len(more) == 12
    assert examples_of([*few, *rows()[60:]], shown=2) == more
