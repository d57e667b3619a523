"""A file that another process reads.

In: a pipe whose other end answers ("read", (offset, length)) with bytes, the file's size. Out: a binary file to read
and seek. Property kept: the bytes are those that the other process has opened and checked, also if its file is no
file of the system (a member of an archive). A shared descriptor would not do: both processes would move one place in
the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class RemoteFile(io.RawIOBase):
    """A file that the other end of a pipe reads.

    on_progress: called when bytes come for the first time.
    """

    def __init__(self, pipe: Connection, size: int, on_progress: Callable[[], None]) -> None:
        self._pipe = pipe
        self._size = size
        self._on_progress = on_progress
        self._at = self._furthest = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"byte {at} of a file")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def _bytes(self, length: int) -> bytes:
        self._pipe.send(("read", (self._at, length)))
        data = self._pipe.recv_bytes()
        self._at += len(data)
        if self._at > self._furthest:
            self._furthest = self._at
            self._on_progress()
        return data

    def readall(self) -> bytes:
        # the inherited one asks for 8 KB at a time
        return self._bytes(max(self._size - self._at, 0))

    def readinto(self, buffer: Any) -> int:
        data = self._bytes(len(buffer))
        buffer[: len(data)] = data
        return len(data)
