"""Permissions of a store: shared with a group, or closed to others.

In: a store's root, a folder, a file. Out: folders and files that the group of a shared store can use whatever the
process's umask; and, if a file of the store may not be entered, read or written, one line that names it, its owner,
its mode and the remedies. A folder with the setgid bit shares its new entries: they take the folder's group bits, as
with git's core.sharedRepository. Without that bit a new file has the group of its maker, which nobody chose, so the
umask alone decides. Setting the process's umask would be shorter and would open the workspace as well.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = (
    *("actions", "code", "history", "hub", "leases", "machines", "objects", "pins", "quarantine", "scratch", "tmp"),
    *("trees", "verify", "workspaces"),
)
# those with a folder for each first two digits
SPLIT_FOLDERS = ("actions", "code", "objects", "trees")
ENTER = os.R_OK | os.X_OK
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


class StoreRefused(PermissionError):
    """A part of the store belongs to another user and is closed.

    The message names it and the remedies.
    """


def group_bits(folder: Path) -> int:
    """Permission bits that new entries of a folder take.

    They are its group's if it has the setgid bit; else 0.
    """
    mode = os.stat(folder).st_mode
    return mode & 0o070 if mode & stat.S_ISGID else 0


def share(path: Path, bits: int | None = None) -> None:
    """Give a new file or folder its parent folder's group bits.

    bits: those of another folder instead.
    """
    bits = group_bits(path.parent) if bits is None else bits
    if not bits:
        return
    mode = os.lstat(path).st_mode
    # what a file holds is not run, so it gets no x
    wanted = mode | (bits if stat.S_ISDIR(mode) else bits & 0o060)
    if wanted != mode:
        os.chmod(path, stat.S_IMODE(wanted))


def make_folder(root: Path, *names: str) -> Path:
    """The folder `names` below a store's root, created if missing.

    Each level is shared as the one above it. The root itself is created by the umask: there a person decides who may
    enter.
    """
    folder = root
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
    for name in names:
        parent, folder = folder, folder / name
        if folder.is_dir():
            continue
        bits = group_bits(parent)
        if not bits:
            folder.mkdir(exist_ok=True)
            continue
        # made aside, so that nobody finds it before it is shared
        staged = parent / f".{uuid.uuid4().hex}"
        staged.mkdir()
        try:
            share(staged)
            staged.rename(folder)
        except OSError:
            staged.rmdir()
            if not folder.is_dir():
                raise
    return folder


def open_lock(path: Path) -> int:
    """Descriptor of a lock's file, created if missing.

    Others never see it before it is shared. A file of another user that may only be read serves as well: locking
    writes nothing. Raises OSError; a link is refused (ELOOP).
    """
    while True:
        for how in (os.O_RDWR, os.O_RDONLY):
            try:
                return os.open(path, how | os.O_NOFOLLOW)
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno not in _REFUSED or how == os.O_RDONLY:
                    raise
        bits = group_bits(path.parent)
        if not bits:
            return os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
        staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            os.close(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            share(staged)
            # another's that came first stays
            os.link(staged, path)
        except FileExistsError:
            pass
        finally:
            staged.unlink(missing_ok=True)


@contextmanager
def sharing_umask(root: Path) -> Iterator[None]:
    """Let a stage's files below a shared store keep the group's bits.

    Checkpoints outlive a kill. All files of a stage are there, and libraries and child processes do not call `share`.
    """
    former = os.umask(0o077)
    os.umask(former & ~group_bits(root))
    try:
        yield
    finally:
        os.umask(former)


def check_folders(root: Path) -> None:
    """Raises StoreRefused if the store or one of its folders is closed.

    It costs one look at each.
    """
    for folder in (root, *(root / name for name in FOLDERS)):
        try:
            is_closed = stat.S_ISDIR(os.stat(folder).st_mode) and not os.access(folder, ENTER)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            is_closed = True
        if is_closed:
            raise StoreRefused(refusal(root, folder))


def refusal(root: Path, path: Path) -> str:
    """Why this user may not use a path of the store.

    It names owner, mode and remedies.
    """
    culprit = _culprit(root, path)
    if culprit == root:
        what = f"the store {root}"
    elif culprit.is_relative_to(root):
        what = f"{culprit} in the store {root}"
    else:
        what = f"{culprit}, which leads to the store {root},"
    return (
        f"{what} may not be used by this user ({_user(os.geteuid())}): {_facts(culprit)}. Let its owner share the store with a "
        "group (chgrp -R GROUP, chmod -R g+rwX, chmod g+s on its folders, umask 002: docs/how-to/share-the-store.md), or "
        "name a store of your own with DOMAINLM_STORE"
    )


def _culprit(root: Path, path: Path) -> Path:
    """The first closed folder on the way to a path.

    If none is closed, it is the last that exists.
    """
    shown = root
    for part in [*reversed(path.parents), path]:
        try:
            mode = os.lstat(part).st_mode
        except OSError:
            break
        shown = part
        if stat.S_ISDIR(mode) and not os.access(part, ENTER if part.is_relative_to(root) else os.X_OK):
            break
    return shown


def _facts(path: Path) -> str:
    try:
        found = os.stat(path)
    except OSError as error:
        return str(error.strerror)
    return f"owner {_user(found.st_uid)}, group {_group(found.st_gid)}, mode {stat.S_IMODE(found.st_mode):04o}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def named_refusal(root: Path, error: OSError) -> OSError:
    """The error, as StoreRefused if it refuses a path of the store."""
    if isinstance(error, StoreRefused) or not isinstance(error, PermissionError) or error.filename is None:
        return error
    path = Path(os.fsdecode(error.filename))
    return StoreRefused(refusal(root, path)) if path.is_relative_to(root) else error


@contextmanager
def naming_refusals(root: Path, is_checked: bool = True) -> Iterator[None]:
    """Raise StoreRefused if the store, or a file of it, is closed.

    is_checked: whether the folders are checked beforehand; a search silently skips a closed one.
    """
    if is_checked:
        check_folders(root)
    try:
        yield
    except PermissionError as error:
        named = named_refusal(root, error)
        if named is error:
            raise
        raise named from error
