"""The first difference between two files, in the terms of their format.

In: two files that should be equal, and the name that states their format. Out: one line that names a record and key, a
row and column, an index or a tensor; for other formats it names the byte. Both files are read piece by piece, so their
size does not matter. A binary diff would name an offset, from which nobody sees which document or which tensor differs.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domainlm.wording import value_in_words

BLOCK_BYTES = 1 << 20
TEXT_SUFFIXES = (".csv", ".html", ".jinja", ".md", ".txt", ".tsv", ".yaml")


def first_difference(name: str, first: Path, second: Path) -> str:
    """The first difference in words. name: the file's name in its artifact."""
    compare = BY_SUFFIX.get(Path(name).suffix, differing_byte)
    try:
        found = compare(first, second)
    except Exception as error:  # every format's reader raises errors of its library
        return f"{differing_byte(first, second)} (one of them cannot be read as {Path(name).suffix}: {error})"
    # equal values may be written in different ways: a space in JSON, a row group in parquet
    return found or f"{differing_byte(first, second)}; their values are equal"


def differing_byte(first: Path, second: Path) -> str:
    with first.open("rb") as one, second.open("rb") as other:
        offset = 0
        while True:
            a, b = one.read(BLOCK_BYTES), other.read(BLOCK_BYTES)
            if a != b:
                place = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                sizes = f"{first.stat().st_size} and {second.stat().st_size} bytes"
                return f"byte {offset + place} ({sizes})"
            if not a:
                return "no byte"
            offset += len(a)


def differing_line(first: Path, second: Path) -> str | None:
    with first.open("rb") as one, second.open("rb") as other:
        for number, (a, b) in enumerate(itertools.zip_longest(one, other), 1):
            if a != b:
                return f"line {number}: {_text(a)} -> {_text(b)}"
    return None


def _text(line: bytes | None) -> str:
    return "no such line" if line is None else value_in_words(line.decode("utf-8", "replace").rstrip("\n"))


def differing_json(first: Path, second: Path) -> str | None:
    return differing_value(json.loads(first.read_bytes()), json.loads(second.read_bytes()))


def differing_record(first: Path, second: Path) -> str | None:
    with first.open("rb") as one, second.open("rb") as other:
        for number, (a, b) in enumerate(itertools.zip_longest(one, other), 1):
            if a == b:
                continue
            if a is None or b is None:
                return f"line {number}: {_text(a)} -> {_text(b)}"
            found = differing_value(json.loads(a), json.loads(b))
            if found is not None:
                return f"line {number}, {found}"
    return None


def differing_value(first: Any, second: Any, where: str = "") -> str | None:
    """The first key, in sorted order, at which two JSON values differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({*first, *second}):
            name = f"{where}.{key}" if where else str(key)
            if key not in first or key not in second:
                return f"key {name}: only in the {'first' if key in first else 'second'}"
            found = differing_value(first[key], second[key], name)
            if found is not None:
                return found
        return None
    if isinstance(first, list) and isinstance(second, list):
        for number, (a, b) in enumerate(zip(first, second, strict=False)):
            found = differing_value(a, b, f"{where}[{number}]")
            if found is not None:
                return found
        return None if len(first) == len(second) else f"key {where or 'list'}: {len(first)} -> {len(second)} items"
    if type(first) is type(second) and first == second:
        return None
    return f"key {where or 'value'}: {value_in_words(first)} -> {value_in_words(second)}"


def differing_row(first: Path, second: Path) -> str | None:
    from pyarrow import parquet

    with parquet.ParquetFile(first) as one, parquet.ParquetFile(second) as other:
        if not one.schema_arrow.equals(other.schema_arrow):
            names = [set(file.schema_arrow.names) for file in (one, other)]
            changed = sorted(names[0] ^ names[1]) or "types"
            return f"the columns differ: {changed}"
        rows = (
            (row for batch in file.iter_batches(batch_size=1024) for row in batch.to_pylist()) for file in (one, other)
        )
        for number, (a, b) in enumerate(itertools.zip_longest(*rows)):
            if a is None or b is None:
                return f"{one.metadata.num_rows} -> {other.metadata.num_rows} rows"
            for column in one.schema_arrow.names:
                found = differing_value(a[column], b[column], column)
                if found is not None:
                    return f"row {number}, {found.replace('key ', 'column ', 1)}"
    return None


def differing_element(first: Path, second: Path) -> str | None:
    import numpy as np

    one, other = (np.atleast_1d(np.load(path, mmap_mode="r")) for path in (first, second))
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{one.dtype} {one.shape} -> {other.dtype} {other.shape}"
    step = max(1, BLOCK_BYTES // max(1, one[:1].nbytes))
    for start in range(0, len(one), step):
        a, b = one[start : start + step], other[start : start + step]
        places = np.argwhere((a != b) & ~((a != a) & (b != b)))
        if len(places):
            index = (start + int(places[0][0]), *(int(number) for number in places[0][1:]))
            return f"index {', '.join(map(str, index))}: {one[index]} -> {other[index]}"
    return None


def differing_tensor(first: Path, second: Path) -> str | None:
    """First differing tensor by name, and the largest difference of all.

    Tensors are compared in float64.
    """
    import torch
    from safetensors import safe_open

    with safe_open(first, "pt") as one, safe_open(second, "pt") as other:
        names = [set(file.keys()) for file in (one, other)]
        if names[0] != names[1]:
            return f"tensor {min(names[0] ^ names[1])}: only in the {'first' if names[0] - names[1] else 'second'}"
        found: list[tuple[str, float]] = []
        for name in sorted(names[0]):
            a, b = one.get_tensor(name), other.get_tensor(name)
            if a.dtype != b.dtype or a.shape != b.shape:
                return f"tensor {name}: {a.dtype} {list(a.shape)} -> {b.dtype} {list(b.shape)}"
            if not torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8)):
                found.append((name, float((a.double() - b.double()).abs().max())))
    if not found:
        return None
    largest = max(found, key=lambda pair: pair[1])
    return (
        f"tensor {found[0][0]}: values differ by up to {found[0][1]:.3g}; {len(found)} of {len(names[0])} tensors differ, "
        f"at most by {largest[1]:.3g} in {largest[0]}"
    )


BY_SUFFIX: dict[str, Callable[[Path, Path], str | None]] = {
    ".json": differing_json,
    ".jsonl": differing_record,
    ".parquet": differing_row,
    ".npy": differing_element,
    ".safetensors": differing_tensor,
    **dict.fromkeys(TEXT_SUFFIXES, differing_line),
}
