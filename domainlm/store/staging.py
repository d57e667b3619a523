"""Unfinished files: their place, their owner, and their completion.

In: bytes or a finished file. Out: a name that shows either nothing or all of it, after a kill as after a power cut.
Unfinished files are in the store's `tmp/` under their process's name, so that a later process can see that the maker
is gone, and remove them. The data reach the disk before the name does (fsync, then rename): otherwise size and time
would declare an object whole whose bytes were still in memory when the power failed. The folder itself is not synced:
a lost name is a miss, not a lie, and the file systems in use keep renames in order.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.store.lease import NOT_WRITABLE, host, host_name, is_alive, process_start
from domainlm.store.sharing import group_bits, make_folder, share

_numbers = itertools.count()


def sync(path: Path) -> None:
    """Have a file's data on the disk.

    It costs almost nothing if they are there already.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, staged: Path) -> None:
    """Put bytes at `path` by way of `staged`, atomically.

    `staged` is a name on the same file system. A link at either name is replaced, not followed.
    """
    # left by a killed process of this number, or a link that somebody put there
    staged.unlink(missing_ok=True)
    try:
        with staged.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        share(staged, group_bits(path.parent))
        os.replace(staged, path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes) -> None:
    """Put bytes at `path` atomically, without fsync.

    It is for files that are only remembered, and made again if they are lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # a separate name for each writer: hosts and threads share folders and process numbers
    staged = path.with_name(f"{path.name}.{host_name()}.{os.getpid()}-{next(_numbers)}")
    staged.unlink(missing_ok=True)
    with staged.open("xb") as file:
        file.write(data)
    share(staged)
    os.replace(staged, path)


@contextmanager
def staged_path(root: Path, name: str) -> Iterator[Path]:
    """A free name in the store's `tmp/` for this process and thread.

    Whatever remains there is removed afterwards.
    """
    parent = make_folder(root, "tmp")
    pid = os.getpid()
    path = parent / f"{name}-{next(_numbers)}.{host()}.{pid}.{process_start(pid) or 0}"
    _remove(path)
    try:
        yield path
    finally:
        _remove(path)


def sweep(root: Path) -> None:
    """Remove leftovers of ended processes of this host from `tmp/`.

    Closed leftovers of another user stay for that user to remove.
    """
    for path in make_folder(root, "tmp").iterdir():
        if is_abandoned(path):
            with where_permitted():
                _remove(path)


def is_abandoned(path: Path) -> bool:
    """Whether a path in `tmp/` belongs to this host's ended process."""
    # the host's own name may hold dots
    front, pid, start = ([*path.name.rsplit(".", 2), "", ""])[:3]
    is_ours = front.endswith(f".{host()}") and pid.isdecimal()
    return is_ours and not is_alive(int(pid), "" if start == "0" else start)


@contextmanager
def where_permitted() -> Iterator[None]:
    """Skip whatever a read-only store, or another owner, forbids."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
