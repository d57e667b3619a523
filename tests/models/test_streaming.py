from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.models.load import hidden_states, load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter, trainable_parameters
from domainlm.models.streaming import each_row, open_streamed

LATENT = {"q_lora_rank": 8, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8} | {
    "num_key_value_heads": 4,
    "first_k_dense_replace": 1,
    "n_routed_experts": 4,
    "n_group": 2,
    "topk_group": 1,
    "moe_intermediate_size": 32,
    "num_experts_per_tok": 2,
}
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("gpt2", {}),
    ("gemma2", {"head_dim": 8}),
    ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    ("deepseek_v3", LATENT),
]
IDS = torch.arange(3, 43).view(1, 40)
POSITIONS = torch.cat([torch.arange(25), torch.arange(15)])[None]


@pytest.fixture
def make_pair(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    def make(kind: str, values: dict[str, Any]) -> tuple[Path, Path]:
        base, adapter = write_architecture(tmp_path / "base", kind, "bfloat16", **values), tmp_path / "adapter"
        adapter.mkdir()
        model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, alpha=8), 1)
        generator = torch.Generator().manual_seed(2)
        for _, parameter in trainable_parameters(model):
            parameter.data += torch.randn(parameter.shape, generator=generator) * 0.05
        save_adapter(model, adapter, "base_model")
        return base, adapter

    return make


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[kind for kind, _ in KINDS])
def test_rows_are_computed_as_by_the_whole_model(
    kind: str, values: dict[str, Any], make_pair: Callable[..., tuple[Path, Path]]
) -> None:
    base, adapter = make_pair(kind, values)
    for folder in (None, adapter):
        whole = load_model(base, "float32")
        whole = whole if folder is None else saved_adapter(whole, folder).get_base_model()
        torch.set_num_threads(1)
        with torch.no_grad():
            expected = [hidden_states(whole, IDS + row, POSITIONS) for row in range(5)]
        streamed = open_streamed(base, folder)
        for threads in (1, 3):
            found = list(
                each_row(streamed, lambda row: hidden_states(streamed.model, IDS + row, POSITIONS), range(5), threads)  # noqa: B023
            )
            assert all(torch.equal(one, two) for one, two in zip(found, expected, strict=True))
        # nothing of the base stays
        assert all(each.is_meta for name, each in streamed.model.named_parameters() if "lora" not in name)


def test_more_rows_than_go_together(make_pair: Callable[..., tuple[Path, Path]]) -> None:
    base, _ = make_pair("llama", {})
    streamed = open_streamed(base, None)
    found = list(
        each_row(streamed, lambda row: hidden_states(streamed.model, IDS + row, POSITIONS).sum(), range(19), 2)
    )
    assert len({float(each) for each in found}) == 19


def test_one_layer_is_in_memory_at_a_time(make_pair: Callable[..., tuple[Path, Path]]) -> None:
    base, _ = make_pair("llama", {})
    streamed = open_streamed(base, None)
    layers = streamed.model.model.layers
    filled: list[list[bool]] = []
    for layer in layers:
        layer.mlp.register_forward_hook(
            lambda module, inputs, output: filled.append([not each.mlp.up_proj.weight.is_meta for each in layers])
        )
    list(each_row(streamed, lambda row: hidden_states(streamed.model, IDS, POSITIONS), range(3), 3))
    assert sorted(filled) == [[False, True]] * 3 + [[True, False]] * 3


def test_a_row_that_fails_stops_the_others_and_says_why(make_pair: Callable[..., tuple[Path, Path]]) -> None:
    base, _ = make_pair("llama", {})
    streamed = open_streamed(base, None)

    def work(row: int) -> torch.Tensor:
        # an id that the vocabulary lacks
        return hidden_states(streamed.model, IDS + (1000 if row == 1 else 0), POSITIONS)

    with pytest.raises(IndexError):
        list(each_row(streamed, work, range(4), 2))
    assert all(each.is_meta for each in streamed.model.parameters())
