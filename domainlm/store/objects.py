"""The content-addressed objects: one read-only file per distinct content.

In: finished files. Out: `objects/ab/cdef...`, hardlinked wherever they are installed, so the store, the workspace and
DVC's cache hold one copy of the bytes. The index that says "this file is untouched" is the object's own inode: when
an object is put in, its modification time is set to a value derived from its digest, so size and time alone tell
whether anything wrote to any of its links. A separate database would have to be kept in step with the files and
shared over network file systems; this cannot go stale.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from domainlm.store.canonical import sha256_of_file

_EPOCH_SECONDS = 1_000_000_000
_SPAN_SECONDS = 1 << 28


class DamagedObject(Exception):
    """A stored object's bytes are not what its name says."""


def expected_mtime_ns(sha256: str) -> int:
    """Modification time of an object with this digest: microseconds resolution, years 2001 to 2010."""
    number = int(sha256[:16], 16)
    return (_EPOCH_SECONDS + number % _SPAN_SECONDS) * 1_000_000_000 + (number >> 28) % 1_000_000 * 1000


def is_untouched(path: Path, sha256: str, size: int) -> bool:
    """Whether a file has the size and the time that an object of this digest was given. Reads no bytes."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == size and found.st_mtime_ns == expected_mtime_ns(sha256) and stat.S_ISREG(found.st_mode)


class Objects:
    """The object folder of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        return self.root / "objects" / sha256[:2] / sha256[2:]

    def put(self, file: Path, sha256: str) -> None:
        """Move a finished file in under its digest. Whoever comes second drops its copy; the first stays."""
        target = self.path(sha256)
        size = file.stat().st_size
        if is_untouched(target, sha256, size):
            file.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o444)
        moment = expected_mtime_ns(sha256)
        os.utime(file, ns=(moment, moment))
        os.replace(file, target)
        # rename(2) does nothing when both names are links to one inode already
        file.unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> None:
        """Give the store a link to (or a copy of) an installed file whose bytes were checked."""
        target = self.path(sha256)
        staged = target.with_name(target.name + f".{os.getpid()}")
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, staged)
        self.put(staged, sha256)

    def has(self, sha256: str, size: int) -> bool:
        """Whether a sound object is here. One whose time differs is hashed: touched is not damaged."""
        target = self.path(sha256)
        if is_untouched(target, sha256, size):
            return True
        try:
            if target.stat().st_size == size and sha256_of_file(target) == sha256:
                moment = expected_mtime_ns(sha256)
                os.utime(target, ns=(moment, moment))
                return True
        except FileNotFoundError:
            return False
        self.quarantine(sha256)
        return False

    def quarantine(self, sha256: str) -> None:
        """Take a damaged object out of service, keeping its bytes for a look."""
        folder = self.root / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        # another build may have taken it away already
        with suppress(FileNotFoundError):
            os.replace(self.path(sha256), folder / f"{sha256}.{os.getpid()}")

    def install(self, sha256: str, target: Path) -> int:
        """Put a link to an object at `target`, atomically. Returns the bytes that had to be copied (0 for a link)."""
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{target.name}.{os.getpid()}")
        staged.unlink(missing_ok=True)
        copied = link_or_copy(self.path(sha256), staged)
        if copied:
            moment = expected_mtime_ns(sha256)
            os.utime(staged, ns=(moment, moment))
        os.replace(staged, target)
        # rename(2) does nothing when both names are links to one inode already
        staged.unlink(missing_ok=True)
        return copied


def link_or_copy(source: Path, target: Path) -> int:
    """Hardlink; where the file system or its owner forbids it, copy. Returns the bytes copied."""
    try:
        os.link(source, target)
        return 0
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o444)
        return target.stat().st_size
