"""The header of a GGUF file, checked before any library trusts it.

In: a file. Out: its metadata that is one value (text, number), without lists; StageError if a count, a length or an
offset leads out of the file. The libraries that read the weights believe the header: a count of 2^60, or a length
beyond the end, costs them unbounded time and memory, or ends in a traceback. The header is read by steps, in memory
that does not grow with it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from domainlm.contract import StageError

Value = str | int | float | bool
MAGIC = b"GGUF"
VERSIONS = (2, 3)
# known models have at most 100 values, 3,000 tensors, 500,000 merges
MAX_VALUES = 100_000
MAX_TENSORS = 1_000_000
MAX_ITEMS = 10_000_000
MAX_TEXT_BYTES = 10_000_000
MAX_DIMENSIONS = 4
# of a reason: a name in it may be megabytes
MAX_REASON_CHARS = 300
DEFAULT_ALIGNMENT = 32
# number of a type in the file -> its struct format
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9


class _Walk:
    """A file, read forwards within its size."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        self.skip(count, what)
        self._file.seek(self.at - count)
        return self._file.read(count)

    def skip(self, count: int, what: str) -> None:
        if count > self._size - self.at:
            raise refused(f"{what} at byte {self.at:,} is {count:,} bytes long, the file ends at {self._size:,}")
        self.at += count

    def number(self, form: str, what: str) -> int:
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form), what))[0])

    def text(self, what: str) -> str:
        count = self.number("Q", what)
        if count > MAX_TEXT_BYTES:
            raise refused(f"{what} is {count:,} bytes long (at most {MAX_TEXT_BYTES:,})")
        try:
            return self.take(count, what).decode("utf-8")
        except UnicodeDecodeError as error:
            raise refused(f"{what} is not UTF-8 ({error.reason})") from None


def refused(reason: str) -> StageError:
    return StageError(
        f"the base model's GGUF file has a header that cannot be right: {reason[:MAX_REASON_CHARS]}; expected a whole GGUF file"
        " of version 2 or 3: download or convert it again, and check sources.<base_model>"
    )


def read_gguf_header(path: Path) -> Mapping[str, Value]:
    """Metadata with one value each. Raises StageError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        walk = _Walk(file, size)
        if (magic := walk.take(4, "the magic number")) != MAGIC:
            raise refused(f"it begins with {magic!r} instead of {MAGIC!r}")
        version = walk.number("I", "the version")
        if version not in VERSIONS:
            order = ", written for another byte order" if version & 0xFFFF == 0 else ""
            raise refused(f"its version is {version}{order}")
        tensors, values = walk.number("Q", "the number of tensors"), walk.number("Q", "the number of values")
        if tensors > MAX_TENSORS or values > MAX_VALUES:
            raise refused(f"it counts {tensors:,} tensors and {values:,} values")
        found = _metadata(walk, values)
        ends = _tensor_ends(walk, tensors, _alignment(found))
        alignment = _alignment(found)
        start = -(-walk.at // alignment) * alignment
        for name, end in ends.items():
            if start + end > size:
                raise refused(f"the tensor {name!r} ends at byte {start + end:,}, the file at {size:,}")
    layers = found.get(f"{found.get('general.architecture')}.block_count", 0)
    if not isinstance(layers, int) or layers > tensors:
        raise refused(f"it names {layers!r} layers and has {tensors:,} tensors")
    parts = found.get("split.count", 0)
    if not isinstance(parts, int):
        raise refused(f"it is one of {parts!r} parts, which is no whole number")
    if parts > 1:
        raise StageError(
            f"the base model's GGUF file is one of {parts} parts; expected one whole file: join them"
            " (llama-gguf-split --merge) and name the result in sources.<base_model>"
        )
    return found


def _metadata(walk: _Walk, count: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    seen = set()
    for _ in range(count):
        name = walk.text("the name of a value")
        if name in seen:
            raise refused(f"it has two values {name!r}")
        seen.add(name)
        kind = walk.number("I", f"the type of {name!r}")
        if kind == LIST:
            _skip_list(walk, name)
        elif kind == TEXT:
            found[name] = walk.text(f"the value {name!r}")
        elif kind in SCALARS:
            form = SCALARS[kind]
            found[name] = struct.unpack(f"<{form}", walk.take(struct.calcsize(form), f"the value {name!r}"))[0]
        else:
            raise refused(f"the value {name!r} has the unknown type {kind}")
    return found


def _skip_list(walk: _Walk, name: str) -> None:
    what = f"the list {name!r}"
    kind, count = walk.number("I", what), walk.number("Q", what)
    if count > MAX_ITEMS:
        raise refused(f"{what} has {count:,} items")
    if kind in SCALARS:
        walk.skip(count * struct.calcsize(SCALARS[kind]), what)
    elif kind == TEXT:
        for _ in range(count):
            walk.skip(walk.number("Q", what), what)
    else:
        raise refused(f"{what} has items of type {kind}; no known model has")


def _alignment(found: Mapping[str, Value]) -> int:
    alignment = found.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise refused(f"its alignment is {alignment!r}, no power of two up to 2^20")
    return alignment


def _tensor_ends(walk: _Walk, count: int, alignment: int) -> dict[str, int]:
    """Where each tensor ends, counted from where the data begins."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    ends: dict[str, int] = {}
    for _ in range(count):
        name = walk.text("the name of a tensor")
        what = f"the tensor {name!r}"
        dimensions = walk.number("I", what)
        if name in ends or dimensions > MAX_DIMENSIONS:
            raise refused(f"{what} occurs twice" if name in ends else f"{what} has {dimensions:,} dimensions")
        items = math.prod(walk.number("Q", what) for _ in range(dimensions))
        kind, offset = walk.number("I", what), walk.number("Q", what)
        try:
            block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError):
            raise refused(f"{what} is quantised in an unknown way ({kind})") from None
        if items % block or offset % alignment:
            raise refused(f"{what} has {items:,} items in blocks of {block} at offset {offset:,}")
        ends[name] = offset + items // block * block_bytes
    return ends
