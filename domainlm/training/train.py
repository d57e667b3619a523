"""Training of a LoRA adapter on packed rows, for PT and SFT.

In: a base checkpoint, packed rows with a loss mask, the section's knobs and a seed; PT and SFT differ in the rows
only. Out: an adapter folder with its loss curve and figures. Properties: neither threads nor interruptions nor
checkpoints change a byte; the loss of an update is the mean over the labels of its global batch, however that is cut
into micro-batches (whose size changes the last bits only: sums of bf16 products are grouped by it); and the adapter
on disk, when it is loaded again, gives the loss that it had in memory.

The loop is our own, because a Trainer averages per micro-batch, computes logits for positions without a label, and
masks labels by the padding id.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.config.pretraining import Training
from domainlm.contract import Resources, StageError
from domainlm.models import lora
from domainlm.models.load import check_trainable, hidden_states, load_model
from domainlm.models.output_layer import OutputLayer, output_layer
from domainlm.models.parallel import parallel_map, use_one_thread
from domainlm.models.rows import batch_tensors, labelled_positions
from domainlm.tokens.rows import PackedRows, read_split
from domainlm.training import checkpoint
from domainlm.training.loss import chunked_cross_entropy, mean_loss, row_losses

if TYPE_CHECKING:
    import torch

RELOADED_ROWS = 4


@dataclass(frozen=True)
class Start:
    """The start of training: checkpoint folder, name, adapter to continue.

    The name is the one in the adapter's configuration.
    """

    base: Path
    base_name: str
    adapter: Path | None = None


def train_adapter(
    start: Start, tokens: Path, section: Training, seed: int, out: Path, scratch: Path, resources: Resources
) -> dict[str, Any]:
    """Train, validate, save, gate. Returns stats.json."""
    use_one_thread()
    train, validation = read_split(tokens, "train"), read_split(tokens, "validation")
    if start.adapter is not None:
        lora.check_continues(start.adapter, section)
    model = load_model(start.base, section.precision)
    check_trainable(model)
    if start.adapter is not None:
        model = lora.saved_adapter(model, start.adapter, is_trainable=True)
    else:
        model = lora.new_adapter(model, section, seed)
    history = update_adapter(model, train, section, seed, scratch, resources)
    lora.save_adapter(model, out, start.base_name)
    checked = list(range(min(len(validation), section.max_validation_rows)))
    resources.log(f"trained {len(history)} updates; computing the validation loss on {len(checked)} rows")
    losses = row_losses(model.get_base_model(), validation, checked, resources.threads)
    parameters = sum(parameter.numel() for _, parameter in lora.trainable_parameters(model))
    del model
    gc.collect()
    check_reloads(start.base, section.precision, out, validation, losses[:RELOADED_ROWS])
    stats = {
        "steps": len(history),
        "tokens": history[-1][1],
        "loss_first": round(history[0][2], 6),
        "loss_last": round(history[-1][2], 6),
        "validation_loss": round(mean_loss(losses), 6),
        "trainable_parameters": parameters,
    }
    _write(out / "loss.csv", "step,tokens,loss,learning_rate\n" + "".join(map(_curve_line, history)))
    _write(out / "validation.csv", f"step,loss\n{stats['steps']},{stats['validation_loss']}\n")
    _write(out / "stats.json", json.dumps(stats, sort_keys=True, ensure_ascii=False, indent=1) + "\n")
    return stats


def update_adapter(
    model: Any, rows: PackedRows, section: Training, seed: int, scratch: Path, resources: Resources
) -> list[tuple[int, int, float, float]]:
    """Run all updates; return (step, tokens, loss, rate) of each.

    They continue from the checkpoint in `scratch` if there is one. tokens counts all row positions that were
    computed, padding included.
    """
    import torch

    order = row_order(len(rows), section.epochs, seed)
    batches = [order[at : at + section.rows_per_step] for at in range(0, len(order), section.rows_per_step)]
    parameters = lora.trainable_parameters(model)
    layer = output_layer(model.get_base_model())
    weights = [parameter for _, parameter in parameters]
    optimizer = torch.optim.AdamW(weights, lr=section.learning_rate, weight_decay=section.weight_decay, foreach=False)
    progress = checkpoint.load_checkpoint(scratch, parameters, optimizer)
    history = list(progress.history)
    if progress.steps_done:
        resources.log(f"continuing after update {progress.steps_done} of {len(batches)}")
    started = saved = time.monotonic()
    for step in range(progress.steps_done, len(batches)):
        rate = learning_rate(step, len(batches), section)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = accumulate_gradients(model.get_base_model(), layer, weights, rows, batches[step], resources)
        if not math.isfinite(loss):
            raise StageError(
                f"the loss is {loss} in step {step + 1}; expected a finite one: lower learning_rate"
                f" (now {section.learning_rate}) or set precision to float32"
            )
        clip_gradients(weights, section.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens = (history[-1][1] if history else 0) + len(batches[step]) * rows.row_length
        history.append((step + 1, tokens, loss, rate))
        now = time.monotonic()
        if now - saved >= resources.checkpoint_seconds and step + 1 < len(batches):
            checkpoint.save_checkpoint(scratch, parameters, optimizer, checkpoint.Progress(step + 1, history))
            saved = now
        since_start = tokens - (progress.history[-1][1] if progress.history else 0)
        speed = since_start / max(now - started, 1e-9)
        seconds_left = (len(order) * rows.row_length - tokens) / speed
        figures = {"loss": loss, "tokens_per_second": speed, "seconds_left": seconds_left}
        resources.progress(step + 1, len(batches), figures)
    return history


def accumulate_gradients(
    model: Any,
    layer: OutputLayer,
    weights: list[torch.nn.Parameter],
    rows: PackedRows,
    batch: list[int],
    resources: Resources,
) -> float:
    """Add the gradients of a global batch's mean loss; return that loss.

    The mean is over labels, summed in float64. Micro-batches run side by side, one to a thread; their gradients are
    added in the order of rows.
    """
    import numpy as np
    import torch

    count = max(1, int(rows.loss_mask[batch].sum(dtype=np.int64)))
    size = resources.micro_batch_rows

    def gradients(part: list[int]) -> tuple[float, tuple[torch.Tensor, ...]]:
        ids, positions, mask = batch_tensors(rows, part)
        hidden, labels = labelled_positions(hidden_states(model, ids, positions), ids, mask)
        if not len(labels):
            return 0.0, ()
        losses = chunked_cross_entropy(hidden, layer, labels)
        total = float(np.sum(losses.detach().numpy(), dtype=np.float64))
        found = torch.autograd.grad(losses, weights, torch.full_like(losses, 1.0 / count), allow_unused=True)
        _check_used(model, weights, found)
        return total, found

    total = 0.0
    parts = [batch[at : at + size] for at in range(0, len(batch), size)]
    for part_total, found in parallel_map(gradients, parts, resources.threads):
        total += part_total
        for weight, gradient in zip(weights, found, strict=False):
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
    return total / count


def _check_used(model: Any, weights: list[torch.nn.Parameter], found: Sequence[torch.Tensor | None]) -> None:
    """Raise StageError for adapters on which the loss does not depend.

    They are of parts that see (Fuyu), or that choose what others attend to (indexers).
    """
    unused = {id(weight) for weight, gradient in zip(weights, found, strict=True) if gradient is None}
    if not unused:
        return
    names = [name for name, weight in model.named_parameters() if id(weight) in unused]
    layers = sorted({name.partition(".lora_")[0] for name in names})
    raise StageError(
        f"target_modules: the loss does not depend on the adapter of {layers[0]} ({len(layers)} such layers); expected layers"
        " that every text passes: name those, such as [q_proj, k_proj, v_proj, o_proj]"
    )


def row_order(rows: int, epochs: int, seed: int) -> list[int]:
    """Rows in the order of training, shuffled in each epoch.

    The order is by a digest of seed, epoch and row, equal in every numpy version.
    """

    def digest(epoch: int, row: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{epoch}:{row}".encode(), digest_size=16).digest()

    return [row for epoch in range(epochs) for row in sorted(range(rows), key=lambda index: digest(epoch, index))]


def learning_rate(step: int, steps: int, section: Training) -> float:
    """Linear warmup to the peak, then a cosine to the final share.

    The last step has the final share; steps count from 0.
    """
    warmup = round(section.warmup_share * steps)
    if step < warmup:
        return section.learning_rate * (step + 1) / (warmup + 1)
    fraction = (step - warmup) / max(1, steps - 1 - warmup)
    floor = section.final_learning_rate_share
    return section.learning_rate * (floor + (1 - floor) * (1 + math.cos(math.pi * fraction)) / 2)


def clip_gradients(weights: list[torch.nn.Parameter], max_norm: float) -> None:
    """Scale gradients down to a norm of `max_norm`.

    numpy sums the norm, in one order.
    """
    import numpy as np

    squares = [
        float(np.sum(np.square(weight.grad.numpy(), dtype=np.float64))) for weight in weights if weight.grad is not None
    ]
    norm = math.sqrt(math.fsum(squares))
    if norm > max_norm:
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(max_norm / norm)


def check_reloads(
    base: Path, precision: str, adapter: Path, validation: PackedRows, expected: list[tuple[float, int]]
) -> None:
    """Load base and adapter from disk and compare the first rows' losses.

    They must be equal, not close.
    """
    model = lora.saved_adapter(load_model(base, precision), adapter)
    found = row_losses(model.get_base_model(), validation, list(range(len(expected))))
    if found != expected:
        raise StageError(
            f"the saved adapter has validation losses {found[:2]} after loading, {expected[:2]} in memory; expected"
            " the same figures: the adapter does not hold all that was trained"
        )


def _curve_line(point: tuple[int, int, float, float]) -> str:
    step, tokens, loss, rate = point
    return f"{step},{tokens},{loss:.6f},{rate:.9g}\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
