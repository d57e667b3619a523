"""Bounded reading of a small file that a configuration names.

In: a path to a file of any kind. Out: its bytes. Raises OSError instead of waiting for a pipe, or of filling the memory
from a device or a corpus: a domain file may come from a stranger, and names its word lists and label tables.
"""

from __future__ import annotations

import errno
import os
import stat


def read_bounded(path: str | bytes | os.PathLike[str], max_bytes: int) -> bytes:
    """Bytes of a regular file of at most max_bytes."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no regular file", path)
    with open(path, "rb") as file:
        # the size alone is not enough, as the file may have grown
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"more than {max_bytes} bytes", path)
    return data
