from __future__ import annotations

from pathlib import Path

import pytest
import torch
from material.tiny_models import write_architecture
from safetensors.torch import load_file, save_file

from domainlm.contract import StageError
from domainlm.models.load import load_model
from domainlm.models.weights import as_stored, name_in_checkpoint, open_weights, read_group, read_parameters

EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}


@pytest.mark.parametrize(
    ("kind", "dtype"), [("llama", "bfloat16"), ("gpt2", "float32"), ("mixtral", "bfloat16"), ("deepseek_v3", "float32")]
)
def test_parameters_are_those_of_the_loaded_model(kind: str, dtype: str, tmp_path: Path) -> None:
    values = {
        "mixtral": EXPERTS,
        "deepseek_v3": {"n_routed_experts": 4, "n_group": 2, "topk_group": 1, "q_lora_rank": 8},
    }
    base = write_architecture(tmp_path / "base", kind, dtype, **values.get(kind, {}))
    expected = load_model(base, "float32").state_dict()
    weights = open_weights(base)
    found = read_parameters(weights, list(expected))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(each.is_meta for each in weights.model.parameters())


def test_experts_are_stacked_and_taken_apart_again(tmp_path: Path) -> None:
    base = write_architecture(tmp_path / "base", "mixtral", **EXPERTS)
    stored = load_file(base / "model.safetensors")
    weights = open_weights(base)
    group = weights.groups["model.layers.1.mlp.experts.gate_up_proj"]
    assert group.is_rearranged
    assert len(group.tensors) == 4
    tensors = as_stored(weights, group, read_group(weights, group))
    assert tensors.keys() == set(group.tensors)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in tensors.items())


def test_tied_weights_have_one_owner(tmp_path: Path) -> None:
    weights = open_weights(write_architecture(tmp_path / "base", "llama"))
    assert weights.tied == {"lm_head.weight": "model.embed_tokens.weight"}
    assert name_in_checkpoint(weights, "lm_head.weight") == "lm_head.weight"
    untied = open_weights(write_architecture(tmp_path / "untied", "llama", tie_word_embeddings=False))
    assert untied.tied == {}


def test_a_missing_weight_is_refused(tmp_path: Path) -> None:
    base = write_architecture(tmp_path / "base", "llama")
    tensors = load_file(base / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageError, match=r"the first one model\.layers\.1\.mlp\.up_proj\.weight"):
        open_weights(base)


def test_a_weight_of_another_shape_is_refused(tmp_path: Path) -> None:
    base = write_architecture(tmp_path / "base", "llama")
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(31)
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageError, match=r"model\.norm\.weight is \[32\], and is stored as model\.norm\.weight \[31\]"):
        open_weights(base)
