"""What is watched while a training runs: the loss, the gradient, memory.

In: the figures of an update before it changes a weight. Out: nothing, or StageError, which names the rows that the
update was computed from and the file in which they stand. The file lies in the scratch folder, which a failed build
keeps.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.tokens.rows import PackedRows
from domainlm.training.loss import row_losses

FILE = "stopped_at.json"
# the median of so many updates is what a loss is compared with, once there are a few of them
COMPARED_UPDATES = 20
MIN_COMPARED_UPDATES = 5
NAMED_ROWS = 4


def reason_to_stop(loss: float, norm: float, losses: Sequence[float], section: Training) -> str | None:
    """Why an update must not be made, in words, or None.

    losses: those of the updates before it.
    """
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not math.isfinite(norm):
        return f"the norm of the gradient is {norm}"
    compared = losses[-COMPARED_UPDATES:]
    if section.max_loss_rise is None or len(compared) < MIN_COMPARED_UPDATES:
        return None
    usual = statistics.median(compared)
    if loss - usual <= section.max_loss_rise:
        return None
    return (
        f"the loss is {loss:.4f}, {loss - usual:.4f} above the median {usual:.4f} of the last {len(compared)} updates"
        f" (max_loss_rise {section.max_loss_rise})"
    )


def stop(reason: str, update: int, batch: list[int], model: Any, rows: PackedRows, scratch: Path) -> StageError:
    """The error of an update not made; its rows are saved.

    The rows' own losses are computed for it, without noise, so that those that caused it stand first.
    """
    found = [
        (row, total / max(1, count)) for row, (total, count) in zip(batch, row_losses(model, rows, batch), strict=True)
    ]
    found.sort(key=lambda pair: (-pair[1] if math.isfinite(pair[1]) else -math.inf, pair[0]))
    not_finite = [row for row, loss in found if not math.isfinite(loss)]
    named = not_finite or [row for row, _ in found[:NAMED_ROWS]]
    path = scratch / FILE
    saved = {
        "update": update,
        "reason": reason,
        "rows": [
            {"row": row, "loss": loss if math.isfinite(loss) else None, "documents": documents_of(rows, row)}
            for row, loss in found
        ],
    }
    path.write_text(json.dumps(saved, sort_keys=True, indent=1) + "\n", encoding="utf-8", newline="\n")
    others = "not finite in" if not_finite else "highest in"
    return StageError(
        f"{reason} in update {update}; expected a finite and steady one. The loss is {others} row {', '.join(map(str, named))} of"
        f" the training split; all {len(batch)} rows of the update are in {path}, and train_sidecar.parquet names their"
        " documents: look at them, lower learning_rate or raise warmup_share, or use precision float32"
    )


def documents_of(rows: PackedRows, row: int) -> list[tuple[int, int]]:
    """Positions [start, end) of a row's documents; padding is left out."""
    import numpy as np

    starts = np.flatnonzero(rows.positions[row] == 0).tolist()
    ends = [*starts[1:], rows.row_length]
    mask = rows.loss_mask[row]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if mask[start:end].any()]


def memory_figures(has_gpu: bool) -> dict[str, float]:
    """Peak memory of this process and of its GPU, in bytes."""
    figures = {}
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Linux counts kibibytes, macOS bytes
        figures["peak_memory_bytes"] = float(peak if sys.platform == "darwin" else peak * 1024)
    if has_gpu:
        import torch

        figures["peak_gpu_memory_bytes"] = float(torch.cuda.max_memory_allocated())
    return figures
