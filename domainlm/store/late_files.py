"""Files that another host wrote, which a network file system may show later than they were written.

In: a path. Out: its bytes, waited for; or a folder looked at anew.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# a network file system may show a file to this host later than another host wrote it
LATE_SECONDS = 5.0


def read_late(path: Path, seconds: float | None = None) -> bytes | None:
    """A file's bytes; where it is not there, wait up to `seconds` (default LATE_SECONDS) for it. None after that."""
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
    """Make a network file system look whether what it remembers of a folder still holds: opening it does."""
    if folder.is_dir():
        os.listdir(folder)
