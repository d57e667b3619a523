"""Orthogonal subspace fine-tuning: keep each weight's main directions.

In: a loaded model. Out: linear layers that train what their smaller singular values make of them, at right angles to
the larger ones (arXiv 2504.07097); after training, a plain model of the resulting weights. The weight computes
W + U S V - U0 S0 V0, where U0 S0 V0 is the smaller part that U S V begins as. peft projects the gradient; AdamW's steps
then leave the subspace, because it scales each number by itself. Here U and V are projected where they are used.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from domainlm.config.training import Training
from domainlm.models.lora import added_to_linear
from domainlm.models.masters import master_of
from domainlm.models.targets import chosen_layers, has_own_forward, is_transposed, target_names

if TYPE_CHECKING:
    import torch

TRAINED = ("osf_left", "osf_sizes", "osf_right")
FIXED = ("osf_kept_left", "osf_kept_right", "osf_first_left", "osf_first_right")


def begin(model: Any, section: Training) -> Any:
    """The model, whose chosen layers train their smaller directions.

    Weights that are not fp32 have masters, which the checkpoint will hold. Signs and turns of a decomposition differ
    between machines; the products that a resumed run depends on do not.
    """
    import torch

    with torch.no_grad():
        for module in _chosen(model, section):
            left, sizes, right = torch.linalg.svd(_matrix(module), full_matrices=False)
            kept = min(max(1, round(section.osf_kept_share * len(sizes))), len(sizes) - 1)
            for name, value in zip(TRAINED, (left[:, kept:], sizes[kept:], right[kept:]), strict=True):
                module.register_parameter(name, torch.nn.Parameter(_copied(value)))
            first = (left[:, kept:] * sizes[kept:], right[kept:])
            for name, value in zip(FIXED, (left[:, :kept], right[:kept], *first), strict=True):
                setattr(module, name, _copied(value))
            module.forward = partial(_forward, module)
    return model


def finish(model: Any) -> None:
    """Put the trained parts into the weights: a plain model is left."""
    import torch

    with torch.no_grad():
        for module in model.modules():
            if not hasattr(module, TRAINED[0]):
                continue
            left, right = _trained(module)
            change = left.double() @ right.double() - module.osf_first_left.double() @ module.osf_first_right.double()
            merged = (_matrix(module).double() + change).float()
            merged = merged.t().contiguous() if is_transposed(module) else merged
            master_of(module.weight).data = merged
            module.weight.data = merged.to(module.weight.dtype)
            for name in (*TRAINED, *FIXED, "forward"):
                delattr(module, name)


def _chosen(model: Any, section: Training) -> list[Any]:
    """The linear layers that the knobs name."""
    import torch

    names = target_names(model, section)
    indices, pattern = chosen_layers(model, section)
    found = []
    for name, module in model.named_modules():
        is_linear = isinstance(module, torch.nn.Linear) or is_transposed(module)
        if not is_linear or has_own_forward(module) or module is model.get_output_embeddings():
            continue
        parts = name.split(".")
        is_in_layer = indices is None or any(
            one == pattern and two.isdigit() and int(two) in indices for one, two in pairwise(parts)
        )
        if is_in_layer and (isinstance(names, str) or any(f".{name}".endswith(f".{each}") for each in names)):
            found.append(module)
    return found


def _copied(value: torch.Tensor) -> torch.Tensor:
    """A part of a decomposition, as a run's checkpoint wants it."""
    import torch

    return value.clone(memory_format=torch.contiguous_format)


def _matrix(module: Any) -> torch.Tensor:
    """The fp32 weight, [out, in]."""
    weight = master_of(module.weight).detach()
    return weight.t() if is_transposed(module) else weight


def _trained(module: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """U S and V, at right angles to the kept directions."""
    left, right = module.osf_left, module.osf_right
    kept_left, kept_right = module.osf_kept_left, module.osf_kept_right
    left = left - kept_left @ (kept_left.t() @ left)
    return left * module.osf_sizes, right - (right @ kept_right.t()) @ kept_right


def _forward(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    import torch

    left, right = _trained(module)
    a = torch.cat([right, module.osf_first_right])
    b = torch.cat([left, -module.osf_first_left], dim=1)
    weight = module.weight.t() if is_transposed(module) else module.weight
    return added_to_linear(inputs, weight, module.bias, a, b, 1.0)
