"""The gradient of a global batch, on the rows' own threads.

In: a model, packed rows, the rows of one update. Out: gradients of the mean loss over the labels of the batch, however
it is cut into micro-batches and divided among processes, and the norm that they are scaled down to. The sums have one
order, so that neither threads nor the order in which they end changes a bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from domainlm.contract import Resources, StageError
from domainlm.models.device import rows_at_a_time
from domainlm.models.dropout import dropping
from domainlm.models.load import hidden_states
from domainlm.models.masters import master_of
from domainlm.models.output_layer import OutputLayer
from domainlm.models.parallel import parallel_map
from domainlm.models.precision import threads_in_row
from domainlm.models.rows import batch_tensors, labelled_positions
from domainlm.tokens.rows import PackedRows
from domainlm.training.anchor import anchored_cross_entropy, base_states
from domainlm.training.group import ALONE, Group, all_values, sum_gradients
from domainlm.training.loss import chunked_cross_entropy, total_of
from domainlm.training.noise import noise_of

if TYPE_CHECKING:
    import torch


def accumulate_gradients(
    model: Any,
    layer: OutputLayer,
    weights: list[torch.nn.Parameter],
    rows: PackedRows,
    batch: list[int],
    resources: Resources,
    update: str = "",
    kl_weight: float = 0.0,
    group: Group = ALONE,
) -> float:
    """Add the gradients of a global batch's mean loss; return that loss.

    The mean is over labels, summed in float64. Micro-batches run side by side, one to a thread; their gradients are
    added in the order of rows, in fp32. update: the seed and the step, by which noise and dropout draw. kl_weight: that of
    the divergence from the base, which is in the gradients and not in the loss. group: the processes that divide the rows;
    all of them get the gradients and the loss of the whole batch.
    """
    import numpy as np
    import torch

    count = max(1, int(rows.loss_mask[batch].sum(dtype=np.int64)))
    size = resources.micro_batch_rows

    def gradients(piece: tuple[list[int], torch.Tensor | None]) -> tuple[float, tuple[torch.Tensor, ...]]:
        part, base = piece
        ids, positions, mask = batch_tensors(rows, part, layer.weight.device)
        # the backward pass may compute layers again
        with dropping(update, part):
            with noise_of(update, part):
                hidden, labels = labelled_positions(hidden_states(model, ids, positions), ids, mask)
            if not len(labels):
                return 0.0, ()
            if base is None:
                losses = chunked_cross_entropy(hidden, layer, labels)
            else:
                losses = anchored_cross_entropy(hidden, layer, labels, base, kl_weight)
            total = total_of(losses)
            found = torch.autograd.grad(losses, weights, torch.full_like(losses, 1.0 / count), allow_unused=True)
        _check_used(model, weights, found)
        return total, found

    total = 0.0
    masters = [master_of(weight) for weight in weights]
    own = group.part(batch)
    parts = [own[at : at + size] for at in range(0, len(own), size)]
    side_by_side = max(1, min(rows_at_a_time(resources), len(parts)))
    inner = threads_in_row(resources.threads // side_by_side, layer.weight.shape[1], resources.choose)
    bases: list[torch.Tensor | None] = [None] * len(parts)
    if kl_weight:
        bases = [*base_states(model, rows, parts, side_by_side, layer.weight.device)]
    for part_total, found in parallel_map(gradients, list(zip(parts, bases, strict=True)), side_by_side, inner):
        total += part_total
        for weight, gradient in zip(masters, found, strict=False):
            weight.grad = gradient.float() if weight.grad is None else weight.grad.add_(gradient)
    sum_gradients(group, masters)
    return math.fsum(all_values(group, total)) / count


def _check_used(model: Any, weights: list[torch.nn.Parameter], found: Sequence[torch.Tensor | None]) -> None:
    """Raise StageError for weights on which the loss does not depend.

    They are of parts that see (Fuyu), or that choose what others attend to (indexers).
    """
    unused = {id(weight) for weight, gradient in zip(weights, found, strict=True) if gradient is None}
    if not unused:
        return
    names = [name for name, weight in model.named_parameters() if id(weight) in unused]
    whole = [name for name in names if ".lora_" not in name]
    if whole:
        raise StageError(
            f"method: the loss does not depend on {whole[0]} ({len(whole)} such weights of {type(model).__name__}); expected a"
            " model whose every weight takes part in its text: choose method lora and name target_modules"
        )
    layers = sorted({name.partition(".lora_")[0] for name in names})
    raise StageError(
        f"target_modules: the loss does not depend on the adapter of {layers[0]} ({len(layers)} such layers); expected layers"
        " that every text passes: name those, such as [q_proj, k_proj, v_proj, o_proj]"
    )


def clip_gradients(weights: list[torch.nn.Parameter], max_norm: float) -> float:
    """Scale gradients down to a norm of `max_norm`.

    Returns the norm that they had, summed in float64; on the CPU by numpy, in one order.
    """
    import numpy as np

    def square(gradient: torch.Tensor) -> float:
        if gradient.device.type == "cpu":
            return float(np.sum(np.square(gradient.numpy(), dtype=np.float64)))
        return float(gradient.double().square().sum())

    squares = [square(weight.grad) for weight in weights if weight.grad is not None]
    norm = math.sqrt(math.fsum(squares))
    if norm > max_norm:
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(max_norm / norm)
    return norm
