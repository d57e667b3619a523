from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.models.load import load_model
from domainlm.models.lora import continued_adapter, new_adapter, save_adapter, trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)
SECTION = PtAdapter(method="pissa", rank=4, alpha=8)


def test_it_begins_as_the_principal_part_and_changes_nothing(make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    plain, state = load_model(base, "float32"), torch.random.get_rng_state()
    model = new_adapter(load_model(base, "float32"), SECTION, 5)
    assert torch.equal(state, torch.random.get_rng_state())
    module = next(each for each in model.modules() if hasattr(each, "lora_A"))
    product = 2.0 * module.lora_B["default"].weight @ module.lora_A["default"].weight
    left, sizes, right = torch.linalg.svd(module.base_layer.weight)
    assert torch.allclose(product, left[:, :4] * sizes[:4] @ right[:4], atol=1e-3)
    with torch.no_grad():
        assert (model(input_ids=IDS).logits - plain(input_ids=IDS).logits).abs().max() < 1e-4
    names = {name.split(".")[-3] for name, _ in trainable_parameters(model)}
    assert names == {"lora_A", "lora_B"}


def test_plain_peft_reads_it_on_the_original_base(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = make_base("llama")
    model = new_adapter(load_model(base, "float32"), SECTION, 5)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, parameter in trainable_parameters(model):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    save_adapter(model, tmp_path, "base_model")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 16, True)
    peft: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path)
    further = continued_adapter(load_model(base, "float32"), tmp_path, SECTION)
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        assert (peft(input_ids=IDS).logits - expected).abs().max() < 1e-4
        assert torch.equal(further(input_ids=IDS).logits, expected)
        assert (load_model(base, "float32")(input_ids=IDS).logits - expected).abs().max() > 1e-2
    one, two = (dict(trainable_parameters(each)) for each in (model, further))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_rank_above_a_weight_s_own_is_refused(make_base: Callable[..., Path]) -> None:
    with pytest.raises(StageError, match=r"rank: 20 is more than the weight of .*k_proj has \(16\)"):
        new_adapter(load_model(make_base("llama"), "float32"), PtAdapter(method="pissa", rank=20), 5)
