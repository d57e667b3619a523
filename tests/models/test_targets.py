from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, trainable_parameters
from domainlm.models.targets import chosen_layers, target_names


def adapted(base: Path, **section: Any) -> set[str]:
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=2, **section), 5)
    return {name.split(".lora_")[0].removeprefix("base_model.model.") for name, _ in trainable_parameters(model)}


@pytest.mark.parametrize(
    ("kind", "values", "mlp", "attention"),
    [
        ("llama", {}, "mlp.gate_proj mlp.up_proj mlp.down_proj", "q_proj k_proj v_proj o_proj"),
        ("gpt2", {}, "mlp.c_fc mlp.c_proj", "attn.c_attn attn.c_proj"),
        ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}, "fc1 fc2", "q_proj k_proj v_proj out_proj"),
        ("gpt_neox", {}, "mlp.dense_h_to_4h mlp.dense_4h_to_h", "attention.query_key_value attention.dense"),
    ],
)
def test_kinds_of_layers_are_found_by_their_names(
    kind: str, values: dict[str, Any], mlp: str, attention: str, tmp_path: Path
) -> None:
    base = write_architecture(tmp_path / "base", kind, **values)
    for chosen, expected in (("mlp", mlp), ("attention", attention)):
        found = adapted(base, target_modules=chosen)
        assert len(found) == 2 * len(expected.split())
        assert all(any(name.endswith(f".{end}") for name in found) for end in expected.split())


def test_a_mixture_has_no_mlp_that_merges(tmp_path: Path) -> None:
    base = write_architecture(tmp_path / "base", "mixtral", num_experts_per_tok=2, num_local_experts=4, head_dim=8)
    assert {name.rsplit(".", 1)[-1] for name in adapted(base, target_modules="attention")} == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
    }
    with pytest.raises(
        StageError, match=r"target_modules: mlp matches no linear layer.*looked for mlp, ffn.*self_attn"
    ):
        target_names(load_model(base, "float32"), PtAdapter(target_modules="mlp"))


def test_layers_are_counted_from_either_end(make_base: Callable[..., Path]) -> None:
    base = make_base("llama", num_hidden_layers=3)

    def layers(**section: Any) -> set[str]:
        return {name.split(".")[2] for name in adapted(base, **section)}

    assert layers() == {"0", "1", "2"}
    assert layers(layers=[-1, 0]) == {"0", "2"}
    assert layers(layers=[1], target_modules=["q_proj"]) == {"1"}
    # the second and the last are one
    model = load_model(base, "float32")
    assert chosen_layers(model, PtAdapter(layers=[2, -1])) == ([2], "layers")
    with pytest.raises(StageError, match=r"layers: 3 is no layer of LlamaForCausalLM, which has 3; expected -3 to 2"):
        chosen_layers(model, PtAdapter(layers=[0, 3]))
