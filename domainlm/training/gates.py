"""Checks that a trained adapter passes before it is an artifact.

In: what was trained, and what was written. Out: nothing, or StageError, which leaves no artifact.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.contract import StageError
from domainlm.models.methods import load_base, saved_model
from domainlm.tokens.rows import PackedRows
from domainlm.training.loss import row_losses

if TYPE_CHECKING:
    import torch


def check_reloads(
    base: Path,
    precision: str,
    adapter: Path,
    device: torch.device,
    method: str,
    validation: PackedRows,
    expected: list[tuple[float, int]],
) -> None:
    """Load base and adapter from disk and compare the first rows' losses.

    They must be equal, not close.
    """
    model = saved_model(lambda folder: load_base(folder, precision, device, method), base, adapter)
    found = row_losses(model, validation, list(range(len(expected))))
    if found != expected:
        raise StageError(
            f"the saved adapter has validation losses {found[:2]} after loading, {expected[:2]} in memory; expected"
            " the same figures: the adapter does not hold all that was trained"
        )
