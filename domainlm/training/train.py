"""Training of an adapter or a whole model, for PT and SFT.

In: a base checkpoint, packed rows with a loss mask, the section's knobs and a seed; PT and SFT differ in the rows
only. Out: a folder of what the section's method trains, with its loss curve and figures. Properties: neither
interruptions nor checkpoints change a byte, nor threads, up to one a row; the loss of an update is the mean over the
labels of its global batch, however that is cut into micro-batches (whose size changes the last bits only: sums of bf16
products are grouped by it); and what is on disk, when it is loaded again, gives the loss that it had in memory.
"""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import Resources, StageError
from domainlm.models import lora, methods
from domainlm.models.base_digest import check_base, record_base
from domainlm.models.device import (
    granted_device,
    granted_processes,
    rows_at_a_time,
    use_activation_checkpointing,
)
from domainlm.models.parallel import use_one_thread
from domainlm.models.precision import resolved_precision
from domainlm.tokens.rows import PackedRows, read_split
from domainlm.tokens.special import read_special_tokens
from domainlm.training import gates
from domainlm.training.checkpoint import Progress
from domainlm.training.group import ALONE, Group, leave
from domainlm.training.job import Job, Start
from domainlm.training.launch import train_in_processes
from domainlm.training.loss import mean_loss, row_losses
from domainlm.training.updates import update_adapter
from domainlm.training.validation import best_update, validation_losses

RELOADED_ROWS = 4


def train_adapter(
    start: Start, tokens: Path, section: Training, seed: int, out: Path, scratch: Path, resources: Resources
) -> dict[str, Any]:
    """Train, validate, save, gate, in as many processes as are granted.

    Returns stats.json.
    """
    job = Job(start, tokens, section, seed, out, scratch)
    processes = granted_processes(resources)
    if processes > 1:
        resources.log(f"training in {processes} processes")
        return train_in_processes(job, processes, resources)
    return train_in_group(job, resources, ALONE)


def train_in_group(job: Job, resources: Resources, group: Group) -> dict[str, Any]:
    """One process's part of a training.

    The first one gates and saves, and returns stats.json; the others return nothing.
    """
    use_one_thread()
    start, section = job.start, job.section
    train, validation = read_split(job.tokens, "train"), read_split(job.tokens, "validation")
    if group.is_first:
        _check_rows(start, train)
    device = granted_device(resources, group.rank if group.size > 1 else None)
    precision = resolved_precision(section.precision, start.base, device, resources.choose)
    resources.log(f"training in {precision} on {device}")
    model = methods.model_to_train(start.base, precision, device, section, job.seed, start.adapter)
    plain = methods.plain_model(model)
    if group.is_first:
        gates.check_vocabulary(plain, {"training": train, "validation": validation})
    if resources.has_activation_checkpointing and section.method == "prefix_tuning":
        raise StageError(
            "activation_checkpointing is set, and method is prefix_tuning, whose keys and values would be added twice to a layer"
            " that is computed again; expected one of them: leave activation_checkpointing out of the profile, or choose p_tuning"
        )
    if resources.has_activation_checkpointing:
        use_activation_checkpointing(plain)
    if group.is_first:
        gates.check_packing(plain, train)
    progress = update_adapter(model, train, section, job.seed, job.scratch, resources, validation, group)
    history = progress.history
    parameters = sum(parameter.numel() for _, parameter in lora.trainable_parameters(model))
    methods.finish_training(model, section)
    if group.is_first:
        methods.save_trained(model, section, start.base, start.base_name, job.out)
        if methods.is_saved_as_trained(section.method):
            gates.check_saved(model, job.out)
        record_base(job.out, start.base, start.base_name)
    resources.log(f"trained {len(history)} updates; computing the validation loss")
    losses = validation_losses(plain, validation, section, rows_at_a_time(resources), group)
    in_memory = losses[:RELOADED_ROWS]
    if group.size > 1 and group.is_first:
        # on this process's device, where the file is loaded too
        in_memory = row_losses(plain, validation, list(range(len(in_memory))))
    leave(group)
    if not group.is_first:
        return {}
    del model, plain
    gc.collect()
    gates.check_reloads(start.base, precision, job.out, device, section.method, validation, in_memory)
    return _write_figures(job, progress, losses, parameters)


def _check_rows(start: Start, train: PackedRows) -> None:
    """Raise StageError for rows or an adapter that must not be trained."""
    special = read_special_tokens(start.base)
    stop = (special.end_of_text_id, special.end_of_text)
    if start.learned_end == "turn_end":
        stop = (special.turn_end_id, special.turn_end)
    gates.check_labels(train, *stop, is_end_of_text=start.learned_end == "end_of_text")
    if start.adapter is not None:
        check_base(start.adapter, start.base)


def _write_figures(job: Job, progress: Progress, losses: list[tuple[float, int]], parameters: int) -> dict[str, Any]:
    """Write the curves and stats.json; return the latter."""
    history = progress.history
    stats = {
        "steps": len(history),
        "tokens": history[-1][1],
        "loss_first": round(history[0][2], 6),
        "loss_last": round(history[-1][2], 6),
        "validation_loss": round(mean_loss(losses), 6),
        "trainable_parameters": parameters,
    }
    if job.section.keeps_best:
        stats["best_step"] = best_update(progress.validations)
    points = progress.validations or [(len(history), mean_loss(losses))]
    _write(job.out / "loss.csv", "step,tokens,loss,learning_rate\n" + "".join(map(_curve_line, history)))
    _write(job.out / "validation.csv", "step,loss\n" + "".join(f"{step},{round(loss, 6)}\n" for step, loss in points))
    _write(job.out / "stats.json", json.dumps(stats, sort_keys=True, ensure_ascii=False, indent=1) + "\n")
    return stats


def _curve_line(point: tuple[int, int, float, float]) -> str:
    step, tokens, loss, rate = point
    return f"{step},{tokens},{loss:.6f},{rate:.9g}\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
