from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.adapters import assert_forward_is_peft_s
from material.tiny_models import write_architecture

from domainlm.config.instruction import SftAdapter
from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.models.load import load_model
from domainlm.models.lora import check_continues, new_adapter, save_adapter, saved_adapter, trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)


def with_random_b(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for name, parameter in trainable_parameters(model):
        if "lora_B" in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_fused_layers_compute_what_peft_s_layers_do(architecture: str, make_base: Callable[..., Path]) -> None:
    model = new_adapter(load_model(make_base(architecture), "float32"), PtAdapter(rank=4, alpha=12), 5)
    with_random_b(model)
    assert_forward_is_peft_s(model, IDS)


def test_conv1d_layers_get_adapters_as_linear_layers_do(tmp_path: Path) -> None:
    """GPT-2 keeps its weights the other way round."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = write_architecture(tmp_path / "base", "gpt2")
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, alpha=12), 5)
    names = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in trainable_parameters(model)}
    assert names == {"c_attn", "c_proj", "c_fc"}
    with torch.no_grad():
        plain = load_model(base, "float32")(input_ids=IDS).logits
        assert (model(input_ids=IDS).logits - plain).abs().max() < 1e-5
    with_random_b(model)
    out = tmp_path / "out"
    out.mkdir()
    save_adapter(model, out, "base_model")
    assert json.loads((out / "adapter_config.json").read_text())["fan_in_fan_out"] is True
    peft: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out, is_trainable=True)
    gradients = []
    for each in (model, peft):
        loss = each(input_ids=IDS, labels=IDS).loss
        loss.backward()
        gradients.append([loss.detach(), *(p.grad for _, p in trainable_parameters(each))])
    assert (gradients[0][0] - loss).abs() < 1e-6
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "deepseek_v3"])
def test_all_linear_layers_of_a_mixture_are_those_beside_its_experts(kind: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {"num_experts_per_tok": 2, "num_local_experts": 4, "num_experts": 4, "head_dim": 8}
    if kind == "deepseek_v3":
        latent = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
        groups = {"n_group": 2, "topk_group": 1, "moe_intermediate_size": 16, "first_k_dense_replace": 1}
        values = {**latent, **groups, "num_experts_per_tok": 2, "n_routed_experts": 8, "num_key_value_heads": 4}
    base = write_architecture(tmp_path / "base", kind, **values)
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4), 5)
    names = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in trainable_parameters(model)}
    assert names == (
        {"q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"}
        if kind == "deepseek_v3"
        else {"q_proj", "k_proj", "v_proj", "o_proj"}
    )
    with_random_b(model)
    out = tmp_path / "out"
    out.mkdir()
    save_adapter(model, out, "base_model")
    with torch.no_grad():
        reloaded = saved_adapter(load_model(base, "float32"), out)
        assert torch.equal(model(input_ids=IDS).logits, reloaded(input_ids=IDS).logits)
    with pytest.raises(StageError, match="target_modules"):
        new_adapter(
            load_model(base, "float32"), PtAdapter(rank=4, target_modules=["gate_proj", "up_proj", "w1", "w3"]), 5
        )


def test_a_linear_layer_that_computes_something_else_takes_no_adapter(tmp_path: Path) -> None:
    """The router of Phi-3.5-MoE is one, and returns weights and experts."""
    values = {"num_local_experts": 4, "num_experts_per_tok": 2, "input_jitter_noise": 0.0}
    base = write_architecture(tmp_path / "base", "phimoe", **values)
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4), 5)
    names = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in trainable_parameters(model)}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj"}
    model(input_ids=IDS)
    with pytest.raises(StageError, match=r"target_modules: .*router is a PhimoeTopKRouter that takes no mergeable"):
        new_adapter(load_model(base, "float32"), PtAdapter(rank=4, target_modules=["router"]), 5)


def test_linear_layers_are_saved_as_before(make_base: Callable[..., Path]) -> None:
    model = new_adapter(load_model(make_base("llama"), "float32"), PtAdapter(rank=4), 5)
    assert model.peft_config["default"].fan_in_fan_out is False


def test_adapters_are_float32_on_a_bfloat16_base_and_drawn_by_the_seed(make_base: Callable[..., Path]) -> None:
    base = make_base("llama", "bfloat16")
    state = torch.random.get_rng_state()
    models = [new_adapter(load_model(base, "bfloat16"), PtAdapter(rank=4), seed) for seed in (5, 5, 6)]
    assert torch.equal(state, torch.random.get_rng_state())
    weights = [dict(trainable_parameters(model)) for model in models]
    name = next(name for name in weights[0] if "lora_A" in name)
    assert {weight.dtype for weight in weights[0].values()} == {torch.float32}
    assert torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[0][name], weights[2][name])


def test_saved_adapter_gives_the_same_output(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4), 5)
    with_random_b(model)
    out = tmp_path / "out"
    out.mkdir()
    save_adapter(model, out, "base_model")
    assert sorted(path.name for path in out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    config = json.loads((out / "adapter_config.json").read_text())
    assert list(config) == sorted(config)
    assert config["target_modules"] == sorted(config["target_modules"])
    assert config["base_model_name_or_path"] == "base_model"
    assert str(tmp_path) not in (out / "adapter_config.json").read_text()
    with torch.no_grad():
        reloaded = saved_adapter(load_model(base, "float32"), out)
        assert torch.equal(model(input_ids=IDS).logits, reloaded(input_ids=IDS).logits)


def test_adapters_outside_the_decoder_s_linear_layers_are_refused(make_base: Callable[..., Path]) -> None:
    base = make_base("llama", tie_word_embeddings=False)
    for modules in (["lm_head"], ["embed_tokens"], ["no_such_module"]):
        with pytest.raises(StageError, match="target_modules"):
            new_adapter(load_model(base, "float32"), PtAdapter(target_modules=modules), 5)


def test_an_adapter_of_another_shape_is_not_continued(tmp_path: Path) -> None:
    saved = {"r": 8, "lora_alpha": 32, "target_modules": ["q_proj"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(saved))
    check_continues(tmp_path, SftAdapter(rank=8))
    with pytest.raises(StageError, match=r"sft_adapter\.rank is 16"):
        check_continues(tmp_path, SftAdapter())
