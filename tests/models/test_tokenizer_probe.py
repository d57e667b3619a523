from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.contract import StageError
from domainlm.models import tokenizer_probe
from domainlm.models.tokenizer_probe import check_tokenizer


def test_a_sound_tokenizer_passes_and_a_broken_one_is_named(make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    check_tokenizer(base)
    (base / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(StageError, match="cannot be read or used"):
        check_tokenizer(base)


def test_the_limit_on_growth_is_what_normal_forms_need(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base("llama")
    monkeypatch.setattr(tokenizer_probe, "PROBES", ("\ufdfa" * 100,))
    check_tokenizer(base)
    monkeypatch.setattr(tokenizer_probe, "MAX_TOKENS_PER_BYTE", 0.5)
    with pytest.raises(StageError, match="makes 1 tokens of a byte"):
        check_tokenizer(base)
