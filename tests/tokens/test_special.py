from __future__ import annotations

from pathlib import Path

from domainlm.tokens.special import SpecialTokens, read_special_tokens, write_special_tokens


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for tokens in (SpecialTokens(0, "<eot>", 2, "<end>", 2, 10), SpecialTokens(0, "<eot>", 0, "<eot>", 0, 10, (4, 5))):
        write_special_tokens(tmp_path, tokens)
        assert read_special_tokens(tmp_path) == tokens
