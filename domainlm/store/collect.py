"""Garbage collection: objects and records that nobody needs leave the store.

In: roots (everything that is needed, determined by the caller) and limits of age and size. Out: the records and
objects to remove, and the cost of rebuilding them; and, unless it is a dry run, a smaller store. It marks and sweeps
under the lock that builders share, so that no object is removed between the moment a build finds it and the moment it
links it. Records are removed before the objects that they name: a kill at any instant leaves at most objects without
a record, which the next collection removes. Reference counts beside the objects would have to be right after every
kill; the records are always right.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.store.inventory import Record, Stored, read_history, read_objects, read_records
from domainlm.store.lease import LeaseTimeout, lease, live_leases
from domainlm.store.local import COLLECTION_LOCK, Store
from domainlm.store.roots import forget_workspace, listed
from domainlm.store.sharing import open_lock
from domainlm.store.staging import sweep as sweep_unfinished
from domainlm.store.staging import where_permitted

# what no record names yet may be on its way: fetched by a build, or left by one that is being repeated
IN_FLIGHT_SECONDS = 86_400.0
Log = Callable[[str], None]


@dataclass(frozen=True)
class Roots:
    """The keys and digests that must stay.

    keys: why -> action keys. digests: objects and trees that are needed whatever the records say.
    """

    keys: Mapping[str, frozenset[str]]
    digests: frozenset[str]
    notes: tuple[str, ...] = ()
    gone_workspaces: tuple[Path, ...] = ()

    @property
    def all_keys(self) -> frozenset[str]:
        return frozenset().union(*self.keys.values())


@dataclass(frozen=True)
class Limits:
    """The limits of a collection.

    keep_seconds: records used more recently stay. max_bytes: the largest size of the store, or None.
    """

    keep_seconds: float
    max_bytes: int | None = None


@dataclass(frozen=True)
class Removed:
    """A record to remove.

    size: bytes that are removed with it. seconds: the cost of its build; None if the history has no such build.
    """

    key: str
    artifact: str
    is_shard: bool
    domain: str | None
    size: int
    used: float
    seconds: float | None


@dataclass
class Collection:
    """The result of a collection.

    removed_bytes = freed_bytes + held_bytes; the held ones have links outside the store. paths: files and folders in
    the order of removal. A size counts each file once.
    """

    roots: Roots
    removed: list[Removed] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    scratch_keys: list[str] = field(default_factory=list)
    objects: int = 0
    removed_bytes: int = 0
    freed_bytes: int = 0
    kept_records: int = 0
    kept_bytes: int = 0
    max_bytes: int | None = None

    @property
    def held_bytes(self) -> int:
        return self.removed_bytes - self.freed_bytes

    @property
    def is_within_limit(self) -> bool:
        return self.max_bytes is None or self.kept_bytes <= self.max_bytes


def collect(
    store: Store,
    find_roots: Callable[[], Roots],
    declared: Callable[[Mapping[str, Any]], Iterable[str]],
    limits: Limits,
    is_dry_run: bool,
    log: Log,
) -> Collection:
    """Find the garbage, and remove it unless `is_dry_run`.

    Roots are found under the lock: builders wait meanwhile. declared: the digests of the raw files that an action
    asks for, which its output does not hold but its rebuild needs.
    """
    if not store.root.is_dir():
        return Collection(find_roots(), max_bytes=limits.max_bytes)
    with store.guard() if is_dry_run else _alone(store, log):
        # leases first: what ends meanwhile is found installed
        leased = live_leases(store.leases)
        found = plan(store, find_roots(), leased, declared, limits, time.time())
        if not is_dry_run:
            sweep(store, found)
    return found


@contextmanager
def _alone(store: Store, log: Log) -> Iterator[None]:
    lock = open_lock(store.root / COLLECTION_LOCK)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("waiting for builds that are storing or installing an artifact")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def plan(
    store: Store,
    roots: Roots,
    leased: set[str],
    declared: Callable[[Mapping[str, Any]], Iterable[str]],
    limits: Limits,
    now: float,
) -> Collection:
    """The garbage to remove; changes nothing.

    leased: names of the leases that are held.
    """
    roots = Roots(
        {**roots.keys, "being built": frozenset(name for name in leased if "-" not in name)},
        # a fetch's lease names the object itself
        roots.digests | {name.removeprefix("fetch-") for name in leased},
        roots.notes,
        roots.gone_workspaces,
    )
    records, objects = read_records(store, declared), read_objects(store)
    live = roots.all_keys
    found = Collection(roots, max_bytes=limits.max_bytes)
    unused = sorted((r for r in records.values() if r.key not in live), key=lambda record: (record.used, record.key))
    going = {record.key: record for record in unused if now - record.used >= limits.keep_seconds}
    users = Counter(digest for record in records.values() if record.key not in going for digest in record.digests)
    known = {digest for record in records.values() for digest in record.digests}
    staying = {
        digest: stored
        for digest, stored in objects.items()
        if users[digest]
        or digest in roots.digests
        or (digest not in known and now - stored.changed < IN_FLIGHT_SECONDS)
    }
    unfinished = (live - records.keys()) | leased
    rest = _plan_rest(store, found, unfinished, leased, limits, now)
    kept_bytes = sum(stored.size for stored in staying.values()) + rest
    for record in unused:
        if limits.max_bytes is None or kept_bytes <= limits.max_bytes:
            break
        if record.key not in going:
            going[record.key] = record
            users.subtract(record.digests)
            for digest in record.digests:
                if digest in staying and not users[digest] and digest not in roots.digests:
                    kept_bytes -= staying.pop(digest).size
    found.kept_bytes = kept_bytes
    found.kept_records = len(records) - len(going)
    found.removed = _removed(store, going.values(), {d: o for d, o in objects.items() if d not in staying})
    gone = sorted(objects.keys() - staying.keys())
    found.objects = len(gone)
    found.removed_bytes += sum(objects[digest].size for digest in gone)
    found.freed_bytes += sum(objects[digest].size for digest in gone if objects[digest].links == 1)
    named = roots.digests | {digest for digest, count in users.items() if count}
    found.paths = [
        *(file for record in going.values() for file in record.files),
        *(store.objects.path(digest) for digest in gone),
        *_unnamed_notes(store, named, now),
        *found.paths,
    ]
    return found


def sweep(store: Store, found: Collection) -> None:
    """Remove the files that the plan names. The caller holds the lock."""
    for path in found.paths:
        if path.is_dir() and not path.is_symlink():
            # what another user left and closed in tmp/ is removed by that user's next build
            with where_permitted():
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for key in found.scratch_keys:
        # whoever took the lease since the check continues from these checkpoints
        try:
            with lease(store.leases, key, 0.0, lambda _: None):
                store.remove_scratch(key)
        except LeaseTimeout:
            continue
    sweep_unfinished(store.root)
    for path in found.roots.gone_workspaces:
        forget_workspace(store.root, path)


def _removed(store: Store, going: Iterable[Record], gone: Mapping[str, Stored]) -> list[Removed]:
    """Rows of the report, least recently used first.

    Bytes that several records share are counted with the first.
    """
    going = list(going)
    if not going:
        return []
    domains: dict[str, str] = {}
    by_key: dict[str, float] = {}
    by_artifact: dict[str, list[float]] = {}
    for row in read_history(store):
        domains[row["key"]] = row["domain"]
        by_key[row["key"]] = row["seconds"]
        name = f"{row['artifact']}{'_shard' if row['shard'] is not None else ''}"
        by_artifact.setdefault(name, []).append(row["seconds"])
    left = dict(gone)
    rows = []
    for record in going:
        size = sum(left.pop(digest).size for digest in record.digests & left.keys())
        seconds = by_key.get(record.key)
        if seconds is None and record.artifact in by_artifact:
            seconds = statistics.median(by_artifact[record.artifact])
        name = record.artifact.removesuffix("_shard")
        is_shard, domain = name != record.artifact, domains.get(record.key)
        rows.append(Removed(record.key, name, is_shard, domain, size, record.used, seconds))
    return rows


def _plan_rest(
    store: Store, found: Collection, unfinished: frozenset[str], leased: set[str], limits: Limits, now: float
) -> int:
    """Plan checkpoints, temporary folders and quarantine; return the bytes that stay.

    unfinished: keys that are being built, or are needed and have no record yet: their checkpoints stay at any age.
    """
    kept_bytes = 0
    for path in listed(store.root / "scratch"):
        size, changed = _measure(path)
        if path.name in unfinished or now - changed < limits.keep_seconds:
            kept_bytes += size
        else:
            found.scratch_keys.append(path.name)
            found.removed_bytes += size
            found.freed_bytes += size
    for path in listed(store.root / "tmp"):
        size, changed = _measure(path)
        # what an ended process of this host left goes by itself; of another host's one knows its lease and its files' age
        name = path.name.split(".")[0].rsplit("-", 1)[0]
        is_held = any(held.startswith(name) for held in leased)
        kept_bytes += _take(found, path, size, not is_held and now - changed > IN_FLIGHT_SECONDS)
    for path in listed(store.root / "quarantine"):
        size, changed = _measure(path)
        kept_bytes += _take(found, path, size, now - changed >= limits.keep_seconds)
    return kept_bytes


def _take(found: Collection, path: Path, size: int, is_going: bool) -> int:
    """Note whether a path goes; returns the bytes that stay."""
    if not is_going:
        return size
    found.paths.append(path)
    found.removed_bytes += size
    found.freed_bytes += size
    return 0


def _measure(path: Path) -> tuple[int, float]:
    """Bytes below a path, and the time of its last change.

    The change time counts, because an object's mtime is derived from its digest.
    """
    size, changed = 0, 0.0
    # os.walk continues if a running build removes its own files; rglob does not
    walked = os.walk(path) if not path.is_symlink() else ()
    below = (Path(parent) / name for parent, folders, names in walked for name in [*folders, *names])
    for found in (path, *below):
        with suppress(FileNotFoundError):
            facts = found.lstat()
            changed = max(changed, facts.st_ctime)
            size += 0 if stat.S_ISDIR(facts.st_mode) else facts.st_size
    return size, changed


def _unnamed_notes(store: Store, named: frozenset[str], now: float) -> Iterator[Path]:
    """Notes of trees and of code that nothing names any more."""
    for folder in ("trees", "code"):
        for path in (path for part in listed(store.root / folder) for path in listed(part)):
            if path.stem not in named and now - path.stat().st_mtime > IN_FLIGHT_SECONDS:
                yield path
