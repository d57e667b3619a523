from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.contract import StageError
from domainlm.models.architecture import check_architecture, check_model
from domainlm.models.load import hidden_states, load_model


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "gemma3", "vision_config": {}}, r"type is gemma3, which also takes images \(vision_config"),
        ({"model_type": "t5"}, "type is t5, of which transformers has no causal language model"),
        ({"model_type": "own"}, "cannot be read: reading the configuration"),
    ],
)
def test_an_architecture_that_cannot_be_trained_is_named(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(StageError, match=rf"{words}.*sources\.<base_model>"):
        check_architecture(tmp_path)


EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
LATENT = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
DEEPSEEK = {"n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
# kind, values, how its attention is computed
TRAINED: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {}, "sdpa"),
    ("qwen3", {"head_dim": 8}, "sdpa"),
    ("mixtral", EXPERTS, "sdpa"),
    ("phi", {"num_key_value_heads": 4}, "sdpa"),
    ("granite", {"logits_scaling": 8.0, "embedding_multiplier": 12.0, "residual_multiplier": 0.22}, "sdpa"),
    ("cohere", {"logit_scale": 0.0625}, "sdpa"),
    ("olmo2", {}, "sdpa"),
    ("gpt_neox", {}, "sdpa"),
    ("gpt2", {}, "sdpa"),
    ("deepseek_v3", {**LATENT, **DEEPSEEK, "num_key_value_heads": 4, "first_k_dense_replace": 1}, "sdpa"),
    ("gemma2", {"head_dim": 8, "attn_logit_softcapping": 50.0}, "eager"),
    ("gptj", {"rotary_dim": 8}, "eager"),
]


@pytest.mark.parametrize(("kind", "values", "attention"), TRAINED, ids=[row[0] for row in TRAINED])
def test_an_architecture_that_can_be_trained_passes(
    kind: str, values: dict[str, Any], attention: str, tmp_path: Path
) -> None:
    folder = write_architecture(tmp_path / "base", kind, **values)
    check_architecture(folder)
    model = load_model(folder, "float32")
    check_model(model)
    assert model.config._attn_implementation == attention
    assert difference_when_packed(model, [30, 1, 17, 16]) < 1e-5


@pytest.mark.parametrize("kind", ["mistral", "gemma2", "gemma3_text", "phi3", "qwen2", "starcoder2"])
def test_a_window_shorter_than_the_documents_sees_none_but_its_own(kind: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {"sliding_window": 5}
    if kind.startswith("gemma"):
        values |= {"head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]}
    if kind == "qwen2":
        values |= {"use_sliding_window": True, "max_window_layers": 1}
    model = load_model(write_architecture(tmp_path / "base", kind, **values), "float32")
    check_model(model)
    assert difference_when_packed(model, [30, 1, 17, 16]) < 1e-5
    ids = torch.arange(3, 23)[None]
    changed = ids.clone()
    changed[:, 0] += 100
    positions = torch.arange(20)[None]
    with torch.no_grad():
        difference = hidden_states(model, changed, positions) - hidden_states(model, ids, positions)
    # two layers reach 9 tokens back, or all of them where one is of full attention
    assert bool(difference[0, 10].any()) == (kind in ("gemma2", "gemma3_text", "qwen2"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("falcon", {}),
        ("bloom", {}),
        ("opt", {"word_embed_proj_dim": 32}),
        ("gpt_oss", {**EXPERTS, "head_dim": 8}),
        ("mamba", {"state_size": 8}),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_architecture_whose_documents_see_one_another_is_refused(
    kind: str, values: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_architecture(tmp_path / "base", kind, **values)
    check_architecture(folder)
    model = load_model(folder, "float32")
    assert difference_when_packed(model, [30, 1, 17, 16]) > 0.1
    with pytest.raises(StageError, match=r"lets a packed document see the one before it.*sources\.<base_model>"):
        check_model(model)


def difference_when_packed(model: Any, lengths: list[int]) -> float:
    """Largest difference of a hidden state in a row of such documents from the same document alone."""
    ids = torch.randint(3, 290, (1, sum(lengths)), generator=torch.Generator().manual_seed(1))
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    at, largest = 0, 0.0
    with torch.no_grad():
        packed = hidden_states(model, ids, positions)
        for length in lengths:
            alone = hidden_states(model, ids[:, at : at + length], torch.arange(length)[None])
            largest = max(largest, float((packed[:, at : at + length] - alone).abs().max()))
            at += length
    return largest


def test_a_model_without_positions_is_named_and_not_a_traceback(make_base: Callable[..., Path]) -> None:
    model: Any = load_model(make_base("llama"), "float32")

    def fails(*arguments: Any, **named: Any) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")

    model.model.forward = fails
    with pytest.raises(
        StageError, match=r"type is llama, which cannot run on packed rows .RuntimeError: mat1 and mat2 shapes"
    ):
        check_model(model)
