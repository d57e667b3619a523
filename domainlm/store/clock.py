"""The clock of a file system, which may differ from this machine's.

In: a folder. Out: how far its file system's clock is ahead of this process's. A file server has its own clock. To
judge whether a file is too young to be remembered by its times, the clock that set them must be asked: by another
clock that is an hour behind, a file that was written just now looks settled, and its next write may leave the same
time.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

# a file changed less than this before it was read is read again: its next write could leave the time as it is. File systems
# keep times to the nanosecond, the second or (FAT) two seconds
YOUNG_NS = 2_000_000_000


def clock_offset_ns(folder: Path) -> int:
    """Time of a folder's file system minus this process's, in ns.

    It is 0 if the folder cannot be written. No name is left behind.
    """
    try:
        before = time.time_ns()
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_ctime_ns - before
    except OSError:
        return 0


def is_young(changed_ns: int, read_ns: int) -> bool:
    """Whether a file may change again without a change of its times.

    changed_ns: the inode's own time (ctime), which no program can put back. read_ns: by the same clock. A later write
    does not leave a time ahead of the clock, so a file with such a time (from an archive, or after a clock was set
    back) counts as settled.
    """
    return abs(read_ns - changed_ns) <= YOUNG_NS
