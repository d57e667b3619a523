"""Verification: a comparison of all bytes with their digests.

A build only compares sizes and times. In: files with the digests that they should have; a store. Out: the damaged
files, put into quarantine. Findings are noted as they come, so that an interrupted run continues from there. Hashing
runs in threads, because `hashlib` works without the interpreter's lock: the disk or the memory is the limit. A
damaged file's time is set to now, so that every name of it shows the damage, and the next build repairs it (ADR
0003).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from domainlm.store.lease import NOT_WRITABLE
from domainlm.store.local import Store
from domainlm.store.roots import listed
from domainlm.store.sharing import make_folder, share

BLOCK_BYTES = 1 << 20
# a thread's share: small files together, so that a hundred thousand of them cost no hundred thousand hand-overs
BATCH_BYTES = 64 << 20
BATCH_FILES = 200
_HEX = set("0123456789abcdef")

Progress = Callable[[int, int, dict[str, float]], None]


class VerifyRunning(Exception):
    """Another run verifies the same files of this store."""


@dataclass(frozen=True)
class Item:
    """A file and the digest that it should have.

    name: its name in the run's notes.
    """

    name: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Damaged:
    """A file whose bytes do not match its digest.

    kept: its place in quarantine; None if it stayed in place (reason says why).
    """

    name: str
    sha256: str
    size: int
    reason: str
    kept: str | None


@dataclass(frozen=True)
class Hashed:
    """The result of one run.

    earlier_files: found sound by the interrupted run that this one continues.
    """

    files: int
    bytes: int
    earlier_files: int
    seconds: float
    damaged: tuple[Damaged, ...]

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / max(self.seconds, 1e-9)


def objects_of(store: Store) -> Iterator[Item]:
    """Every object of a store.

    Names that are no digest (another process is just adding a file) are skipped.
    """
    root = store.root / "objects"
    for folder in (path for path in listed(root) if path.is_dir()):
        for entry in os.scandir(folder):
            if len(entry.name) == 62 and _HEX.issuperset(entry.name):
                sha256 = folder.name + entry.name
                try:
                    yield Item(sha256, folder / entry.name, sha256, entry.stat().st_size)
                except FileNotFoundError:
                    # collected in this moment
                    continue


@dataclass
class _Notes:
    """The notes of one run on disk: sound names, and damage."""

    file: IO[str] | None
    sound: set[str] = field(default_factory=set)
    damaged: list[Damaged] = field(default_factory=list)

    def write(self, sound: Iterable[str], damaged: Iterable[Damaged]) -> None:
        self.damaged += damaged
        if self.file is not None:
            rows = [[name] for name in sound] + [[d.name, d.sha256, d.size, d.reason, d.kept] for d in damaged]
            self.file.write("".join(f"{json.dumps(row)}\n" for row in rows))
            self.file.flush()


def _read_notes(file: IO[str]) -> _Notes:
    notes = _Notes(file)
    file.seek(0)
    for line in file:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            # the last line of a run that was killed while it wrote
            file.write("\n")
            continue
        if not isinstance(row, list):
            continue
        kinds = [type(value) for value in row]
        if kinds == [str]:
            notes.sound.add(row[0])
        elif kinds[:4] == [str, str, int, str] and kinds[4:] in ([str], [type(None)]):
            notes.damaged.append(Damaged(*row))
    return notes


@contextmanager
def _notes(path: Path, is_anew: bool) -> Iterator[_Notes]:
    """Notes that survive an interruption and are removed after completion.

    Raises VerifyRunning.
    """
    try:
        make_folder(path.parent.parent, path.parent.name)
        is_new = not path.exists()
        file = path.open("a+", encoding="utf-8", errors="replace")
        if is_new:
            share(path)
    except OSError:
        # a store that cannot be written: verified all the same, from the start each time
        yield _Notes(None)
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VerifyRunning(f"another run verifies this now (it holds {path}); wait for its end") from None
        if is_anew:
            file.truncate(0)
        yield _read_notes(file)
        path.unlink(missing_ok=True)


def hash_all(store: Store, items: Iterable[Item], name: str, threads: int, is_anew: bool, progress: Progress) -> Hashed:
    """Hash files in parallel, largest first; quarantine the damaged ones.

    name: of the run's notes in the store. is_anew: start from the beginning, whatever an interrupted run has noted.
    Raises VerifyRunning.
    """
    began = time.monotonic()
    with _notes(store.root / "verify" / f"{name}.jsonl", is_anew) as notes:
        known = notes.sound | {damaged.name for damaged in notes.damaged}
        waiting = sorted((item for item in items if item.name not in known), key=lambda i: (-i.size, i.name))
        total_bytes = sum(item.size for item in waiting)
        done_bytes = 0
        stop = threading.Event()
        with ThreadPoolExecutor(threads) as pool:
            running = {pool.submit(_hash_batch, batch, stop): batch for batch in _batches(waiting)}
            try:
                for future in as_completed(running):
                    damaged = [put_aside(store, *wrong) for wrong in future.result()]
                    names = {found.name for found in damaged}
                    notes.write((item.name for item in running[future] if item.name not in names), damaged)
                    done_bytes += sum(item.size for item in running[future])
                    seconds = max(time.monotonic() - began, 1e-9)
                    left = (total_bytes - done_bytes) * seconds / max(done_bytes, 1)
                    figures = {"megabytes_per_second": done_bytes / 1e6 / seconds, "seconds_left": left}
                    progress(done_bytes, total_bytes, figures)
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        damaged_ones = tuple(sorted(notes.damaged, key=lambda found: found.name))
        return Hashed(len(waiting), total_bytes, len(known), time.monotonic() - began, damaged_ones)


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if size >= BATCH_BYTES or len(batch) == BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _hash_batch(batch: list[Item], stop: threading.Event) -> list[tuple[Item, os.stat_result, str]]:
    """The damaged items of a batch: item, facts of its file, reason.

    A file that no longer exists was collected, and is no damage.
    """
    buffer = memoryview(bytearray(BLOCK_BYTES))
    wrong = []
    for item in batch:
        if stop.is_set():
            break
        digest, found, reason = hashlib.sha256(), None, ""
        try:
            with item.path.open("rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                while not stop.is_set() and (count := file.readinto(buffer)):
                    digest.update(buffer[:count])
        except FileNotFoundError:
            continue
        except PermissionError:
            # not damage: another user's file, closed to this one
            raise
        except OSError as error:
            found, reason = item.path.lstat(), f"cannot be read: {error.strerror}"
        if not reason and not stop.is_set() and digest.hexdigest() != item.sha256:
            reason = f"has sha256 {digest.hexdigest()}"
        if reason:
            wrong.append((item, found, reason))
    return wrong


def put_aside(store: Store, item: Item, found: os.stat_result, reason: str) -> Damaged:
    """Mark a file as damaged by its time, and quarantine its bytes.

    The store's own name of it is removed. found: facts of the file that was read; a file that took its place since is
    left untouched.
    """
    kept = None
    try:
        with store.guard():
            now = item.path.stat()
            if (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino):
                kept = store.objects.put_aside(item.path, item.sha256)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        reason += f"; not put aside ({error.strerror}: {error.filename}); run it as the owner of the file"
    return Damaged(item.name, item.sha256, item.size, reason, str(kept) if kept else None)
