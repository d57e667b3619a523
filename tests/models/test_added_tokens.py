from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.convert import convert
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter
from domainlm.models.merge import merge
from domainlm.tokens.spelled_out import read_text_tokenizer

TEXTS = ["<finding>", "angiotensinogen"]


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("spare", [0, 1, 40])
def test_each_text_is_one_token_whose_row_is_the_mean_of_its_pieces(
    make_base: Callable[..., Path], tmp_path: Path, spare: int, is_tied: bool
) -> None:
    base, out, plain = make_base("llama", tie_word_embeddings=is_tied), tmp_path / "out", tmp_path / "plain"
    last = max(read_text_tokenizer(base).get_vocab(with_added_tokens=True).values())
    model = load_model(base, "float32")
    model.resize_token_embeddings(last + 1 + spare, mean_resizing=False)
    model.save_pretrained(base)
    out.mkdir()
    plain.mkdir()
    convert(base, plain, BaseModelConfig(dtype="float32"))
    tokens = convert(base, out, BaseModelConfig(dtype="float32", added_tokens=TEXTS))
    assert tokens.vocab_size == last + 1 + max(spare, len(TEXTS))
    before, after = read_text_tokenizer(plain), read_text_tokenizer(out)
    one, two = load_model(plain, "float32"), load_model(out, "float32")
    for place, text in enumerate(TEXTS):
        pieces = before.encode(text, add_special_tokens=False).ids
        assert len(pieces) > 1
        assert after.encode(f"The {text}s.", add_special_tokens=False).ids.count(last + 1 + place) == 1
        for layer in ("get_input_embeddings", "get_output_embeddings"):
            row = getattr(two, layer)().weight[last + 1 + place]
            assert torch.equal(row, getattr(one, layer)().weight[pieces].double().mean(dim=0).float())
    ids = before.encode("Old text stays as it was.", add_special_tokens=False).ids
    assert after.encode("Old text stays as it was.", add_special_tokens=False).ids == ids
    logits = [each(input_ids=torch.tensor([ids])).logits[..., : last + 1] for each in (one, two)]
    assert torch.equal(*logits)
    assert two.config.tie_word_embeddings == is_tied


def test_the_new_rows_are_trained_saved_and_merged(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base, adapter, merged = (tmp_path / name for name in ("built", "adapter", "merged"))
    for folder in (base, adapter, merged):
        folder.mkdir()
    tokens = convert(make_base("llama"), base, BaseModelConfig(dtype="float32", added_tokens=TEXTS))
    row = tokens.vocab_size - 1
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, trained_embeddings="all"), 1)
    with torch.no_grad():
        model.get_input_embeddings().weight[row] += 1
    save_adapter(model, adapter, "base_model")
    merge(base, adapter, "float32", merged)
    found = load_model(merged, "float32").get_input_embeddings().weight
    loaded = saved_adapter(load_model(base, "float32"), adapter).get_input_embeddings().weight
    assert torch.equal(found, loaded)
    assert torch.equal(found[row], load_model(base, "float32").get_input_embeddings().weight[row] + 1)
    assert json.loads((merged / "config.json").read_text())["vocab_size"] == tokens.vocab_size


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["The", "<|im_end|>"], r"names '<\|im_end\|>', which is a token of the base model already \(id 2\)"),
        (["<|finding|>"], r"names '<\|finding\|>', which has the shape of a control token; .*<finding>"),
        (["<think>"], "shape of a control token"),
    ],
)
def test_a_text_that_would_not_be_a_token_of_its_own_is_refused(
    make_base: Callable[..., Path], tmp_path: Path, texts: list[str], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        convert(make_base("llama"), tmp_path, BaseModelConfig(added_tokens=texts))


def test_a_vocabulary_with_free_ids_that_would_share_an_old_token_s_is_refused(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    values = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    merged = {
        part for pair in values["model"]["merges"] for part in (pair if isinstance(pair, list) else pair.split(" "))
    }
    named = {token["content"] for token in values["added_tokens"]}
    vocabulary = values["model"]["vocab"]
    free = [text for text in vocabulary if text not in merged | named and len(text) == 1 and not text.isascii()]
    for text in free[:3]:
        del vocabulary[text]
    (base / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(StageError, match=r"'<finding>', to which the tokenizer gives the id \d+; expected \d+"):
        convert(base, tmp_path, BaseModelConfig(added_tokens=["<finding>"]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["a", "a"], "'a' stands there twice"), ([" a"], "no blank around"), ([""], "is no token"), (["a\nb"], "printed")],
)
def test_texts_are_printed_and_each_is_named_once(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BaseModelConfig(added_tokens=texts)
