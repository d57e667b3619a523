from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.trainings import LENGTHS, SECTION, run

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.training.watch import reason_to_stop

STEADY = [2.0, 2.2, 2.1, 1.9, 2.0]


@pytest.mark.parametrize(
    ("loss", "norm", "losses", "rise", "reason"),
    [
        (2.0, 1.0, STEADY, None, None),
        (900.0, 1.0, STEADY, None, None),
        (math.nan, 1.0, [], None, "the loss is nan"),
        (math.inf, 1.0, STEADY, 0.5, "the loss is inf"),
        (2.0, math.nan, STEADY, None, "the norm of the gradient is nan"),
        (2.4, 1.0, STEADY, 0.5, None),
        (
            2.6,
            1.0,
            STEADY,
            0.5,
            "the loss is 2.6000, 0.6000 above the median 2.0000 of the last 5 updates (max_loss_rise 0.5)",
        ),
        (2.6, 1.0, STEADY[:4], 0.5, None),
        # the early ones, which are high, no longer count
        (
            2.6,
            1.0,
            [9.0] * 30 + [2.0] * 20,
            0.5,
            "the loss is 2.6000, 0.6000 above the median 2.0000 of the last 20 updates",
        ),
    ],
)
def test_what_stops_a_training(
    loss: float, norm: float, losses: list[float], rise: float | None, reason: str | None
) -> None:
    found = reason_to_stop(loss, norm, losses, PtAdapter(max_loss_rise=rise))
    assert found == reason or (reason is not None and found is not None and found.startswith(reason))


def stopped(folder: Path) -> Any:
    return json.loads((folder / "scratch/stopped_at.json").read_text())


def test_a_loss_that_is_not_finite_names_its_rows(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    section = PtAdapter(rank=4, learning_rate=1e30, precision="float32")
    with pytest.raises(
        StageError, match=r"(?s)in update 2; .* not finite in row \d.*stopped_at\.json.*lower learning_rate"
    ):
        run(make_base("llama"), make_tokens(LENGTHS * 4), tmp_path, section)
    found = stopped(tmp_path)
    assert found["update"] == 2
    assert len(found["rows"]) == section.rows_per_step
    assert all(row["loss"] is None and row["documents"] for row in found["rows"])


def test_a_loss_that_rises_names_the_highest_rows_first(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    section = SECTION.model_copy(update={"max_loss_rise": 1e-6, "epochs": 6, "learning_rate": 1e-9})
    with pytest.raises(StageError, match=r"max_loss_rise 1e-06\) in update \d+; .* highest in row \d+, \d+ of"):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path, section)
    losses = [row["loss"] for row in stopped(tmp_path)["rows"]]
    assert losses == sorted(losses, reverse=True)
    assert not list((tmp_path / "out").iterdir())
