"""Headers of a stranger's weights: what they may claim of the file, and what a bad one costs."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
from material.attack import attack
from material.checkpoints import NAMED, MakeBase, refused

from domainlm.contract import StageError
from domainlm.models.checkpoint_files import WEIGHTS
from domainlm.models.gguf_header import read_gguf_header


def safetensors(header: bytes, length: int | None = None, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


@attack(
    "base model",
    "safetensors header",
    "a length of 2^63, 200 MB or 0; offsets that overlap or end beyond the file; unknown types; negative shapes; no JSON",
    "an error that names file and source, in a moment",
)
def test_headers_of_safetensors(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for data in (
        safetensors(b"{}", 1 << 63),
        safetensors(b"{}", 200_000_000),
        safetensors(b"", 0),
        safetensors(b"not JSON"),
        safetensors(json.dumps({"a": one, "b": one}).encode()),
        safetensors(json.dumps({"a": {**one, "data_offsets": [0, 80]}}).encode()),
        safetensors(json.dumps({"a": {**one, "dtype": "F7"}}).encode()),
        safetensors(json.dumps({"a": {**one, "shape": [-2]}}).encode()),
        safetensors(json.dumps({"a": {**one, "shape": [1 << 40, 1 << 40]}}).encode()),
        safetensors(b"[" * 5000),
        b"",
        (base / WEIGHTS).read_bytes()[:1000],
        b"version https://git-lfs\noid sha256:00\nsize 5\n",
    ):
        (base / WEIGHTS).write_bytes(data)
        refused(base, tmp_path, "model.safetensors is no whole safetensors file")


def gguf(values: bytes = b"", tensors: bytes = b"", counts: tuple[int, int] = (0, 0), version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + values + tensors


def text(value: str | bytes, length: int | None = None) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


@attack(
    "base model",
    "GGUF header",
    "counts and lengths of 2^60, lists within lists, unknown types, offsets beyond the file, other magic, version and byte order",
    "an error that names value or tensor, and the source, in a moment and in little memory",
)
def test_headers_of_gguf(tmp_path: Path) -> None:
    number = struct.pack
    for data in (
        b"",
        b"GGUF",
        b"GGML" + b"\0" * 60,
        gguf(version=1),
        gguf(version=3 << 24),
        gguf(counts=(0, 1 << 60)),
        gguf(counts=(1 << 60, 0)),
        gguf(counts=(0, 5)),
        gguf(text("a", 1 << 62), counts=(0, 1)),
        gguf(text(b"\xff") + number("<I", 4) + b"\0" * 4, counts=(0, 1)),
        gguf(text("a") + number("<I", 99), counts=(0, 1)),
        gguf((text("a") + number("<IB", 0, 1)) * 2, counts=(0, 2)),
        gguf(text("a") + number("<IIQ", 9, 0, 1 << 60), counts=(0, 1)),
        gguf(text("a") + number("<IIQ", 9, 8, 9_000_000), counts=(0, 1)),
        gguf(text("a") + number("<IIQ", 9, 9, 1), counts=(0, 1)),
        gguf(text("general.alignment") + number("<II", 4, 0), counts=(0, 1)),
        gguf(text("general.alignment") + number("<II", 4, 48), counts=(0, 1)),
        gguf(text("split.count") + number("<I", 8) + text("two"), counts=(0, 1)),
        gguf(text("split.count") + number("<If", 6, math.nan), counts=(0, 1)),
        gguf(text("split.count") + number("<If", 6, math.inf), counts=(0, 1)),
        gguf((text("a" * 1_000_000) + number("<IB", 0, 1)) * 2, counts=(0, 2)),
        gguf(tensors=text("t") + number("<I", 1 << 31), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQIQ", 1, 4, 77, 0), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQIQ", 1, 4, 0, 1 << 50), counts=(1, 0)),
        gguf(tensors=(text("t") + number("<IQIQ", 1, 0, 0, 0)) * 2, counts=(2, 0)),
        gguf(
            text("general.architecture")
            + number("<I", 8)
            + text("x")
            + text("x.block_count")
            + number("<II", 4, 1 << 31),
            counts=(0, 2),
        ),
    ):
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        with pytest.raises(StageError, match=rf"header that cannot be right.*{NAMED}") as caught:
            read_gguf_header(path)
        assert len(str(caught.value)) < 1000


@attack(
    "base model",
    "GGUF header",
    "one part of a GGUF file that is split into several",
    "an error that says how to join them",
)
def test_a_part_of_a_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf(text("split.count") + struct.pack("<IH", 2, 3), counts=(0, 1)))
    with pytest.raises(StageError, match=rf"one of 3 parts.*{NAMED}"):
        read_gguf_header(tmp_path / "m.gguf")
