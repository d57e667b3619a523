"""A remote cache: the action cache and the objects of a store, in a folder, S3, SSH or read-only HTTP.

In: a location. Out: records by action key, objects by digest, each checked on arrival: a record must be of its key and
name sound paths and digests, an object must have the bytes of its name. The layout is the store's own,
`objects/ab/cdef...` and `actions/ab/KEY.json`, and a record is written after its objects, so whoever finds a record
finds the bytes. A signature stands inside the record, not beside it: two files would be two moments.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.store.actions import action_key
from domainlm.store.canonical import pretty_json, sha256_of_file
from domainlm.store.local import Store
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Entry, Manifest, parse_manifest
from domainlm.store.objects import Objects
from domainlm.store.remote_files import RemoteFiles
from domainlm.store.remote_location import REMOTE_VARIABLE, RemoteError, RemoteLocation, remote_location
from domainlm.store.signatures import SIGNING_VARIABLE, TRUSTED_VARIABLE, sign, signer

TRANSFER_THREADS = 8
LINE_EVERY_SECONDS = 10.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
Log = Callable[[str], None]


def _silent(message: str) -> None:
    return None


@dataclass(frozen=True)
class Parcel:
    """One artifact or shard to send. name: what is said of it. folder: where it is installed."""

    name: str
    folder: Path
    key: str
    manifest: Manifest
    record: Mapping[str, Any]


@dataclass
class Sent:
    """What a push did. others: parcel and what the remote holds for its key instead, which stays there.

    damaged: parcel name -> a file here that is not what its manifest says; its parcel was not sent.
    """

    pushed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    others: list[tuple[Parcel, Manifest, dict[str, Any]]] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    moved_objects: int = 0
    moved_bytes: int = 0

    def add(self, other: Sent) -> None:
        self.pushed += other.pushed
        self.present += other.present
        self.others += other.others
        self.damaged |= other.damaged
        self.moved_objects += other.moved_objects
        self.moved_bytes += other.moved_bytes


class Remote:
    """One remote. Making the value opens no connection."""

    def __init__(
        self, location: RemoteLocation, signing_key: Path | None = None, trusted_keys: Path | None = None
    ) -> None:
        self.location = location
        self.signing_key = signing_key
        self.trusted_keys = trusted_keys
        self.files = RemoteFiles(location)

    def __str__(self) -> str:
        return f"the remote {self.location}"

    def action(self, key: str, log: Log = _silent) -> tuple[Manifest, dict[str, Any]] | None:
        """Manifest and action record of a key, or None; what cannot be trusted counts as none. Raises RemoteError."""
        found = self._record(key, log)
        if found is None:
            return None
        manifest, record, signature = found
        if self.trusted_keys is not None:
            who = signer(key, manifest.tree_digest, signature, self.trusted_keys) if signature else None
            if who is None:
                fault = "nobody whom it names signed" if signature else "nobody signed"
                log(
                    f"refused {action_name(key)} of {self}: {fault} it ({TRUSTED_VARIABLE}={self.trusted_keys}); "
                    "it is built here"
                )
                return None
        return manifest, record

    def _record(self, key: str, log: Log) -> tuple[Manifest, dict[str, Any], str] | None:
        """Manifest, record and signature ('' for none) of a key."""
        data = self.files.read(action_name(key))
        if data is None:
            return None
        try:
            row = json.loads(data)
            manifest, record = parse_manifest(json.dumps(row["manifest"]).encode()), row["action_record"]
            _check(key, manifest, record)
            return manifest, record, str(row.get("signature") or "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log(f"refused {action_name(key)} of {self}: it is no record of its key ({error})")
            return None

    def fetch(self, entries: Iterable[Entry], objects: Objects, log: Log = _silent) -> int:
        """Put the objects that the remote has into the store, each checked; return the bytes moved. Raises RemoteError.

        What arrived stays whatever happens to the rest. What is missing or damaged is named and left out.
        """
        wanted = {entry.sha256: entry for entry in entries}
        progress = _Progress("fetched", sum(entry.size for entry in wanted.values()), log)
        with Store(objects.root).temporary("fetch") as folder:

            def fetch(entry: Entry) -> int:
                staged = folder / entry.sha256
                name = object_name(entry.sha256)
                if not self.files.fetch(name, staged):
                    log(f"{self} lacks {name} ({entry.path})")
                    return 0
                if staged.stat().st_size != entry.size or sha256_of_file(staged) != entry.sha256:
                    staged.unlink()
                    log(
                        f"refused {name} of {self}: its bytes are not {entry.path}'s; remove it there, then "
                        "`domainlm push` sends a sound one"
                    )
                    return 0
                objects.put(staged, entry.sha256)
                progress.add(entry.size)
                return entry.size

            return sum(_in_parallel(fetch, list(wanted.values())))

    def push(self, parcels: list[Parcel], objects: Objects, log: Log = _silent, is_dry_run: bool = False) -> Sent:
        """Send what the remote lacks: all objects, then the records. Raises RemoteError."""
        self.files.expect_nothing()
        sent = Sent()
        wanted: list[tuple[Parcel, str]] = []
        known = _in_parallel(lambda parcel: (parcel, self._record(parcel.key, log)), parcels)
        for parcel, found in sorted(known, key=lambda pair: pair[0].name):
            if found is not None and found[0] != parcel.manifest:
                sent.others.append((parcel, found[0], found[1]))
            else:
                is_as_wanted = found is not None and (bool(found[2]) or self.signing_key is None)
                wanted.append((parcel, "present" if is_as_wanted else "pushed"))
        places = {entry.sha256: (entry, parcel) for parcel, _ in wanted for entry in parcel.manifest.entries}
        progress = _Progress("sent", sum(entry.size for entry, _ in places.values()), log)

        def send(place: tuple[Entry, Parcel]) -> str:
            entry, parcel = place
            name = object_name(entry.sha256)
            if self.files.size(name) == entry.size:
                progress.add(entry.size)
                return "there"
            file = objects.path(entry.sha256)
            file = file if file.exists() else parcel.folder / entry.path
            # sending is slower than hashing, and a damaged object at a remote would be everybody's
            if not file.is_file() or sha256_of_file(file) != entry.sha256:
                return "damaged"
            if not is_dry_run:
                self.files.send(file, name)
            progress.add(entry.size)
            return "sent"

        states = dict(zip(places, _in_parallel(send, list(places.values())), strict=True))
        moved = [entry.size for digest, (entry, _) in places.items() if states[digest] == "sent"]
        sent.moved_objects, sent.moved_bytes = len(moved), sum(moved)

        def record(pair: tuple[Parcel, str]) -> None:
            parcel, state = pair
            if state == "pushed" and not is_dry_run:
                self.files.write(action_name(parcel.key), self._record_bytes(parcel))

        whole = []
        for parcel, state in wanted:
            wrong = [entry.path for entry in parcel.manifest.entries if states[entry.sha256] == "damaged"]
            if wrong:
                sent.damaged[parcel.name] = wrong[0]
                continue
            whole.append((parcel, state))
            is_complete = state == "present" and all(states[e.sha256] == "there" for e in parcel.manifest.entries)
            (sent.present if is_complete else sent.pushed).append(parcel.name)
        _in_parallel(record, whole)
        return sent

    def _record_bytes(self, parcel: Parcel) -> bytes:
        row: dict[str, Any] = {"manifest": json.loads(parcel.manifest.to_bytes()), "action_record": dict(parcel.record)}
        if self.signing_key is not None:
            row["signature"] = sign(parcel.key, parcel.manifest.tree_digest, self.signing_key)
        return pretty_json(row)


def object_name(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def action_name(key: str) -> str:
    return f"actions/{key[:2]}/{key}.json"


def _check(key: str, manifest: Manifest, record: Mapping[str, Any]) -> None:
    """Raise ValueError for a record of another key, or with what would leave the store or the artifact's folder."""
    if record["key"] != key or action_key(record["action"]) != key:
        raise ValueError(f"its action has the key {action_key(record['action'])}")
    if not isinstance(record["built"], dict):
        raise ValueError("it does not say where it was built")
    for entry in manifest.entries:
        if not isinstance(entry.sha256, str) or not _DIGEST.fullmatch(entry.sha256):
            raise ValueError(f"{entry.path!r} has no digest")
        if not isinstance(entry.size, int) or entry.size < 0:
            raise ValueError(f"{entry.path!r} has no size")
        if "\0" in entry.path or "\\" in entry.path or entry.path in (MANIFEST_NAME, ACTION_NAME):
            raise ValueError(f"{entry.path!r} is no path of an artifact")


