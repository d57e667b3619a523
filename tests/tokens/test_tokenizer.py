from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from domainlm.contract import StageError
from domainlm.tokens.tokenizer import read_tokenizer


def test_truncation_and_padding_of_the_file_do_not_count(make_base: Callable[..., Path], tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(make_base("llama") / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9, pad_id=2, pad_token="<|im_end|>")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = read_tokenizer(tmp_path)
    assert [len(found.encode(text).ids) for text in ("ab", "abcdefgh")] == [2, 8]
    assert [len(each.ids) for each in found.encode_batch_fast(["ab", "abcdefgh"])] == [2, 8]


def test_an_unreadable_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(StageError, match=r"tokenizer\.json"):
        read_tokenizer(tmp_path)
