"""The loop of updates: gradients, clipping, AdamW, checkpoints.

In: a model with trainable weights, packed rows, the section's knobs, a seed. Out: the weights, changed in place, and
the curve. What a checkpoint restores is all that the next update depends on, so a killed run ends in the bytes of an
undisturbed one.

The loop is our own, because a Trainer averages per micro-batch, computes logits for positions without a label, and
masks labels by the padding id.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import Resources, StageError
from domainlm.models import lora
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import PackedRows
from domainlm.training import checkpoint
from domainlm.training.gradients import accumulate_gradients, clip_gradients
from domainlm.training.schedule import learning_rate, row_order, rows_per_step


def update_adapter(
    model: Any, rows: PackedRows, section: Training, seed: int, scratch: Path, resources: Resources
) -> list[tuple[int, int, float, float]]:
    """Run all updates; return (step, tokens, loss, rate) of each.

    They continue from the checkpoint in `scratch` if there is one. tokens counts all row positions that were
    computed, padding included.
    """
    import torch

    order = row_order(len(rows), section.epochs, seed)
    size = rows_per_step(section, rows.row_length)
    batches = [order[at : at + size] for at in range(0, len(order), size)]
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
