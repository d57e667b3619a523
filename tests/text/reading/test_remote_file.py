from __future__ import annotations

import io
import threading
from multiprocessing import Pipe
from typing import Any

import pytest

from domainlm.text.reading.remote_file import RemoteFile

DATA = bytes(range(256)) * 10_000


def test_a_file_is_read_and_sought_through_a_pipe() -> None:
    ours, theirs = Pipe()
    asked = []

    def answer() -> None:
        while (message := ours.recv()) is not None:
            offset, length = message[1]
            asked.append(length)
            ours.send_bytes(DATA[offset : offset + length])

    thread = threading.Thread(target=answer)
    thread.start()
    progress: list[Any] = []
    try:
        file = io.BufferedReader(RemoteFile(theirs, len(DATA), lambda: progress.append(None)), 1000)  # type: ignore[arg-type]
        assert file.read() == DATA
        assert (len(asked), len(progress)) == (1, 1)
        assert file.read(1) == b""
        file.seek(-5, io.SEEK_END)
        assert file.read() == DATA[-5:]
        file.seek(0)
        assert (file.read(3), file.read(1_500_000)) == (DATA[:3], DATA[3:1_500_003])
        # what was read before is no progress
        assert len(progress) == 1
        with pytest.raises(ValueError, match="byte -1"):
            file.seek(-1 - len(DATA), io.SEEK_END)
    finally:
        theirs.send(None)
        thread.join()
