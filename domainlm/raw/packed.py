"""Unpacking files that gzip, bzip2, xz or zstd packed.

In: an open packed file. Out: a file with its content, read from beginning to end. Property kept: all of it or an
error. A packed file may be several streams one after the other (pbzip2 writes such), and a damaged one must not count
as the end: the library's own files for bzip2 and xz silently omit everything after the first stream if it cannot be
read. Zero bytes after a stream are padding, as for gzip.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import IO, Any, BinaryIO, cast

# of packed bytes, read at once
CHUNK_BYTES = 1 << 16
# of a decompressor: a header of xz may ask for 4 GB before anything is unpacked; `xz -9` takes 65 MB, zstd here at most 128 MB
MAX_XZ_BYTES = 300_000_000


class _Streams(io.RawIOBase):
    """The joined contents of a file's streams.

    Reading raises EOFError if the last stream is cut, else the decompressor's error.
    """

    def __init__(self, file: BinaryIO, new_stream: Callable[[], Any]) -> None:
        self._file, self._new_stream = file, new_stream
        self._stream = new_stream()
        self._packed = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = b""
        while not found:
            if self._stream.eof and not self._begin_next():
                return 0
            packed = b""
            if self._stream.needs_input:
                packed = self._packed or self._file.read(CHUNK_BYTES)
                self._packed = b""
                if not packed:
                    raise EOFError("a packed file is cut")
            found = self._stream.decompress(packed, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _begin_next(self) -> bool:
        """Whether data follow the stream that has ended.

        They are another stream, or should be one.
        """
        packed = self._stream.unused_data.lstrip(b"\0")
        while not packed:
            data = self._file.read(CHUNK_BYTES)
            if not data:
                return False
            packed = data.lstrip(b"\0")
        self._packed, self._stream = packed, self._new_stream()
        return True


def unpacked(file: BinaryIO, kind: str) -> IO[bytes]:
    """The content of a file packed by gz, bz2, xz or zst."""
    if kind == "gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb"))
    if kind == "bz2":
        return cast(IO[bytes], _Streams(file, bz2.BZ2Decompressor))
    if kind == "xz":
        return cast(IO[bytes], _Streams(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES)))
    import pyarrow as pa

    # a cut stream is an OSError here; zstandard, the other library, takes its end for the end of the text
    return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))
