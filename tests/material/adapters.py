"""Adapters that are not at their start, as after a training.

In: a model with a fresh adapter. Out: the same, its B random; its own forward pass held against peft's.
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


def assert_forward_is_peft_s(model: Any, ids: Any) -> None:
    """Loss and gradients are those of peft's own layers, to which the model's are set back."""
    import pytest
    import torch

    from domainlm.models.lora import trainable_parameters

    results = []
    for is_own in (True, False):
        if not is_own:
            for module in model.modules():
                if hasattr(module, "lora_A"):
                    del module.forward
        model.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        results.append((loss.item(), [p.grad.clone() for _, p in trainable_parameters(model)]))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    for one, two in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(one, two, atol=1e-6)
