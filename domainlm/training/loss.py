"""Cross-entropy of the labelled positions, in chunks, with its gradient.

In: hidden states of the labelled positions, the output layer, labels. Out: one loss per position. The gradient is
computed on the way forward: the logits of a chunk become, in place, their own gradient, and then the hidden states'
gradient: 256 rows of a 49,152-token vocabulary at a time, instead of logits for every position kept for the backward
pass (100 MB a row of 512 in fp32) or computed twice. A frozen output layer has no gradient; for that of a trained one
the logits are computed again. (The idea: Liger kernel, arXiv 2410.10989.) The layer's bias, scale and soft cap are
computed in fp32, whatever the model's precision.

Losses are returned per position and summed by the caller in float64: a sum over a large tensor in torch depends on
the number of threads.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from domainlm.models.output_layer import OutputLayer, cap_slope, finished_logits, output_layer
from domainlm.models.parallel import parallel_map
from domainlm.models.rows import CHUNK_ROWS, batch_tensors, labelled_positions

if TYPE_CHECKING:
    import torch

    from domainlm.tokens.rows import PackedRows


def chunked_cross_entropy(hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor) -> torch.Tensor:
    """Loss of each position, fp32 [n], in nats.

    hidden: [n, width]; labels: int64 [n].
    """
    apply = _chunked_cross_entropy().apply
    return cast("torch.Tensor", apply(hidden, layer.weight, layer.bias, layer.rows, layer, labels))


@cache
def _chunked_cross_entropy() -> Any:
    """The autograd function, made on first use.

    Importing this module must not import torch.
    """
    import torch

    class ChunkedCrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any,
            hidden: torch.Tensor,
            weight: torch.Tensor,
            bias: torch.Tensor | None,
            rows: torch.Tensor | None,
            layer: OutputLayer,
            labels: torch.Tensor,
        ) -> torch.Tensor:
            losses, gradient = losses_and_gradient(hidden, layer, labels, ctx.needs_input_grad[0])
            has_trained_layer = any(ctx.needs_input_grad[1:4])
            ctx.layer = layer if has_trained_layer else None
            ctx.save_for_backward(gradient, *((hidden, labels) if has_trained_layer else ()))
            return losses

        @staticmethod
        def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            gradient, *kept = ctx.saved_tensors
            to_hidden = None if gradient is None else gradient * grad_outputs[0][:, None].to(gradient.dtype)
            if ctx.layer is None:
                return to_hidden, None, None, None, None, None
            to_weight, to_bias = layer_gradients(kept[0], ctx.layer, kept[1], grad_outputs[0])
            if ctx.needs_input_grad[3]:
                return to_hidden, None, None, to_weight, None, None
            return to_hidden, to_weight, to_bias if ctx.needs_input_grad[2] else None, None, None, None

    return ChunkedCrossEntropy


def losses_and_gradient(
    hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor, has_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Losses [n] and, if wanted, their gradients [n, width].

    The gradient is d(loss of a position) / d(its hidden state). The buffers serve every chunk: a fresh 50 MB block
    from the system costs as much as the softmax in it.
    """
    import torch

    weight = layer.weight
    count, vocabulary = hidden.shape[0], weight.shape[0]
    device = hidden.device
    losses = torch.empty(count, dtype=torch.float32, device=device)
    gradient = torch.empty_like(hidden) if has_gradient else None
    rows = min(CHUNK_ROWS, count)
    compute = torch.empty(rows, vocabulary, dtype=hidden.dtype, device=device)
    precise = torch.empty(rows, vocabulary, dtype=torch.float32, device=device)
    slope = torch.empty_like(precise) if has_gradient and layer.soft_cap is not None else None
    for start in range(0, count, CHUNK_ROWS):
        chunk = hidden[start : start + CHUNK_ROWS].detach()
        label = labels[start : start + CHUNK_ROWS, None]
        size = len(chunk)
        with torch.no_grad():
            torch.mm(chunk, weight.t(), out=compute[:size])
            values = finished_logits(layer, precise[:size].copy_(compute[:size]))
            if slope is not None:
                cap_slope(layer, values, slope[:size])
            # one kernel in place of five passes over the vocabulary
            torch.log_softmax(values, dim=-1, out=values)
            losses[start : start + size] = -values.gather(1, label)[:, 0]
            if gradient is not None:
                values.exp_().scatter_add_(1, label, torch.full((size, 1), -1.0, device=device))
                if slope is not None:
                    values.mul_(slope[:size])
                if layer.scale != 1.0:
                    values.mul_(layer.scale)
                torch.mm(compute[:size].copy_(values), weight, out=gradient[start : start + size])
    return losses, gradient


def layer_gradients(
    hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor, given: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of a trained output layer: weight and bias, fp32.

    Of a layer with trained rows, they are those of the rows. given: [n], the gradient of each position's loss. The logits
    are computed a second time: kept, they would be those of every position.
    """
    import torch

    weight = layer.weight
    device = hidden.device
    first, count = (0, len(weight)) if layer.rows is None else (layer.first_row, len(layer.rows))
    to_weight = torch.zeros((count, weight.shape[1]), dtype=torch.float32, device=device)
    to_bias = torch.zeros(count, dtype=torch.float32, device=device)
    with torch.no_grad():
        for start in range(0, len(hidden), CHUNK_ROWS):
            chunk = hidden[start : start + CHUNK_ROWS]
            values = finished_logits(layer, (chunk @ weight.t()).float())
            slope = None if layer.soft_cap is None else cap_slope(layer, values, torch.empty_like(values))
            values = torch.softmax(values, dim=-1)
            label = labels[start : start + CHUNK_ROWS, None]
            values.scatter_add_(1, label, torch.full((len(chunk), 1), -1.0, device=device))
            values.mul_(given[start : start + CHUNK_ROWS, None]).mul_(layer.scale)
            if slope is not None:
                values.mul_(slope)
            values = values[:, first : first + count]
            to_weight += (values.to(chunk.dtype).t() @ chunk).float()
            to_bias += values.sum(dim=0)
    return to_weight, to_bias


def row_losses(model: Any, rows: PackedRows, indices: list[int], threads: int = 1) -> list[tuple[float, int]]:
    """(sum of losses, labels) of each row.

    One row is computed at a time and summed in float64, so that neither the micro-batch nor the number of threads
    affects the figure.
    """
    layer = output_layer(model)

    def row_loss(index: int) -> tuple[float, int]:
        losses = label_losses(model, layer, rows, index)
        return total_of(losses), len(losses)

    return list(parallel_map(row_loss, indices, threads))


def label_losses(model: Any, layer: OutputLayer, rows: PackedRows, index: int) -> torch.Tensor:
    """The loss of each label of one row, in nats."""
    import torch

    from domainlm.models.load import hidden_states

    ids, positions, mask = batch_tensors(rows, [index], layer.weight.device)
    with torch.no_grad():
        hidden, labels = labelled_positions(hidden_states(model, ids, positions), ids, mask)
        losses, _ = losses_and_gradient(hidden, layer, labels, False)
    return losses


def total_of(losses: torch.Tensor) -> float:
    """Sum of losses, in float64 and one order."""
    import numpy as np

    return float(np.sum(losses.detach().cpu().numpy(), dtype=np.float64))


def mean_loss(losses: list[tuple[float, int]]) -> float:
    """Mean loss over all labels of `row_losses`, in nats."""
    return math.fsum(total for total, _ in losses) / max(1, sum(count for _, count in losses))
