"""Whether an instruct checkpoint is made of a base checkpoint.

In: the folders of `base_model` and `instruct_model`. Out: nothing, or StageError that names both values. Their
difference means something only if a number stands in both for the same thing: the same computation (config.json), the
same token behind every row of the embeddings (tokenizer.json), the same tokens around a document. The instruct model may
have more tokens and other chat settings; what it has besides is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.models.control_tokens import PROBE
from domainlm.text.json_files import read_json
from domainlm.tokens.special import read_special_tokens
from domainlm.tokens.tokenizer import read_tokenizer

FIX = (
    "take both checkpoints from one release (Qwen2.5-14B and Qwen2.5-14B-Instruct), in the sources of role base_model and"
    " instruct_model, or set another sft_adapter.relay"
)
# of config.json: what says nothing of how the numbers of a checkpoint are used, or of other tokens than a text's
NOT_COMPARED = frozenset(
    {
        "_name_or_path",
        "architectures",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "initializer_range",
        "max_position_embeddings",
        "max_window_layers",
        "pad_token_id",
        "pretraining_tp",
        "torch_dtype",
        "transformers_version",
        "use_cache",
        "vocab_size",
    }
)
# what other programs wrote into it
OF_OTHER_TOOLS = ("transformers.js", "unsloth")
_ABSENT = "nothing"


def check_pair(base: Path, instruct: Path) -> None:
    """Raise StageError if the two are not of one architecture and tokenizer."""
    check_configurations(read_json(base / "config.json"), read_json(instruct / "config.json"))
    check_tokenizers(read_tokenizer(base), read_tokenizer(instruct))
    mine, other = read_special_tokens(base), read_special_tokens(instruct)
    if mine.end_of_text_id != other.end_of_text_id:
        raise StageError(
            f"a document of base_model ends with {mine.end_of_text!r} (id {mine.end_of_text_id}), one of instruct_model with"
            f" {other.end_of_text!r} (id {other.end_of_text_id}); expected one token, as what pretraining learns of it is added to"
            f" the other: set instruct_model.end_of_text to {mine.end_of_text!r}, or base_model.end_of_text"
        )
    if mine.text_start_ids != other.text_start_ids:
        raise StageError(
            f"the tokenizer of base_model puts the ids {list(mine.text_start_ids)} before a text, that of instruct_model"
            f" {list(other.text_start_ids)}; expected the same: {FIX}"
        )


def check_configurations(base: Mapping[str, Any], instruct: Mapping[str, Any]) -> None:
    """Raise StageError if two config.json describe two computations."""
    # two architectures differ in everything: the one key that says so comes first
    keys = (base.keys() | instruct.keys()) - NOT_COMPARED
    for key in sorted(keys, key=lambda key: (key != "model_type", key)):
        if key.startswith(OF_OTHER_TOOLS):
            continue
        mine, other = base.get(key, _ABSENT), instruct.get(key, _ABSENT)
        if mine != other and not _says_nothing(key, mine, other):
            raise StageError(
                f"config.json of base_model has {key}: {json.dumps(mine)}, that of instruct_model {json.dumps(other)}; expected"
                f" equal values, as the difference of their weights is added: {FIX}"
            )


def _says_nothing(key: str, mine: Any, other: Any) -> bool:
    """Whether a difference is of training, or a default written out."""
    return "dropout" in key or key.endswith("_pdrop") or all(value in (None, _ABSENT) for value in (mine, other))


def check_tokenizers(base: Any, instruct: Any) -> None:
    """Raise StageError if tokens of the base have other ids."""
    mine, other = base.get_vocab(with_added_tokens=True), instruct.get_vocab(with_added_tokens=True)
    wrong = sorted((number, text) for text, number in mine.items() if other.get(text) != number)
    if wrong:
        number, text = wrong[0]
        found = f"has the id {other[text]}" if text in other else "is missing"
        raise StageError(
            f"the token {text[:60]!r} of base_model's tokenizer has the id {number}, and {found} in instruct_model's"
            f" ({len(wrong)} such tokens of {len(mine)}); expected equal ids, as rows of the embeddings are added by id: {FIX}"
        )
    ids = [tokenizer.encode(PROBE, add_special_tokens=False).ids for tokenizer in (base, instruct)]
    if ids[0] != ids[1]:
        raise StageError(
            f"the text {PROBE[:20]!r}... has the ids {ids[0][:12]}... by base_model's tokenizer and {ids[1][:12]}... by"
            f" instruct_model's; expected equal ids: {FIX}"
        )
