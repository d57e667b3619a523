"""Adapters that are not at their start, as after a training.

In: a model with a fresh adapter. Out: the same, its B random.
"""

from __future__ import annotations

from typing import Any


def with_random_b(model: Any) -> None:
    """Draw every B from a fixed seed, in the order of names."""
    import torch

    from domainlm.models.lora import trainable_parameters

    generator = torch.Generator().manual_seed(2)
    for name, parameter in trainable_parameters(model):
        if "lora_B" in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
