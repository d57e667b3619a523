from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domainlm.builder import processor
from domainlm.builder.processor import bfloat16_instructions, processor_name

X86 = """processor\t: 0
model name\t: Some(R) Processor @ 2.0GHz
flags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    processor._fields.cache_clear()
    yield
    processor._fields.cache_clear()


@pytest.mark.parametrize(
    ("text", "name", "instructions"),
    [(X86, "Some(R) Processor @ 2.0GHz", "amx_bf16 avx512_bf16"), (ARM, None, "bf16"), ("", None, "none")],
)
def test_facts_are_those_of_the_first_processor(
    text: str, name: str | None, instructions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert bfloat16_instructions() == instructions
    assert processor_name() == name if name else processor_name()


def test_a_system_without_the_file_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert bfloat16_instructions() == "none"
    assert processor_name()
