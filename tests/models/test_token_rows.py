"""Trained rows of added tokens: their gradient, what they leave alone, and what plain peft makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import with_added_tokens, write_architecture
from material.trainings import LENGTHS, run
from safetensors.torch import load_file

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources, StageError
from domainlm.models import token_rows
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter, trainable_parameters
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import read_split
from domainlm.training.gradients import accumulate_gradients

ADDED = [40, 41, 42]
IDS = torch.arange(30, 62).view(2, 16)
# Gemma scales embeddings and caps logits, Cohere scales logits, GPT-2's output layer is tied under another name
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"tie_word_embeddings": True}),
    ("llama", {"tie_word_embeddings": False}),
    ("gemma2", {}),
    ("gemma3_text", {}),
    ("cohere", {}),
    ("gpt2", {}),
]
NAMES = [f"{kind} {'' if values.get('tie_word_embeddings', True) else 'untied'}".strip() for kind, values in SHAPES]


def gradients(base: Path, rows: Any, trained: str) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients of tables by the number of their table (0: embeddings, 1: output layer), and the loss."""
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=2, trained_embeddings=trained), 5, ADDED)
    plain = model.get_base_model()
    named = [(name, weight) for name, weight in trainable_parameters(model) if ".lora_" not in name]
    weights = [weight for _, weight in trainable_parameters(model)]
    loss = accumulate_gradients(plain, output_layer(plain), weights, rows, [0, 1, 2, 3], Resources(threads=1))
    found = {}
    for name, weight in named:
        assert weight.grad is not None
        found["output" if "lm_head" in name else "input"] = weight.grad
    return found, loss


@pytest.mark.parametrize(("kind", "values"), SHAPES, ids=NAMES)
def test_rows_have_the_gradient_that_they_have_in_a_table_trained_whole(
    kind: str, values: dict[str, Any], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, rows = write_architecture(tmp_path / "base", kind, **values), read_split(make_tokens(LENGTHS), "train")
    # in rows 0 to 3 are some of the tokens
    assert any(token in ADDED for token in rows.ids[:4].flatten().tolist())
    whole, loss = gradients(base, rows, "all")
    found, same_loss = gradients(base, rows, "added")
    assert same_loss == loss
    assert found.keys() == whole.keys()
    for name, gradient in found.items():
        expected = whole[name][ADDED[0] : ADDED[-1] + 1]
        assert gradient.abs().max() > 1e-6
        assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-7), name


@pytest.mark.parametrize(("kind", "values"), SHAPES, ids=NAMES)
def test_plain_peft_loads_them_and_other_rows_stay(kind: str, values: dict[str, Any], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, out = write_architecture(tmp_path / "base", kind, **values), tmp_path / "out"
    out.mkdir()
    before = load_model(base, "float32")
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=2, trained_embeddings="added"), 5, ADDED)
    rows = [weight for name, weight in trainable_parameters(model) if ".lora_" not in name]
    assert len(rows) == (1 if values.get("tie_word_embeddings", True) else 2)
    with torch.no_grad():
        for number, weight in enumerate(rows, 1):
            assert weight.shape == (3, before.get_input_embeddings().weight.shape[1])
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)))
    save_adapter(model, out, "base_model")
    plain: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)
    reloaded = saved_adapter(load_model(base, "float32"), out)
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        assert (before(input_ids=IDS).logits - expected).abs().max() > 1e-3
        assert torch.equal(reloaded(input_ids=IDS).logits, expected)
        assert (plain(input_ids=IDS).logits - expected).abs().max() < 1e-5
    others = [row for row in range(300) if row not in ADDED]
    for table in ("get_input_embeddings", "get_output_embeddings"):
        one, two = (getattr(each, table)().weight for each in (before, reloaded))
        assert torch.equal(one[others], two[others])
        assert (one[ADDED] - two[ADDED]).abs().amax(dim=1).min() > 0.1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_changes_these_rows_and_no_others(
    precision: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base = with_added_tokens(make_base("qwen2", precision))
    section = PtAdapter(rank=4, trained_embeddings="added", precision=precision, learning_rate=5e-3)
    run(base, make_tokens(LENGTHS), tmp_path / "trained", section)
    saved = load_file(tmp_path / "trained" / "out" / "adapter_model.safetensors")
    rows = {name: tensor for name, tensor in saved.items() if ".lora_" not in name}
    assert {tensor.dtype for tensor in rows.values()} == {torch.float32}
    stored = load_model(base, "float32").get_input_embeddings().weight[ADDED]
    assert all((tensor - stored).abs().max() > 1e-3 for tensor in rows.values())


def test_a_base_model_without_added_tokens_is_refused(make_base: Callable[..., Path]) -> None:
    with pytest.raises(StageError, match=r"the base model has no added tokens; expected some: name them in base_model"):
        new_adapter(load_model(make_base("llama"), "float32"), PtAdapter(trained_embeddings="added"), 5)


def test_embeddings_that_do_more_than_scale_are_refused(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(make_base("llama"), "float32")
    table = model.get_input_embeddings()
    monkeypatch.setattr(table, "forward", lambda ids: torch.nn.functional.embedding(ids, table.weight) + 1)
    with pytest.raises(StageError, match=r"does more with a token's row than look it up .*trained_embeddings to all"):
        new_adapter(model, PtAdapter(trained_embeddings="added"), 5, ADDED)


def test_tables_that_peft_does_not_know_to_be_tied_are_refused(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peft.utils.other._get_module_names_tied_with_embedding", lambda model: [])
    with pytest.raises(StageError, match="peft does not know that embeddings and output layer of LlamaForCausalLM are"):
        new_adapter(
            load_model(make_base("llama", tie_word_embeddings=True), "float32"),
            PtAdapter(trained_embeddings="added"),
            5,
            ADDED,
        )


def test_reading_an_adapter_without_rows_changes_no_table(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    save_adapter(new_adapter(load_model(base, "float32"), PtAdapter(rank=2), 5), tmp_path, "base_model")
    loaded = saved_adapter(load_model(base, "float32"), tmp_path)
    assert token_rows.saved_tensors(loaded) == {}
