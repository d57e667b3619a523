"""Tensors of a checkpoint, read and written one at a time.

In: a folder of safetensors files; names, types and shapes of a checkpoint to be written. Out: tensors, or some rows of
them; files with the bytes that the library safetensors writes, with transformers' index where there are several.
Property kept: memory holds what the caller asks for and nothing else. The library maps whole files into memory, where
every page that was read counts as the process's own, and it writes a file only from all its tensors at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.checkpoint_files import INDEX, WEIGHTS

if TYPE_CHECKING:
    import torch

# the names of types in a header, in the order in which the library ranks them
TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "F32": "float32",
    "F64": "float64",
    "I64": "int64",
}
RANKS = {name: rank for rank, name in enumerate(TYPES.values())}
HEADER_ALIGNMENT = 8
# a file that a single-file mirror or a FAT-like share still takes; transformers' own bound was this for years
SHARD_BYTES = 5_000_000_000


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies.

    dtype: torch's name of its type. start: the place of its first byte in the file.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor that will be written."""

    dtype: str
    shape: tuple[int, ...]


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint by name, in the order of files and bytes."""
    index = folder / INDEX
    names = (
        sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if index.exists()
        else [WEIGHTS]
    )
    found: dict[str, StoredTensor] = {}
    for name in names:
        found |= _header(folder / name)
    return found


def read_rows(stored: StoredTensor, start: int, stop: int) -> torch.Tensor:
    """Rows start to stop of a tensor's first dimension, in its stored type."""
    import torch

    rows: torch.Tensor = torch.empty((stop - start, *stored.shape[1:]), dtype=getattr(torch, stored.dtype))
    left = memoryview(rows.view(-1).view(torch.uint8).numpy()) if rows.numel() else memoryview(b"")
    with stored.path.open("rb", buffering=0) as file:
        file.seek(stored.start + start * _row_bytes(stored.dtype, stored.shape))
        while len(left):
            # one call of the system reads 2 GiB at the most
            count = file.readinto(left)
            if not count:
                raise StageError(
                    f"{stored.path.name} ends {len(left)} bytes before a tensor that its header names does; expected a"
                    " whole file: build base_model again"
                )
            left = left[count:]
    return rows


def read_tensor(stored: StoredTensor) -> torch.Tensor:
    """A whole tensor, in its stored type."""
    if not stored.shape:
        return read_rows(StoredTensor(stored.path, stored.dtype, (1,), stored.start), 0, 1)[0]
    return read_rows(stored, 0, stored.shape[0])


def create_checkpoint(
    folder: Path, planned: Mapping[str, PlannedTensor], shard_bytes: int = SHARD_BYTES
) -> dict[str, StoredTensor]:
    """Files of zeros with the headers of these tensors.

    Returns where each tensor belongs, for `write_rows`.
    """
    shards = _shards(planned, shard_bytes)
    names = [
        WEIGHTS if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        for number in range(1, len(shards) + 1)
    ]
    places: dict[str, StoredTensor] = {}
    for name, shard in zip(names, shards, strict=True):
        places |= _create_file(folder / name, {each: planned[each] for each in shard})
    if len(shards) > 1:
        index = {
            "metadata": {
                "total_parameters": sum(prod(each.shape) for each in planned.values()),
                "total_size": sum(map(_size, planned.values())),
            },
            "weight_map": {name: place.path.name for name, place in places.items()},
        }
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / INDEX).write_text(text, encoding="utf-8", newline="\n")
    return places


def write_rows(place: StoredTensor, start: int, rows: torch.Tensor) -> None:
    """Write rows from `start` on; they have the planned type."""
    import torch

    assert str(rows.dtype) == f"torch.{place.dtype}", (rows.dtype, place)
    with place.path.open("r+b") as file:
        file.seek(place.start + start * _row_bytes(place.dtype, place.shape))
        if rows.numel():
            file.write(memoryview(rows.contiguous().view(-1).view(torch.uint8).numpy()))


def _header(path: Path) -> dict[str, StoredTensor]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    unknown = sorted({each["dtype"] for each in header.values()} - TYPES.keys())
    if unknown:
        raise StageError(
            f"{path.name} holds tensors stored as {', '.join(unknown)}; expected one of {', '.join(sorted(TYPES))}: give"
            " sources.<base_model> a checkpoint that is not quantised"
        )
    found = [
        (name, StoredTensor(path, TYPES[each["dtype"]], tuple(each["shape"]), 8 + length + each["data_offsets"][0]))
        for name, each in header.items()
    ]
    return dict(sorted(found, key=lambda pair: (pair[1].start, pair[0])))


def _shards(planned: Mapping[str, PlannedTensor], shard_bytes: int) -> list[list[str]]:
    """Names in the given order, in groups within the bound or of one."""
    shards: list[list[str]] = [[]]
    used = 0
    for name, each in planned.items():
        size = _size(each)
        if shards[-1] and used + size > shard_bytes:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    return shards


def _create_file(path: Path, planned: Mapping[str, PlannedTensor]) -> dict[str, StoredTensor]:
    codes = {name: code for code, name in TYPES.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    starts: dict[str, int] = {}
    at = 0
    # the library's order
    for name, each in sorted(planned.items(), key=lambda pair: (-RANKS[pair[1].dtype], pair[0].encode())):
        starts[name] = at
        end = at + _size(each)
        header[name] = {"dtype": codes[each.dtype], "shape": list(each.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % HEADER_ALIGNMENT)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    return {
        name: StoredTensor(path, each.dtype, each.shape, 8 + len(text) + starts[name]) for name, each in planned.items()
    }


def _size(planned: PlannedTensor) -> int:
    return prod(planned.shape) * _item_bytes(planned.dtype)


def _row_bytes(dtype: str, shape: Iterable[int]) -> int:
    return prod(list(shape)[1:]) * _item_bytes(dtype)


def _item_bytes(dtype: str) -> int:
    import torch

    return int(getattr(torch, dtype).itemsize)
