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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from domainlm.config.training import Training
from domainlm.contract import Resources, StageError
from domainlm.models import lora, methods
from domainlm.models.base_digest import check_base, record_base
from domainlm.models.device import granted_device, rows_at_a_time, use_activation_checkpointing
from domainlm.models.parallel import use_one_thread
from domainlm.models.precision import resolved_precision
from domainlm.tokens.rows import read_split
from domainlm.tokens.special import read_special_tokens
from domainlm.training import gates
from domainlm.training.loss import mean_loss, row_losses
from domainlm.training.updates import update_adapter
from domainlm.training.validation import best_update, validated_rows

RELOADED_ROWS = 4


@dataclass(frozen=True)
class Start:
    """The start of training: checkpoint folder, name, adapter to continue.

    The name is the one in the adapter's configuration. learned_end: the token by which the rows' documents end.
    """

    base: Path
    base_name: str
    adapter: Path | None = None
    learned_end: Literal["end_of_text", "turn_end"] = "end_of_text"


def train_adapter(
    start: Start, tokens: Path, section: Training, seed: int, out: Path, scratch: Path, resources: Resources
) -> dict[str, Any]:
    """Train, validate, save, gate. Returns stats.json."""
    use_one_thread()
    train, validation = read_split(tokens, "train"), read_split(tokens, "validation")
    special = read_special_tokens(start.base)
    stop = (special.end_of_text_id, special.end_of_text)
    if start.learned_end == "turn_end":
        stop = (special.turn_end_id, special.turn_end)
    gates.check_labels(train, *stop, is_end_of_text=start.learned_end == "end_of_text")
    if start.adapter is not None:
        check_base(start.adapter, start.base)
    device = granted_device(resources)
    precision = resolved_precision(section.precision, start.base, device, resources.choose)
    resources.log(f"training in {precision} on {device}")
    model = methods.model_to_train(start.base, precision, device, section, seed, start.adapter)
    plain = methods.plain_model(model)
    gates.check_vocabulary(plain, {"training": train, "validation": validation})
    if resources.has_activation_checkpointing and section.method == "prefix_tuning":
        raise StageError(
            "activation_checkpointing is set, and method is prefix_tuning, whose keys and values would be added twice to a layer"
            " that is computed again; expected one of them: leave activation_checkpointing out of the profile, or choose p_tuning"
        )
    if resources.has_activation_checkpointing:
        use_activation_checkpointing(plain)
    gates.check_packing(plain, train)
    progress = update_adapter(model, train, section, seed, scratch, resources, validation)
    history = progress.history
    parameters = sum(parameter.numel() for _, parameter in lora.trainable_parameters(model))
    methods.save_trained(model, section, start.base, start.base_name, out)
    if methods.is_saved_as_trained(section.method):
        gates.check_saved(model, out)
    record_base(out, start.base, start.base_name)
    checked = validated_rows(validation, section)
    resources.log(f"trained {len(history)} updates; computing the validation loss on {len(checked)} rows")
    threads = rows_at_a_time(resources)
    losses = row_losses(plain, validation, checked, threads)
    del model, plain
    gc.collect()
    gates.check_reloads(start.base, precision, out, device, section.method, validation, losses[:RELOADED_ROWS])
    stats = {
        "steps": len(history),
        "tokens": history[-1][1],
        "loss_first": round(history[0][2], 6),
        "loss_last": round(history[-1][2], 6),
        "validation_loss": round(mean_loss(losses), 6),
        "trainable_parameters": parameters,
    }
    if section.keeps_best:
        stats["best_step"] = best_update(progress.validations)
    points = progress.validations or [(len(history), mean_loss(losses))]
    _write(out / "loss.csv", "step,tokens,loss,learning_rate\n" + "".join(map(_curve_line, history)))
    _write(out / "validation.csv", "step,loss\n" + "".join(f"{step},{round(loss, 6)}\n" for step, loss in points))
    _write(out / "stats.json", json.dumps(stats, sort_keys=True, ensure_ascii=False, indent=1) + "\n")
    return stats


def _curve_line(point: tuple[int, int, float, float]) -> str:
    step, tokens, loss, rate = point
    return f"{step},{tokens},{loss:.6f},{rate:.9g}\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
