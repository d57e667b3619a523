"""Validation while a training runs: when, the best update, when to stop.

In: the validation split's rows (never those of the test) and the losses so far, each with its update. Out: a further
loss; whether the training ends early; the best update's weights. Every decision is a function of the losses so far,
which a checkpoint holds, so a resumed run decides as an uninterrupted one.

The best weights lie beside the checkpoint, in a file of their own for each update: a file of one name could be newer
than the checkpoint that a killed run continues from.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.tokens.rows import PackedRows
from domainlm.training.group import ALONE, Group, map_shared
from domainlm.training.loss import mean_loss, row_losses

if TYPE_CHECKING:
    import torch

Point = tuple[int, float]
BEST = "best-*.safetensors"


def validated_rows(rows: PackedRows, section: Training) -> list[int]:
    """The rows on which every validation loss is computed."""
    return list(range(min(len(rows), section.max_validation_rows)))


def is_validated(update: int, updates: int, section: Training) -> bool:
    """Whether the loss is computed after an update (the first is 1)."""
    every = section.validation_every
    return every is not None and (update % every == 0 or update == updates)


def validation_losses(
    model: Any, rows: PackedRows, section: Training, threads: int, group: Group = ALONE
) -> list[tuple[float, int]]:
    """(sum of losses, labels) of each validated row.

    Each process computes rows of its own, and all get all of them.
    """
    return map_shared(group, lambda part: row_losses(model, rows, part, threads), validated_rows(rows, section))


def validation_point(
    model: Any, rows: PackedRows, section: Training, update: int, threads: int, group: Group = ALONE
) -> Point:
    """The update, and the validation loss after it, in nats."""
    loss = mean_loss(validation_losses(model, rows, section, threads, group))
    if not math.isfinite(loss):
        raise StageError(
            f"the validation loss is {loss} after update {update}; expected a finite one: lower learning_rate (now"
            f" {section.learning_rate}), or use precision float32"
        )
    return update, loss


def best_update(points: Sequence[Point]) -> int:
    """The update of the lowest loss; of equal ones, the first."""
    return min(points, key=lambda point: (point[1], point[0]))[0]


def ends_early(points: Sequence[Point], section: Training) -> bool:
    """Whether as many validations as are waited for were not the best."""
    patience = section.early_stopping_validations
    if patience is None or not points:
        return False
    best = best_update(points)
    return sum(update > best for update, _ in points) >= patience


def keep_weights(folder: Path, update: int, parameters: list[tuple[str, torch.nn.Parameter]]) -> None:
    """Save the weights after an update; durable before they are visible."""
    from safetensors.torch import save_file

    path = _best_file(folder, update)
    partial = path.with_name(f"{path.name}.partial")
    save_file({name: parameter.detach() for name, parameter in parameters}, partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def forget_other_weights(folder: Path, update: int) -> None:
    """Remove kept weights but those of one update.

    To be called when the checkpoint that needs no others is on disk.
    """
    for path in folder.glob(BEST):
        if path != _best_file(folder, update):
            path.unlink()


def restore_weights(folder: Path, update: int, parameters: list[tuple[str, torch.nn.Parameter]]) -> None:
    """Give the model the weights that were kept of an update."""
    import torch
    from safetensors import safe_open

    path = _best_file(folder, update)
    if not path.exists():
        raise StageError(
            f"the weights of the best update, {path}, are gone; expected them beside the checkpoint: remove the folder, and the"
            " training begins anew"
        )
    with safe_open(path, framework="pt") as file, torch.no_grad():
        for name, parameter in parameters:
            parameter.copy_(file.get_tensor(name))


def _best_file(folder: Path, update: int) -> Path:
    return folder / BEST.replace("*", str(update))
