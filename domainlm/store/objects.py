"""The content-addressed objects: one read-only file per distinct content.

In: finished files. Out: `objects/ab/cdef...`, hardlinked wherever they are installed, so the store, the workspace and
DVC's cache hold one copy of the bytes. The object's own inode is the index that says "this file is untouched": when
an object is added, its modification time is set to a value derived from its digest, so size and time alone show
whether anything wrote to any of its links. A separate database would have to be kept in step with the files and
shared over network file systems; this index cannot become stale.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from domainlm.store.canonical import sha256_of_file
from domainlm.store.manifest import Entry
from domainlm.store.sharing import make_folder
from domainlm.store.staging import staged_path, sync, where_permitted

# another file system, another's file (fs.protected_hardlinks), more links than an inode can have, no links at all
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_EPOCH_SECONDS = 1_000_000_000
_SPAN_SECONDS = 1 << 28


def expected_mtime_ns(sha256: str) -> int:
    """Modification time of an object with this digest.

    Its resolution is a microsecond, and its year 2001 to 2010.
    """
    number = int(sha256[:16], 16)
    return (_EPOCH_SECONDS + number % _SPAN_SECONDS) * 1_000_000_000 + (number >> 28) % 1_000_000 * 1000


def is_untouched(path: Path, sha256: str, size: int) -> bool:
    """Whether a file has its object's size and time, without reading bytes."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == size and found.st_mtime_ns == expected_mtime_ns(sha256) and stat.S_ISREG(found.st_mode)


class Objects:
    """The object folder of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # what this process put aside; its other names are damaged as well, and somebody has to say so
        self.quarantined: list[Path] = []

    def path(self, sha256: str) -> Path:
        return self.root / "objects" / sha256[:2] / sha256[2:]

    def put(self, file: Path, sha256: str) -> None:
        """Move a finished file in under its digest.

        If the object exists already, it stays, and the new file is dropped.
        """
        target = self.path(sha256)
        size = file.stat().st_size
        if is_untouched(target, sha256, size):
            file.unlink()
            return
        make_folder(self.root, "objects", sha256[:2])
        file.chmod(0o444)
        moment = expected_mtime_ns(sha256)
        os.utime(file, ns=(moment, moment))
        sync(file)
        os.replace(file, target)
        # rename(2) does nothing when both names are links to one inode already
        file.unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> None:
        """Link (or copy) an installed file with checked bytes into the store."""
        with staged_path(self.root, sha256[:16]) as staged:
            if os.geteuid() in (0, file.stat().st_uid):
                link_or_copy(file, staged)
            else:
                # another's file may be linked, but its mode and time are not ours to set
                copy_whole(file, staged)
            self.put(staged, sha256)

    def has(self, sha256: str, size: int) -> bool:
        """Whether a sound object of this size is here.

        An object with another time or size is hashed, because a touched file is not damaged. Only bytes that do not
        match the digest are damage. If a sound object has another size, then whoever stated the size made a mistake,
        or lied.
        """
        return is_untouched(self.path(sha256), sha256, size) or self.sound_size(sha256) == size

    def sound_size(self, sha256: str) -> int | None:
        """Size of the object, hashed; None if it does not exist.

        A damaged object is quarantined.
        """
        target = self.path(sha256)
        try:
            if sha256_of_file(target) == sha256:
                found = target.stat()
                moment = expected_mtime_ns(sha256)
                if found.st_mtime_ns != moment:
                    with where_permitted():
                        os.utime(target, ns=(moment, moment))
                return found.st_size
        except FileNotFoundError:
            return None
        with where_permitted():
            self.quarantine(sha256)
        return None

    def false_size(self, entries: Iterable[Entry]) -> str | None:
        """The false size in a manifest, in words, or None.

        A size is false if a sound object of the digest here has another.
        """
        for entry in entries:
            try:
                is_other = self.path(entry.sha256).stat().st_size != entry.size
            except FileNotFoundError:
                continue
            if is_other and (size := self.sound_size(entry.sha256)) not in (None, entry.size):
                return f"it says that {entry.path} has {entry.size} bytes, and those of its digest are {size}"
        return None

    def is_written_to(self, sha256: str) -> bool:
        """Whether the object's time differs from its digest's; reads no bytes."""
        try:
            return self.path(sha256).stat().st_mtime_ns != expected_mtime_ns(sha256)
        except FileNotFoundError:
            return False

    def quarantine(self, sha256: str) -> None:
        """Put a damaged object into quarantine; its bytes are kept for inspection."""
        # another build may have taken it away already
        with suppress(FileNotFoundError):
            self.put_aside(self.path(sha256), sha256)

    def put_aside(self, file: Path, sha256: str) -> Path | None:
        """Quarantine a damaged file; the object's own name is removed.

        Every other name of the file is damaged at the same moment. If its time still says "untouched", the time is
        set to now: each name shows the damage from then on, and the next build there repairs it. Returns its place in
        quarantine, None for a file of another file system, which stays in place. Raises FileNotFoundError.
        """
        if file.stat().st_mtime_ns == expected_mtime_ns(sha256):
            os.utime(file)
        kept = make_folder(self.root, "quarantine") / f"{sha256}.{time.time_ns()}"
        own = self.path(sha256)
        if own.exists() and os.path.samefile(file, own):
            os.replace(own, kept)
        else:
            try:
                os.link(file, kept)
            except OSError as error:
                if error.errno not in NO_LINK:
                    raise
                return None
        self.quarantined.append(kept)
        return kept

    def install(self, sha256: str, target: Path) -> int:
        """Link an object at `target`, atomically; return the bytes copied.

        The count is 0 for a link.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        # not by the target's name: that may be as long as names can be
        staged = target.with_name(f".{sha256[:16]}.{os.getpid()}")
        staged.unlink(missing_ok=True)
        try:
            copied = link_or_copy(self.path(sha256), staged)
            moment = expected_mtime_ns(sha256)
            if copied is None and staged.lstat().st_mtime_ns != moment:
                # touched, and not ours to set right; or a link, which an artifact does not hold
                staged.unlink()
                copied = copy_whole(self.path(sha256), staged)
            if copied is not None:
                os.utime(staged, ns=(moment, moment))
            os.replace(staged, target)
        finally:
            # rename(2) does nothing when both names are links to one inode already; and a full disk cuts a copy short
            staged.unlink(missing_ok=True)
        return copied or 0


def link_or_copy(source: Path, target: Path) -> int | None:
    """Hardlink, or copy if file systems or owners forbid links.

    Returns the bytes copied, None for a link.
    """
    try:
        os.link(source, target)
        return None
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
    return copy_whole(source, target)


def copy_whole(source: Path, target: Path) -> int:
    """Copy a file to a new name, synced; return its bytes."""
    shutil.copyfile(source, target)
    target.chmod(0o444)
    sync(target)
    return target.stat().st_size
