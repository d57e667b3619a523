from __future__ import annotations

from pathlib import Path

import pytest
from material.gguf_files import write_gguf

from domainlm.contract import StageError
from domainlm.models.gguf_header import read_gguf_header


def test_single_values_are_read_and_lists_left_out(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", "smollm")
    found = read_gguf_header(tmp_path / "m.gguf")
    assert found["general.architecture"] == "llama"
    assert found["llama.block_count"] == 2
    assert found["tokenizer.ggml.pre"] == "smollm"
    assert found["llama.rope.freq_base"] == 10000.0
    assert "tokenizer.ggml.tokens" not in found


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", "smollm")
    data = (tmp_path / "m.gguf").read_bytes()
    for count in (3, 20, 200, 2000, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.gguf").write_bytes(data[:count])
        with pytest.raises(StageError, match="header that cannot be right"):
            read_gguf_header(tmp_path / "cut.gguf")
