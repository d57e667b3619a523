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
from domainlm.models.lora import trainable_parameters
from domainlm.models.masters import master_of, round_weights
from domainlm.models.methods import plain_model
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import PackedRows
from domainlm.training import checkpoint
from domainlm.training.gradients import accumulate_gradients, clip_gradients
from domainlm.training.parameter_groups import parameter_groups, set_rate
from domainlm.training.schedule import learning_rate, row_order


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
    plain = plain_model(model)
    layer = output_layer(plain)
    weights = [parameter for _, parameter in trainable_parameters(model)]
    parameters = [(name, master_of(parameter)) for name, parameter in trainable_parameters(model)]
    masters = [parameter for _, parameter in parameters]
    groups = parameter_groups(parameters, section)
    optimizer = torch.optim.AdamW(groups, lr=section.learning_rate, weight_decay=section.weight_decay, foreach=False)
    progress = checkpoint.load_checkpoint(scratch, parameters, optimizer)
    round_weights(weights)
    history = list(progress.history)
    if progress.steps_done:
        resources.log(f"continuing after update {progress.steps_done} of {len(batches)}")
    started = saved = time.monotonic()
    for step in range(progress.steps_done, len(batches)):
        rate = learning_rate(step, len(batches), section)
        set_rate(optimizer, rate)
        loss = accumulate_gradients(plain, layer, weights, rows, batches[step], resources, f"{seed}:{step}")
        if not math.isfinite(loss):
            raise StageError(
                f"the loss is {loss} in step {step + 1}; expected a finite one: lower learning_rate"
                f" (now {section.learning_rate}) or set precision to float32"
            )
        clip_gradients(masters, section.max_grad_norm)
        optimizer.step()
        round_weights(weights)
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
