"""One store on this machine: folders, and recording of finished outputs.

In: output folders of stages. Out: objects, action records and the build history. Everything unfinished is under
`tmp/` (dropped when its process is gone) or `scratch/` (kept per key: checkpoints), so nothing partial is ever
visible.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domainlm.store.actions import ActionCache
from domainlm.store.canonical import canonical_json
from domainlm.store.lease import NOT_WRITABLE, host
from domainlm.store.manifest import Manifest, scan
from domainlm.store.objects import Objects
from domainlm.store.sharing import make_folder, open_lock, share
from domainlm.store.staging import staged_path, sweep, write_whole

COLLECTION_LOCK = "collection.lock"


class Store:
    """The folders of one store. Creating the value creates nothing on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = Objects(root)
        self.actions = ActionCache(root)
        self.leases = root / "leases"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Hold off a collection during a build's critical moments.

        These are between finding objects and linking them, and between storing them and recording them. Builders
        share the lock; a collection takes it exclusively. It ends with the process that holds it. In a store that
        cannot be written nobody collects.
        """
        path = self.root / COLLECTION_LOCK
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = open_lock(path)
        except OSError as error:
            # a lock that is there and closed is not one to go on without
            if error.errno not in NOT_WRITABLE or path.exists():
                raise
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def scratch(self, key: str) -> Path:
        """Folder of a key that survives a kill."""
        folder = self.root / "scratch" / key
        if folder.is_symlink():
            # checkpoints would be written, and removed, where it leads
            folder.unlink()
        return make_folder(self.root, "scratch", key)

    def remove_scratch(self, key: str) -> None:
        shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)

    @contextmanager
    def temporary(self, name: str) -> Iterator[Path]:
        """An empty folder on the store's file system, removed afterwards.

        It is removed later if the process is killed.
        """
        sweep(self.root)
        with staged_path(self.root, name) as folder:
            folder.mkdir()
            share(folder)
            yield folder

    def commit(self, out: Path) -> Manifest:
        """Move a finished output's files into the objects; return the manifest."""
        manifest = scan(out)
        for entry in manifest.entries:
            self.objects.put(out / entry.path, entry.sha256)
        return manifest

    def has_all(self, manifest: Manifest) -> bool:
        return all(self.objects.has(entry.sha256, entry.size) for entry in manifest.entries)

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Record one build's row in a separate file.

        So builders on several machines never share a file.
        """
        folder = make_folder(self.root, "history")
        name = f"{time.time_ns()}.{host()}.{os.getpid()}.json"
        with staged_path(self.root, "history") as staged:
            write_whole(folder / name, canonical_json(dict(row)), staged)


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line, one writer at a time.

    The system keeps a single write whole among concurrent writers, but another one may see its first page alone and take it
    for a line that was cut short.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(dict(row), sort_keys=True, ensure_ascii=False) + "\n"
    line = data.encode("utf-8")
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            # a full disk cut the last line short: it is not to take this one with it
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)
