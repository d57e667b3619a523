from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.models.document_attention import NAME, attend, document_lengths, load_for_packing, use_document_attention
from domainlm.models.load import hidden_states, load_model


def packed(lengths: list[int]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.arange(length) for length in lengths]))[None]


@pytest.mark.parametrize(
    "lengths", [[1], [7], [1, 1, 1], [3, 1, 5], [300, 2], [2, 300]], ids=lambda lengths: "+".join(map(str, lengths))
)
def test_documents_begin_where_positions_do_not_go_on(lengths: list[int]) -> None:
    assert document_lengths(packed(lengths), 1) == [lengths]


def test_rows_share_positions_or_have_their_own() -> None:
    assert document_lengths(packed([2, 3]), 2) == [[2, 3], [2, 3]]
    assert document_lengths(torch.cat([packed([2, 3]), packed([5])]), 2) == [[2, 3], [5]]
    # a document that begins in the row before
    assert document_lengths(torch.tensor([[4, 5, 0, 1]]), 1) == [[2, 2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_output_and_gradients_are_those_of_the_whole_rows_mask(dtype: torch.dtype, key_heads: int) -> None:
    lengths = [3, 1, 270, 20]
    size = sum(lengths)
    generator = torch.Generator().manual_seed(0)

    def draw(heads: int) -> torch.Tensor:
        return torch.randn(1, heads, size, 8, generator=generator, dtype=torch.float32).to(dtype).requires_grad_()

    query, key, value = draw(4), draw(key_heads), draw(key_heads)
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    mask = torch.ones(size, size).tril().bool() & (document[:, None] == document[None])
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=mask, scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    found, _ = attend(None, query, key, value, None, scaling=0.3, position_ids=packed(lengths))
    limit = 1e-5 if dtype == torch.float32 else 3e-2
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected, atol=limit)
    weights = torch.randn(expected.shape, generator=generator)
    wanted = torch.autograd.grad((expected * weights).sum(), (query, key, value))
    gradients = torch.autograd.grad((found.float() * weights).sum(), (query, key, value))
    for one, two in zip(gradients, wanted, strict=True):
        assert torch.allclose(one.float(), two.float(), atol=limit * 4, rtol=limit)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_loaded_model_has_it(kind: str, make_base: Callable[..., Path]) -> None:
    base = make_base(kind)
    model = load_for_packing(base, "float32")
    assert model.config._attn_implementation == NAME
    ids = torch.arange(12)[None] + 5
    positions = packed([5, 7])
    with torch.no_grad():
        found = hidden_states(model, ids, positions)
        expected = hidden_states(load_model(base, "float32"), ids, positions)
    assert torch.allclose(found, expected, atol=1e-5)


def change(model: Any, **settings: object) -> Any:
    for name, value in settings.items():
        setattr(model.config, name, value)
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {"sliding_window": 8},
        {"layer_types": ["full_attention", "sliding_attention"]},
        {"attention_chunk_size": 8},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_model_whose_layers_see_less_keeps_its_own(
    settings: dict[str, object], make_base: Callable[..., Path]
) -> None:
    model = change(load_model(make_base("llama"), "float32"), **settings)
    assert not use_document_attention(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_window_of_an_unknown_name_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.models import document_attention

    monkeypatch.setattr(document_attention, "_sees_whole_documents", lambda config: True)
    model = load_model(write_architecture(tmp_path / "base", "mistral", sliding_window=64), "float32")
    assert not use_document_attention(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_window_that_is_switched_off_is_none(make_base: Callable[..., Path]) -> None:
    model = change(load_model(make_base("llama"), "float32"), sliding_window=8, use_sliding_window=False)
    assert use_document_attention(model)


def test_a_model_that_computes_something_else_keeps_its_own(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.models import document_attention

    monkeypatch.setattr(document_attention, "document_lengths", lambda positions, rows: [[positions.shape[1]]] * rows)
    model = load_model(make_base("llama"), "float32")
    assert not use_document_attention(model)
    assert model.config._attn_implementation == "sdpa"