def _in_parallel(do: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    """Results of `do` in the order of `items`. The first error stops what has not begun."""
    with ThreadPoolExecutor(min(TRANSFER_THREADS, max(1, len(items)))) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


class _Progress:
    """A log line every few seconds: bytes done, of how many, and how fast."""

    def __init__(self, verb: str, total_bytes: int, log: Log) -> None:
        self.verb = verb
        self.total = total_bytes
        self.log = log
        self.done = 0
        self.began = self.last_line = time.monotonic()

    def add(self, size: int) -> None:
        # threads add without a lock: a figure that is off by one file for some seconds does no harm
        self.done += size
        now = time.monotonic()
        if now - self.last_line >= LINE_EVERY_SECONDS:
            self.last_line = now
            rate = self.done / (now - self.began)
            left_seconds = int((self.total - self.done) / max(rate, 1))
            self.log(
                f"{self.verb} {self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB · {rate / 1e6:.1f} MB/s · "
                f"{left_seconds // 60}:{left_seconds % 60:02d} left"
            )


def open_remote(project: Path, environment: Mapping[str, str] = os.environ) -> Remote | None:
    """The configured remote, or None. Opens no connection. Raises RemoteError for an address that cannot be used."""
    location = remote_location(project, environment)
    if location is None:
        return None
    keys = [environment.get(name) for name in (SIGNING_VARIABLE, TRUSTED_VARIABLE)]
    signing_key, trusted_keys = [(project / key).expanduser() if key else None for key in keys]
    return Remote(location, signing_key, trusted_keys)


__all__ = ["REMOTE_VARIABLE", "Parcel", "Remote", "RemoteError", "Sent", "open_remote"]
