"""Tokenizers of a stranger's model: expressions, growth, chance, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from material.attack import attack
from material.checkpoints import MakeBase, change, refused

from domainlm.config.sources import BaseModelConfig
from domainlm.models import tokenizer_probe
from domainlm.models.checkpoint_settings import read_object
from domainlm.models.convert import convert


@attack(
    "base model",
    "files outside the key",
    "tokenizer_config.json that names files: vocab_file, tokenizer_file, fast_tokenizer_files",
    "the names are removed in the artifact; only tokenizer.json is read",
)
def test_tokenizer_settings_name_no_files(make_base: MakeBase, tmp_path: Path) -> None:
    base, other = make_base("llama"), tmp_path / "tokenizer.5.0.0.json"
    values = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    other.write_text(json.dumps({**values, "normalizer": {"type": "Lowercase"}}), encoding="utf-8")
    names = {"vocab_file": "/etc/passwd", "tokenizer_file": str(other), "fast_tokenizer_files": [f"../{other.name}"]}
    change(base / "tokenizer_config.json", **names)
    out = tmp_path / "out"
    out.mkdir()
    convert(base, out, BaseModelConfig(dtype="float32"))
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert not names.keys() & read_object(out / "tokenizer_config.json").keys()


@attack(
    "base model",
    "regular expressions of a tokenizer",
    "a pre-tokenizer that searches back and forth over a line of one letter",
    "an error that names the source: such texts are tried first, in a process with a time limit",
)
def test_expressions_without_end(make_base: MakeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_probe, "MAX_SECONDS", 2.0)
    base = make_base("llama")
    for pattern in (r"(a+)+c", r"(a|aa)+$", r"(?=(a+)+c)a"):
        step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        change(base / "tokenizer.json", pre_tokenizer={"type": "Sequence", "pretokenizers": [step, byte_level]})
        refused(base, tmp_path, "tokenizer.json (took more than|cannot be read or used)")


@attack(
    "base model",
    "tokenizer that makes text grow",
    "a normalizer that puts a thousand letters in the place of one, twice",
    "an error that names the source",
)
def test_replacements_that_grow(make_base: MakeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_probe, "MAX_SECONDS", 2.0)
    monkeypatch.setattr(tokenizer_probe, "MAX_MEMORY_MB", 500)
    base = make_base("llama")
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    for steps in ([step], [step, step]):
        change(base / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": steps})
        refused(base, tmp_path, "tokenizer.json (took more than|ended its process|makes)")


@attack(
    "base model",
    "invalid tokenizer.json",
    "nesting of 100,000, a file cut short, merges of the wrong type, no vocabulary, ids beyond the embeddings",
    "an error that names the source",
)
def test_tokenizers_that_are_none(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    path = base / "tokenizer.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    model = whole["model"]
    for data in (
        "[" * 100_000,
        path.read_text(encoding="utf-8")[:500],
        "{}",
        "5",
        json.dumps({**whole, "model": {**model, "merges": [5]}}),
        json.dumps({**whole, "model": {**model, "merges": [["nowhere", "b"]]}}),
        json.dumps({**whole, "model": {**model, "vocab": {}}, "added_tokens": []}),
        json.dumps({**whole, "model": {**model, "vocab": {**model["vocab"], "zz": 4_000_000_000}}}),
    ):
        path.write_text(data, encoding="utf-8")
        refused(base, tmp_path)


@attack(
    "base model",
    "chance in a tokenizer",
    "merges that are skipped at random (dropout), so that one text has other tokens in each run",
    "an error that names the source",
)
def test_a_tokenizer_draws_nothing(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    values = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    values["model"]["dropout"] = 0.0001
    (base / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    refused(base, tmp_path, "random")
