"""The tensors of a checkpoint, read and written piece by piece.

In: a folder with `model.safetensors`, or with an index and the files that it names. Out: names, types and shapes; rows of
one tensor at a time; a folder that is written in the same form. Property kept: neither side holds a whole tensor, so that
a checkpoint of any size passes through a few megabytes; and equal tensors give equal bytes, in the order of their names.
The library's own writer wants all tensors of a file in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from domainlm.text.json_files import read_json, write_json

if TYPE_CHECKING:
    import torch

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# as in what transformers writes
MAX_FILE_BYTES = 5_000_000_000
MAX_PIECE_NUMBERS = 1 << 22
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Form:
    """Type of a tensor, as safetensors names it, and its shape."""

    kind: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        return _BYTES[self.kind] * math.prod(self.shape)


class TensorFiles:
    """The tensors of one checkpoint's folder; a context, which closes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self.forms: dict[str, Form] = {}

    def __enter__(self) -> TensorFiles:
        from safetensors import safe_open

        index = self._folder / INDEX
        names = sorted(set(read_json(index)["weight_map"].values())) if index.exists() else [WEIGHTS]
        for name in names:
            file: Any = self._stack.enter_context(safe_open(self._folder / name, framework="pt"))
            for tensor in file.keys():  # noqa: SIM118 (no mapping)
                found = file.get_slice(tensor)
                self._files[tensor] = file
                self.forms[tensor] = Form(str(found.get_dtype()), tuple(found.get_shape()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def rows(self, name: str, start: int, end: int) -> torch.Tensor:
        """Rows of a tensor, by its first dimension.

        A single number is one row.
        """
        found: torch.Tensor = (
            self._files[name].get_slice(name)[start:end]
            if self.forms[name].shape
            else self._files[name].get_tensor(name)
        )
        return found


def pieces(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Ranges of rows of a tensor, of a few million numbers each."""
    if not shape:
        yield 0, 1
        return
    step = max(MAX_PIECE_NUMBERS // max(math.prod(shape[1:]), 1), 1)
    for start in range(0, shape[0], step):
        yield start, min(start + step, shape[0])


def file_names(forms: Mapping[str, Form], max_bytes: int = MAX_FILE_BYTES) -> dict[str, list[str]]:
    """File -> its tensors, in the order of names."""
    groups: list[list[str]] = [[]]
    size = 0
    for name in sorted(forms):
        if groups[-1] and size + forms[name].size_bytes > max_bytes:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += forms[name].size_bytes
    if len(groups) == 1:
        return {WEIGHTS: groups[0]}
    return {f"model-{at:05}-of-{len(groups):05}.safetensors": names for at, names in enumerate(groups, 1)}


class TensorWriter:
    """Writes a checkpoint's tensors, each in pieces, in the order of `forms`.

    forms: every tensor to come. The order is that of their names.
    """

    def __init__(self, folder: Path, forms: Mapping[str, Form], max_bytes: int = MAX_FILE_BYTES) -> None:
        self._folder, self._forms = folder, forms
        self._names = file_names(forms, max_bytes)

    def write(self, tensors: Iterator[tuple[str, Iterator[torch.Tensor]]]) -> None:
        """Write all of them.

        ValueError if one has another size than its form.
        """
        for file_name, names in self._names.items():
            with (self._folder / file_name).open("wb") as file:
                file.write(_header({name: self._forms[name] for name in names}))
                for expected in names:
                    name, found = next(tensors)
                    if name != expected or _write_pieces(file, found) != self._forms[name].size_bytes:
                        raise ValueError(f"the tensor {name} is not {expected} with the form {self._forms[expected]}")
        if len(self._names) > 1:
            where = {name: file for file, names in self._names.items() for name in names}
            total = sum(form.size_bytes for form in self._forms.values())
            write_json(self._folder / INDEX, {"metadata": {"total_size": total}, "weight_map": where})


def _write_pieces(file: BinaryIO, found: Iterator[torch.Tensor]) -> int:
    import torch

    written = 0
    for piece in found:
        written += file.write(piece.contiguous().view(-1).view(torch.uint8).numpy().data)
    return written


def _header(forms: Mapping[str, Form]) -> bytes:
    values: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, form in forms.items():
        values[name] = {
            "dtype": form.kind,
            "shape": list(form.shape),
            "data_offsets": [at, at + form.size_bytes],
        }
        at += form.size_bytes
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    # the numbers begin at a multiple of eight
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
