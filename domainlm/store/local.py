"""One store on this machine: its folders, and the way from a finished output to a recorded, reusable one.

In: output folders of stages. Out: objects, action records and the build history. Everything that is not finished
lives under `tmp/` (dropped when its process is gone) or `scratch/` (kept per key: checkpoints), so nothing partial is
ever visible.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domainlm.store.actions import ActionCache
from domainlm.store.canonical import canonical_json
from domainlm.store.lease import is_alive, process_start
from domainlm.store.manifest import Manifest, scan
from domainlm.store.objects import Objects

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
        """Hold off a collection: between finding objects and linking them, and between storing them and recording them.

        Shared among builders; a collection takes the same lock for itself. It goes with the process that holds it. In a store
        that cannot be written nobody collects.
        """
        path = self.root / COLLECTION_LOCK
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
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
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_scratch(self, key: str) -> None:
        shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)

    @contextmanager
    def temporary(self, name: str) -> Iterator[Path]:
        """An empty folder on the store's file system, removed afterwards, and later if the process is killed."""
        parent = self.root / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        self._sweep(parent)
        pid = os.getpid()
        folder = parent / f"{name}.{socket.gethostname()}.{pid}.{process_start(pid) or 0}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, parent: Path) -> None:
        for folder in parent.iterdir():
            # the host's own name may hold dots
            front, pid, start = ([*folder.name.rsplit(".", 2), "", ""])[:3]
            is_ours = front.endswith(f".{socket.gethostname()}") and pid.isdigit()
            if is_ours and not is_alive(int(pid), "" if start == "0" else start):
                shutil.rmtree(folder, ignore_errors=True)

    def commit(self, out: Path) -> Manifest:
        """Move every file of a finished output into the objects; return the manifest."""
        manifest = scan(out)
        for entry in manifest.entries:
            self.objects.put(out / entry.path, entry.sha256)
        return manifest

    def has_all(self, manifest: Manifest) -> bool:
        return all(self.objects.has(entry.sha256, entry.size) for entry in manifest.entries)

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Keep one build's row, one file per build, so that builders on several machines never share a file."""
        folder = self.root / "history"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns()}.{socket.gethostname()}.{os.getpid()}.json"
        (folder / name).write_bytes(canonical_json(dict(row)))


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line in a single write, which the system keeps whole among concurrent writers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(dict(row), sort_keys=True, ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    try:
        os.write(descriptor, data.encode("utf-8"))
    finally:
        os.close(descriptor)
