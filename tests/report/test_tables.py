from __future__ import annotations

import pytest

from domainlm.report.figures import smoothed
from domainlm.report.tables import worded_change, worded_figure


def figure(value: float, low: float, high: float) -> dict[str, object]:
    return {"value": value, "interval": [low, high]}


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (figure(0.5, 0.45, 0.6), ("-50.0 % [-55.0, -40.0]", "better")),
        (figure(1.1, 1.05, 1.2), ("+10.0 % [+5.0, +20.0]", "worse")),
        (figure(0.9, 0.7, 1.02), ("-10.0 % [-30.0, +2.0]", "unclear")),
    ],
)
def test_a_change_is_judged_by_its_interval(ratio: dict[str, object], expected: tuple[str, str]) -> None:
    assert worded_change({"perplexity_ratio": ratio}, "perplexity", True, False) == expected


def test_a_share_changes_by_points_and_more_is_better() -> None:
    assert worded_change({"f1": figure(0.2, 0.1, 0.3)}, "f1", False, True) == ("+20 points [+10, +30]", "better")
    assert worded_change({"empty_share": figure(0.2, 0.1, 0.3)}, "empty_share", True, True)[1] == "worse"


def test_figures_with_their_intervals() -> None:
    assert worded_figure(figure(12.5, 12.0, 13.0), False) == "12.50 [12.00, 13.00]"
    assert worded_figure(figure(0.5, 0.25, 0.75), True) == "50 % [25, 75]"


def test_smoothing_keeps_length_and_a_constant() -> None:
    assert smoothed([2.0] * 20) == [2.0] * 20
    assert smoothed([1.0]) == [1.0]
    assert smoothed([float(i) for i in range(20)])[10] == 10.0
