"""Holding a training near its base, by KL divergence.

In: the rows of an update, the adapted model. Out: the cross-entropy of each label, whose gradient is that of the
cross-entropy plus `weight` times KL(base || adapted) over the next token. What the base would say costs one more
forward pass and no memory for a second model, because LoRA's teacher is the same model with the adapter switched off.
That is done for all rows of an update before any gradient is computed: the switch is on the model, which threads
share. Hidden states are kept of the teacher, not logits, which are 85 times as large.

It is applied to all labels: token files do not say which documents are general text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from domainlm.contract import StageError
from domainlm.models.load import hidden_states
from domainlm.models.output_layer import OutputLayer, cap_slope, finished_logits
from domainlm.models.parallel import parallel_map
from domainlm.models.rows import CHUNK_ROWS, batch_tensors, labelled_positions

if TYPE_CHECKING:
    import torch

    from domainlm.tokens.rows import PackedRows


@contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """Let the model compute what its base does.

    The switch is the scale that every adapted layer multiplies its adapter's output by. No other thread may be at work.
    """
    from peft.tuners.lora.layer import LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if not layers or any(len(layer.lora_magnitude_vector) for layer in layers):
        raise StageError(
            "kl_weight: what is trained cannot be switched off, so there is no base to compare with; expected an adapter that is"
            " added to the weights (method lora): choose it, or set kl_weight to 0"
        )
    scales = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            layer.scaling.update(dict.fromkeys(layer.scaling, 0.0))
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scaling.update(scale)


def base_states(
    model: Any, rows: PackedRows, parts: list[list[int]], threads: int, device: torch.device
) -> list[torch.Tensor]:
    """The base's hidden states at the labels of each micro-batch."""
    import torch

    def states(part: list[int]) -> torch.Tensor:
        ids, positions, mask = batch_tensors(rows, part, device)
        with torch.no_grad():
            return labelled_positions(hidden_states(model, ids, positions), ids, mask)[0]

    with adapter_off(model):
        return list(parallel_map(states, parts, threads))


def anchored_cross_entropy(
    hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor, base: torch.Tensor, weight: float
) -> torch.Tensor:
    """Cross-entropy of each position, with the divergence in its gradient.

    It is fp32 [n], in nats. hidden, base: [n, width], of the adapted model and of its base; labels: int64 [n].
    """
    return cast("torch.Tensor", _anchored_cross_entropy().apply(hidden, layer, labels, base, weight))


@cache
def _anchored_cross_entropy() -> Any:
    """The autograd function, made on first use.

    Importing this module must not import torch.
    """
    import torch

    class AnchoredCrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any, hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor, base: torch.Tensor, weight: float
        ) -> torch.Tensor:
            losses, gradient = _losses_and_gradient(hidden.detach(), layer, labels, base, weight)
            ctx.save_for_backward(gradient)
            return losses

        @staticmethod
        def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            (gradient,) = ctx.saved_tensors
            return gradient * grad_outputs[0][:, None].to(gradient.dtype), None, None, None, None

    return AnchoredCrossEntropy


def _losses_and_gradient(
    hidden: torch.Tensor, layer: OutputLayer, labels: torch.Tensor, base: torch.Tensor, weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses [n], and the gradient of both parts by the hidden states.

    By the logits it is softmax - label + weight (softmax - the base's softmax).
    """
    import torch

    losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
    gradient = torch.empty_like(hidden)
    with torch.no_grad():
        for start in range(0, len(hidden), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            label = labels[part, None]
            logits, wanted = (
                finished_logits(layer, (states[part] @ layer.weight.t()).float()) for states in (hidden, base)
            )
            slope = None if layer.soft_cap is None else cap_slope(layer, logits, torch.empty_like(logits))
            found = logits.log_softmax(dim=-1)
            losses[part] = -found.gather(1, label)[:, 0]
            values = found.exp_().mul_(1 + weight).sub_(wanted.softmax(dim=-1), alpha=weight)
            values.scatter_add_(1, label, torch.full_like(label, -1.0, dtype=torch.float32))
            if slope is not None:
                values.mul_(slope)
            gradient[part] = values.mul_(layer.scale).to(hidden.dtype) @ layer.weight
    return losses, gradient
