"""Which base an adapter was trained on: base.json beside it.

In: a checkpoint folder, an adapter folder. Out: a digest of the checkpoint's configuration and weights, recorded with
the adapter; StageError where an adapter meets another base. peft adds an adapter to whatever has layers of its shape:
on another checkpoint of one architecture it loads without a word, and answers wrongly.

The digest is over samples of every tensor, because whole checkpoints are tens of gigabytes, and two that differ do so
in every tensor that a training touched. The store's digests guard against single damaged bytes. It does not depend on
how tensors are spread over files. base.json is a file of its own, because peft refuses unknown keys in its
configuration.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

from domainlm.contract import StageError

FILE = "base.json"
SAMPLE_BYTES = 4096


def weights_digest(folder: Path) -> str:
    """SHA-256 over config.json, and over each tensor's name, shape and samples."""
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(length))
            for name, entry in header.items():
                if name != "__metadata__":
                    found.append(
                        (name, entry["dtype"], entry["shape"], _samples(file, 8 + length, entry["data_offsets"]))
                    )
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for name, dtype, shape, samples in sorted(found, key=lambda each: each[0]):
        digest.update(json.dumps([name, dtype, shape], separators=(",", ":")).encode())
        digest.update(samples)
    return digest.hexdigest()


def _samples(file: BinaryIO, data: int, offsets: list[int]) -> bytes:
    """The digest of a tensor's first, middle and last bytes."""
    start, end = offsets
    digest = hashlib.sha256()
    for at in (start, max(start, (start + end - SAMPLE_BYTES) // 2), max(start, end - SAMPLE_BYTES)):
        file.seek(data + at)
        digest.update(file.read(min(SAMPLE_BYTES, end - at)))
    return digest.digest()


def record_base(adapter: Path, base: Path, artifact: str) -> None:
    """Write base.json: the base's artifact, and its digest."""
    values = {"artifact": artifact, "weights_sha256": weights_digest(base)}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (adapter / FILE).write_text(text, encoding="utf-8", newline="\n")


def check_base(adapter: Path, base: Path) -> None:
    """Raise StageError if an adapter was trained on another base."""
    path = adapter / FILE
    if not path.exists():
        raise StageError(
            f"the adapter {adapter} does not say what it was trained on; expected {FILE} in it: build the adapter again"
        )
    recorded = json.loads(path.read_text(encoding="utf-8"))
    found = weights_digest(base)
    if found != recorded["weights_sha256"]:
        raise StageError(
            f"the adapter {adapter} was trained on {recorded['artifact']} with the weights {recorded['weights_sha256'][:12]}, and"
            f" {base} has {found[:12]}; expected the same: build the adapter again on this base, or name the other one"
        )
