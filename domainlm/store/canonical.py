"""Canonical JSON and SHA-256, the two functions behind every identity.

In: JSON values, bytes, files. Out: one byte string per value (sorted keys, no spaces, UTF-8, no NaN) and its digest,
so that equal values have equal digests on every platform.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value.

    Raises ValueError for NaN and infinities.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # a lone surrogate (a file name that is not UTF-8, a constant in the code) has no UTF-8; it still has one form here
    return text.encode("utf-8", "surrogatepass")


def pretty_json(value: Any) -> bytes:
    """Readable JSON with sorted keys and a final newline, as on disk."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        return (text + "\n").encode("utf-8")
    except UnicodeEncodeError:
        return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def parse_json(data: bytes) -> Any:
    """The value of JSON from an untrusted source.

    Raises ValueError if it is not JSON, or is nested too deeply.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number of JSON")

    def finite(number: str) -> float:
        # 1e999 is a number of JSON, and infinity in Python, which nothing here could write again
        value = float(number)
        return value if math.isfinite(value) else refuse(number[:40])

    try:
        return json.loads(data, parse_constant=refuse, parse_float=finite)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def depth_of(value: Any) -> int:
    """The nesting of a JSON value.

    It is 0 for a number, 1 for a list of numbers.
    """
    depth, level = 0, [value]
    while level := [item for part in level for item in _items(part)]:
        depth += 1
    return depth


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Digest of a file's bytes, read in one pass."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
