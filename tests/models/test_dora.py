from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from material.adapters import assert_forward_is_peft_s
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)
SECTION = PtAdapter(method="dora", rank=4, alpha=12)


def changed(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in trainable_parameters(model):
            if "lora_A" not in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
def test_outputs_and_gradients_are_those_of_peft(
    architecture: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = write_architecture(tmp_path / "b", "gpt2") if architecture == "gpt2" else make_base(architecture)
    model = new_adapter(load_model(base, "float32"), SECTION, 5)
    changed(model)
    assert_forward_is_peft_s(model, IDS)


def test_nothing_is_changed_before_the_first_update_in_any_precision(make_base: Callable[..., Path]) -> None:
    base = make_base("llama", "bfloat16")
    plain = load_model(base, "bfloat16")
    model = new_adapter(load_model(base, "bfloat16"), SECTION, 5)
    with torch.no_grad():
        assert torch.equal(model(input_ids=IDS).logits, plain(input_ids=IDS).logits)
    assert {weight.dtype for _, weight in trainable_parameters(model)} == {torch.float32}


def test_norms_follow_every_change_of_the_factors(make_base: Callable[..., Path]) -> None:
    model = new_adapter(load_model(make_base("llama"), "float32"), SECTION, 5)
    module = next(each for each in model.modules() if hasattr(each, "lora_A"))
    inputs = torch.randn(3, module.base_layer.in_features, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        changed(model)
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        weight = module.base_layer.weight + 3.0 * (b @ a)
        length = module.lora_magnitude_vector["default"].weight
        with torch.no_grad():
            expected = inputs @ (weight * (length / weight.norm(dim=1))[:, None]).t()
            assert torch.allclose(module(inputs), expected, atol=1e-5)
