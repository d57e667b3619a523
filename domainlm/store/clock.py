"""The clock of a file system, which need not be this machine's: a file server has its own.

In: a folder. Out: how far its file system's clock is ahead of this process's. Whether a file is too young to be remembered by its
times is asked of the clock that set them; by another one, an hour behind, a file written just now looks settled, and its next
write may leave the same time.
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
    """Time of a folder's file system less this process's, in ns; 0 where nothing can be written there. Leaves no name behind."""
    try:
        before = time.time_ns()
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_ctime_ns - before
    except OSError:
        return 0


def is_young(changed_ns: int, read_ns: int) -> bool:
    """Whether a file was changed so shortly before it was read that it may change once more and keep its times.

    changed_ns: the inode's own time (ctime), which no program can put back. read_ns: by the same clock. A time ahead of the clock
    is one that a later write does not leave, so such a file (an archive's, a clock that was set back) counts as settled.
    """
    return abs(read_ns - changed_ns) <= YOUNG_NS
