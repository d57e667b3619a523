"""Checkpoints of a training run: one safetensors file, replaced atomically.

In: adapter weights, optimizer moments and the run's figures so far. Out: a file from which the run continues bit for
bit. The state is JSON in the file's header, so that one rename replaces weights and state together; two files, or a
folder, would need a second rename. No pickle is used, because a checkpoint is read back from a place that survives a
kill.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError

if TYPE_CHECKING:
    import torch

FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Progress:
    """Updates done, and their (step, tokens, loss, learning rate)."""

    steps_done: int
    history: list[tuple[int, int, float, float]]


def save_checkpoint(
    folder: Path, parameters: list[tuple[str, torch.nn.Parameter]], optimizer: Any, progress: Progress
) -> None:
    """Replace the folder's checkpoint; durable before it is visible."""
    from safetensors.torch import save_file

    tensors = {}
    for name, parameter in parameters:
        moments = optimizer.state[parameter]
        tensors[f"weight:{name}"] = parameter.detach()
        tensors |= {f"{key}:{name}": moments[key] for key in ("step", "exp_avg", "exp_avg_sq")}
    partial = folder / f"{FILE}.partial"
    save_file(tensors, partial, metadata={"progress": json.dumps(asdict(progress))})
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(folder / FILE)


def load_checkpoint(folder: Path, parameters: list[tuple[str, torch.nn.Parameter]], optimizer: Any) -> Progress:
    """Restore weights and moments; without a checkpoint, no updates are done."""
    import torch
    from safetensors import safe_open

    path = folder / FILE
    if not path.exists():
        return Progress(0, [])
    with safe_open(path, framework="pt") as file:
        metadata: Mapping[str, str] = file.metadata()
        names = {key.partition(":")[2] for key in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
        if names != {name for name, _ in parameters}:
            raise StageError(f"the checkpoint {FILE} is of another adapter; remove the scratch folder that holds it")
        with torch.no_grad():
            for name, parameter in parameters:
                parameter.copy_(file.get_tensor(f"weight:{name}"))
                moments = {key: file.get_tensor(f"{key}:{name}") for key in ("exp_avg", "exp_avg_sq")}
                optimizer.state[parameter] = {
                    "step": file.get_tensor(f"step:{name}"),
                    **{key: moment.to(parameter.device) for key, moment in moments.items()},
                }
    state = json.loads(metadata["progress"])
    return Progress(state["steps_done"], [(int(s), int(t), float(x), float(r)) for s, t, x, r in state["history"]])
