"""A full disk, reported so that a person can act.

In: an error, and the folders that are written to. Out: whether the cause is a file system without room (or a quota),
and which one. Libraries report it in different ways: with an errno, with the system's words in their own message, or
with no reason at all; in the last case the file systems are examined.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

# below this a file system counts as full where the error itself gives no reason
NO_ROOM_BYTES = 65_536
_WORDS = ("no space left on device", "disk quota exceeded", "os error 28)", "os error 122)", "errno 28", "errno 122")


def free_bytes(folder: Path) -> int:
    """Bytes that this process may still write on a folder's file system.

    If the folder does not exist, its nearest existing parent counts.
    """
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return (found.f_bavail if os.geteuid() else found.f_bfree) * found.f_frsize


def mount_point(folder: Path) -> Path:
    folder = folder.resolve()
    while not os.path.ismount(folder):
        folder = folder.parent
    return folder


def _is_said(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(word in str(seen).lower() for word in _WORDS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def explain_full_disk(error: BaseException, folders: Iterable[Path], has_reason: bool) -> str | None:
    """The full file system among these folders, in words, or None.

    has_reason: whether the error gives its reason; if it gives none, a full file system is assumed to be the reason.
    """
    free, folder = min((free_bytes(folder), folder) for folder in (*folders, Path(tempfile.gettempdir())))
    if not _is_said(error) and (has_reason or free >= NO_ROOM_BYTES):
        return None
    return (
        f"no room left: {free} bytes free on the file system {mount_point(folder)}, which holds {folder} (or its quota is "
        "used up). All earlier results are intact. Free some space there (domainlm gc, or remove other files), or name a "
        "store on a larger file system with DOMAINLM_STORE; then run the same command again"
    )
