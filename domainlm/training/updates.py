"""The loop of updates: gradients, clipping, AdamW, checkpoints.

In: a model with trainable weights, packed rows, the section's knobs, a seed. Out: the weights, changed in place, and
the curve. What a checkpoint restores is all that the next update depends on, so a killed run ends in the bytes of an
undisturbed one.

The loop is our own, because a Trainer averages per micro-batch, computes logits for positions without a label, and
masks labels by the padding id.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import Resources
from domainlm.models.device import rows_at_a_time
from domainlm.models.lora import trainable_parameters
from domainlm.models.masters import master_of, round_weights
from domainlm.models.methods import plain_model
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import PackedRows
from domainlm.training import checkpoint, gates, validation, watch
from domainlm.training.checkpoint import Progress
from domainlm.training.gradients import accumulate_gradients, clip_gradients
from domainlm.training.group import ALONE, Group, check_agreement, is_compared, wait_for_all
from domainlm.training.noise import noisy_embeddings
from domainlm.training.parameter_groups import parameter_groups, set_rate
from domainlm.training.schedule import learning_rate, row_order, rows_per_step


def update_adapter(
    model: Any,
    rows: PackedRows,
    section: Training,
    seed: int,
    scratch: Path,
    resources: Resources,
    validation_rows: PackedRows | None = None,
    group: Group = ALONE,
) -> Progress:
    """Run all updates; return their figures, and the validations.

    They continue from the checkpoint in `scratch` if there is one. tokens counts all row positions that were
    computed, padding included. With keeps_best, the model has the weights of its best validation at the end. Every
    process of the group makes the same updates; the first one saves.
    """
    import torch

    order = row_order(len(rows), section.epochs, seed)
    size = rows_per_step(section, rows.row_length)
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    plain = plain_model(model)
    layer = output_layer(plain)
    weights = [parameter for _, parameter in trainable_parameters(model)]
    # what the optimizer changes, and the gradients stand at
    parameters = [(name, master_of(parameter)) for name, parameter in trainable_parameters(model)]
    masters = [parameter for _, parameter in parameters]
    groups = parameter_groups(parameters, section)
    optimizer = torch.optim.AdamW(groups, lr=section.learning_rate, weight_decay=section.weight_decay, foreach=False)
    progress = checkpoint.load_checkpoint(scratch, parameters, optimizer)
    check_agreement(group, parameters, progress.steps_done)
    round_weights(weights)
    threads = rows_at_a_time(resources)
    history, points = list(progress.history), list(progress.validations)
    if progress.steps_done:
        resources.log(f"continuing after update {progress.steps_done} of {len(batches)}")
    pace = Pace(tokens_before=history[-1][1] if history else 0, tokens_at_end=len(order) * rows.row_length)
    for step in range(progress.steps_done, len(batches)):
        if validation.ends_early(points, section):
            resources.log(
                f"ending after update {step} of {len(batches)}: the best was {validation.best_update(points)}"
            )
            break
        rate = learning_rate(step, len(batches), section)
        set_rate(optimizer, rate)
        with noisy_embeddings(plain, section.neftune_alpha):
            loss = accumulate_gradients(
                plain, layer, weights, rows, batches[step], resources, f"{seed}:{step}", section.kl_weight, group
            )
        norm = clip_gradients(masters, section.max_grad_norm)
        reason = watch.reason_to_stop(loss, norm, [each[2] for each in history], section)
        if reason is not None:
            # the first process says so, and ends the others
            if not group.is_first:
                wait_for_all(group)
            raise watch.stop(reason, step + 1, batches[step], plain, rows, scratch)
        moved = gates.largest_gradients(parameters) if step == 0 else []
        optimizer.step()
        gates.check_moved(parameters, moved, rate)
        if is_compared(step + 1, len(batches)):
            check_agreement(group, parameters, step + 1)
        round_weights(weights)
        optimizer.zero_grad(set_to_none=True)
        tokens = (history[-1][1] if history else 0) + len(batches[step]) * rows.row_length
        history.append((step + 1, tokens, loss, rate))
        if validation_rows is not None and validation.is_validated(step + 1, len(batches), section):
            points.append(validation.validation_point(plain, validation_rows, section, step + 1, threads, group))
            if group.is_first and section.keeps_best and validation.best_update(points) == step + 1:
                validation.keep_weights(scratch, step + 1, parameters)
        if group.is_first and pace.saves_now(resources) and step + 1 < len(batches):
            checkpoint.save_checkpoint(scratch, parameters, optimizer, Progress(step + 1, history, points))
            if points:
                validation.forget_other_weights(scratch, validation.best_update(points))
        resources.progress(step + 1, len(batches), figures_of(loss, tokens, points, pace, resources))
    if section.keeps_best and points and validation.best_update(points) != len(history):
        # until the first one has written them
        wait_for_all(group)
        validation.restore_weights(scratch, validation.best_update(points), parameters)
        round_weights(weights)
    return Progress(len(history), history, points)


class Pace:
    """Time since the start of a run, and since its last checkpoint."""

    def __init__(self, tokens_before: int, tokens_at_end: int) -> None:
        self.started = self.saved = time.monotonic()
        self.tokens_before = tokens_before
        self.tokens_at_end = tokens_at_end

    def saves_now(self, resources: Resources) -> bool:
        """Whether a checkpoint is due; if so, the next is waited for."""
        now = time.monotonic()
        is_due = now - self.saved >= resources.checkpoint_seconds
        if is_due:
            self.saved = now
        return is_due

    def figures(self, tokens: int) -> dict[str, float]:
        speed = (tokens - self.tokens_before) / max(time.monotonic() - self.started, 1e-9)
        return {"tokens_per_second": speed, "seconds_left": (self.tokens_at_end - tokens) / speed}


def figures_of(
    loss: float, tokens: int, points: list[tuple[int, float]], pace: Pace, resources: Resources
) -> dict[str, float]:
    """What a person watches, in the order of a line."""
    validated = {"validation_loss": points[-1][1]} if points else {}
    times = pace.figures(tokens)
    return {
        "loss": loss,
        **validated,
        "tokens_per_second": times["tokens_per_second"],
        **watch.memory_figures(resources.gpus > 0),
        "seconds_left": times["seconds_left"],
    }
