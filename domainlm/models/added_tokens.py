"""Tokens of a domain, added to a tokenizer and to its model.

In: a checkpoint's folder with tokenizer.json, its model, texts. Out: a tokenizer with one token for each text, and rows
for them in the embeddings and the output layer, in rows that the model has spare where there are enough. A row begins as
the mean of the rows of the pieces that the text had until now (IndoBERTweet, arXiv 2109.04607), so the model reads it
much as before. Random rows are noise that every layer is handed, and transformers' mean of all rows says nothing of the
text. Old tokens keep their ids and rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.checkpoint_settings import read_object
from domainlm.text.json_files import write_json
from domainlm.tokens.spelled_out import is_control_name
from domainlm.tokens.tokenizer import TOKENIZER, open_tokenizer

if TYPE_CHECKING:
    import torch

# how tokenizer.json describes a token that is found anywhere in a text, as it is written
_ORDINARY = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)


def add_tokens(folder: Path, model: Any, texts: Sequence[str]) -> None:
    """Add a token for each text, and a row for each token.

    The folder's tokenizer.json and the model are changed. Raises StageError for a text that is a token already, or that
    documents would not have as one.
    """
    path = folder / TOKENIZER
    tokenizer = open_tokenizer(path)
    known = tokenizer.get_vocab(with_added_tokens=True)
    for text in texts:
        if text in known:
            raise StageError(
                f"base_model.added_tokens names {text!r}, which is a token of the base model already (id {known[text]}); expected"
                " new ones: remove it from the list"
            )
        if is_control_name(text):
            raise StageError(
                f"base_model.added_tokens names {text!r}, which has the shape of a control token; expected another one, as documents"
                " that spell out control tokens have them as letters: use <finding> or [finding]"
            )
    pieces = [list(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    first = max(known.values()) + 1
    values = read_object(path)
    added = [{"id": first + place, "content": text, **_ORDINARY} for place, text in enumerate(texts)]
    write_json(path, {**values, "added_tokens": [*(values.get("added_tokens") or []), *added]})
    found = open_tokenizer(path)
    for place, text in enumerate(texts):
        if (number := found.token_to_id(text)) != first + place:
            raise StageError(
                f"base_model.added_tokens names {text!r}, to which the tokenizer gives the id {number}; expected {first + place}, as"
                " lower ones are of old tokens: its vocabulary has ids that no token holds, so remove base_model.added_tokens, or choose"
                " another model in sources.<base_model>"
            )
    if first + len(texts) > len(model.get_input_embeddings().weight):
        model.resize_token_embeddings(first + len(texts), mean_resizing=False)
    _fill_rows(model, first, pieces)


def _fill_rows(model: Any, first: int, pieces: Sequence[Sequence[int]]) -> None:
    """Give new tokens the mean rows of their pieces, one weight once."""
    import torch

    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    parts = [layer.weight for layer in layers] + [getattr(layer, "bias", None) for layer in layers]
    rows: list[torch.Tensor] = list({part.data_ptr(): part for part in parts if part is not None}.values())
    with torch.no_grad():
        for weight in rows:
            for place, ids in enumerate(pieces):
                weight[first + place] = weight[list(ids)].double().mean(dim=0).to(weight.dtype)


def check_added(folder: Path, texts: Sequence[str]) -> None:
    """Raise StageError where a program would read a text otherwise.

    tokenizer.json and transformers' tokenizer of the folder are asked, each text within others.
    """
    from transformers import AutoTokenizer

    plain = open_tokenizer(folder / TOKENIZER)
    named = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for text in texts:
        around = f"a {text} b"
        ids, found = plain.encode(around, add_special_tokens=False).ids, named(around, add_special_tokens=False)
        if plain.token_to_id(text) not in ids or list(found["input_ids"]) != list(ids):
            raise StageError(
                f"base_model.added_tokens names {text!r}; {around!r} has the ids {ids} by tokenizer.json and {found['input_ids']}"
                f" by transformers; expected {plain.token_to_id(text)} among them, and the same ones: name another text"
            )
