from __future__ import annotations

import pytest

from domainlm.report.facts import Training
from domainlm.report.figures import loss_curve


@pytest.mark.parametrize(
    ("validation", "mode"), [(((6, 2.1),), "markers"), (((2, 2.5), (4, 2.2), (6, 2.1)), "lines+markers")]
)
def test_every_validation_is_on_the_curve(validation: tuple[tuple[int, float], ...], mode: str) -> None:
    points = tuple((step, 32 * step, 3.0 - 0.1 * step) for step in range(1, 7))
    figure = loss_curve(Training("PT", points, validation, {}))
    [trace] = [trace for trace in figure.data if trace.name == "validation"]
    assert (list(trace.x), list(trace.y)) == ([step for step, _ in validation], [loss for _, loss in validation])
    assert trace.mode == mode
