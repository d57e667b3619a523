"""Files of other hosts, which a network file system may show late.

In: a path. Out: its bytes, after a wait if necessary; or a folder whose listing is refreshed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# a network file system may show a file to this host later than another host wrote it
LATE_SECONDS = 5.0


def read_late(path: Path, seconds: float | None = None) -> bytes | None:
    """A file's bytes, after a wait of up to `seconds` if necessary.

    The default is LATE_SECONDS. None if the file does not appear.
    """
    end = time.monotonic() + (LATE_SECONDS if seconds is None else seconds)
    while True:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if time.monotonic() >= end:
                return None
        time.sleep(0.2)
        refresh(path.parent.parent)
        refresh(path.parent)


def refresh(folder: Path) -> None:
    """Make a network file system refresh its listing of a folder.

    Opening the folder does so.
    """
    if folder.is_dir():
        os.listdir(folder)
