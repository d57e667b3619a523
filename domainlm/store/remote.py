"""A remote cache: a store's records and objects, elsewhere.

In: a location: a folder, S3, SSH or read-only HTTP. Out: records by action key, objects by digest, each checked on
arrival: a record must belong to its key and hold no other fields than a record has, and an object must have the bytes
of its digest. A record is read once and kept in memory: a later change of the file does not affect the checked
content. The layout is the store's own, `objects/ab/cdef...` and `actions/ab/KEY.json`, and a record is written after
its objects, so whoever finds a record finds the bytes. The signature is inside the record, not beside it: two files
would be written at two moments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.store.actions import Origin, Recorded, parse_record
from domainlm.store.canonical import parse_json, pretty_json, sha256_of_file
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest
from domainlm.store.objects import Objects
from domainlm.store.remote_files import Refused, RemoteFiles
from domainlm.store.remote_location import NO_REMOTE, REMOTE_VARIABLE, RemoteError, RemoteLocation, remote_location
from domainlm.store.signatures import SIGNING_VARIABLE, sign, trust_fault, trusted_keys_file
from domainlm.store.space import free_bytes
from domainlm.store.transfers import Progress, in_parallel

MAX_SIGNATURE_CHARS = 10_000
REPLACED = "it is ignored, and `domainlm push` replaces it"
Log = Callable[[str], None]


def _silent(message: str) -> None:
    return None


@dataclass(frozen=True)
class Parcel:
    """One artifact or shard to send.

    name: its name in messages. folder: where it is installed. origin: the remote that it came from; None if it was
    built here. A push signs only results that were built here: whoever signs another's record vouches for it.
    """

    name: str
    folder: Path
    key: str
    manifest: Manifest
    record: Mapping[str, Any]
    origin: Origin | None = None


@dataclass
class Sent:
    """The result of a push.

    others: parcel -> the remote's different output for its key, which stays there. damaged: parcel name -> a file
    here that does not match its manifest; its parcel was not sent.
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
        """Manifest and action record of a key, or None.

        A record that cannot be trusted is ignored. Raises RemoteError.
        """
        found = self.find(key, log)
        return (found.manifest, found.record) if found is not None else None

    def find(self, key: str, log: Log = _silent) -> Recorded | None:
        """Like `action`, with the record's origin and signature."""
        found = self._record(key, log)
        if found is None or found.origin is None or self.trusted_keys is None:
            return found
        fault = trust_fault(key, found.manifest.tree_digest, found.origin.signature, self.trusted_keys)
        if fault is not None:
            log(f"refused {action_name(key)} of {self}: {fault}; it is built here")
            return None
        return found

    def _record(self, key: str, log: Log) -> Recorded | None:
        """The checked record of a key, whoever signed it."""
        try:
            data = self.files.read(action_name(key))
            if data is None:
                return None
            found = parse_record(data, key)
            if found.record.keys() != {"key", "action", "built"}:
                fields = ", ".join(sorted(found.record))[:200]
                raise ValueError(f"it has the fields {fields!a}; expected key, action and built")
            signature = parse_json(data).get("signature") or ""
            if not isinstance(signature, str) or len(signature) > MAX_SIGNATURE_CHARS:
                raise ValueError("its signature is invalid")
            return Recorded(found.manifest, found.record, Origin(self.location.address, signature))
        except (ValueError, Refused) as error:
            log(f"refused {action_name(key)} of {self}: {error}; {REPLACED}")
            return None

    def fetch(self, entries: Iterable[Entry], objects: Objects, log: Log = _silent) -> int:
        """Fetch objects into the store, each checked; return the bytes moved.

        Objects that arrived stay whatever happens to the rest. Missing or damaged ones are named and skipped. Raises
        RemoteError before the first byte if the disk has no room for the sizes of the entries.
        """
        wanted = {entry.sha256: entry for entry in entries}
        size = sum(entry.size for entry in wanted.values())
        free = free_bytes(objects.root)
        if size > free:
            raise RemoteError(
                f"{self} says that {size} bytes are to be fetched, and {free} are free at the store {objects.root}; free some "
                f"space (domainlm gc), or set {REMOTE_VARIABLE}={NO_REMOTE} to build it here"
            )
        progress = Progress("fetched", size, log)
        with Store(objects.root).temporary("fetch") as folder:

            def fetch(entry: Entry) -> int:
                staged = folder / entry.sha256
                name = object_name(entry.sha256)
                try:
                    is_there = self.files.fetch(name, staged, entry.size)
                    if is_there and sha256_of_file(staged) != entry.sha256:
                        raise Refused(f"its bytes are not {entry.path}'s")
                except Refused as error:
                    staged.unlink(missing_ok=True)
                    log(f"refused {name} of {self}: {error}; remove it there, then `domainlm push` sends a sound one")
                    return 0
                if not is_there:
                    log(f"{self} lacks {name} ({entry.path})")
                    return 0
                if staged.stat().st_size != entry.size:
                    size = staged.stat().st_size
                    log(
                        f"refused {entry.path} of {self}: the record says {entry.size} bytes, and those of its digest are {size}"
                    )
                    staged.unlink()
                    return 0
                objects.put(staged, entry.sha256)
                progress.add(entry.size)
                return entry.size

            return sum(in_parallel(fetch, list(wanted.values())))

    def push(self, parcels: list[Parcel], objects: Objects, log: Log = _silent, is_dry_run: bool = False) -> Sent:
        """Send whatever the remote lacks: all objects, then the records.

        Raises RemoteError.
        """
        self.files.expect_nothing()
        sent = Sent()
        wanted: list[tuple[Parcel, str]] = []
        known = in_parallel(lambda parcel: (parcel, self._record(parcel.key, log)), parcels)
        for parcel, found in sorted(known, key=lambda pair: pair[0].name):
            if found is not None and found.manifest != parcel.manifest:
                fault = self._false_claim(parcel, found.manifest, objects)
                if fault is None:
                    sent.others.append((parcel, found.manifest, found.record))
                    continue
                log(f"{action_name(parcel.key)} of {self} is replaced: {fault}")
                found = None
            wanted.append(
                (parcel, "present" if found is not None and self._is_signed_enough(parcel, found) else "pushed")
            )
        places = {entry.sha256: (entry, parcel) for parcel, _ in wanted for entry in parcel.manifest.entries}
        progress = Progress("sent", sum(entry.size for entry, _ in places.values()), log)

        def send(place: tuple[Entry, Parcel]) -> str:
            entry, parcel = place
            name = object_name(entry.sha256)
            try:
                is_there = self.files.size(name) == entry.size
            except Refused:
                # what lies there is no object; ours takes its place
                is_there = False
            if is_there:
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

        states = dict(zip(places, in_parallel(send, list(places.values())), strict=True))
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
        in_parallel(record, whole)
        return sent

    def _is_signed_enough(self, parcel: Parcel, found: Recorded) -> bool:
        """Whether a record needs no signature of ours.

        It has one, by a trusted signer if the signers can be checked.
        """
        if self.signing_key is None or parcel.origin is not None:
            return True
        signature = found.origin.signature if found.origin is not None else ""
        if not signature or self.trusted_keys is None:
            return bool(signature)
        return trust_fault(found.record["key"], found.manifest.tree_digest, signature, self.trusted_keys) is None

    def _false_claim(self, parcel: Parcel, other: Manifest, objects: Objects) -> str | None:
        """Why a different output in the remote is invalid, or None.

        It states false sizes, or its bytes are missing.
        """
        ours = {entry.sha256: entry.size for entry in parcel.manifest.entries}
        for entry in other.entries:
            if ours.get(entry.sha256, entry.size) != entry.size:
                return f"it says that {entry.path} has {entry.size} bytes, and those of its digest are {ours[entry.sha256]}"
        fault = objects.false_size(other.entries)
        if fault is not None:
            return fault

        def is_there(entry: Entry) -> bool:
            try:
                return self.files.size(object_name(entry.sha256)) == entry.size
            except Refused:
                return False

        # a record is written after its objects: one that lacks them is no push that is still under way
        theirs = [entry for entry in other.entries if entry.sha256 not in ours]
        there = in_parallel(is_there, theirs)
        missing = [entry.path for entry, is_known in zip(theirs, there, strict=True) if not is_known]
        return f"the bytes that it names are not there ({', '.join(missing[:3])})" if missing else None

    def _record_bytes(self, parcel: Parcel) -> bytes:
        row: dict[str, Any] = {"manifest": json.loads(parcel.manifest.to_bytes()), "action_record": dict(parcel.record)}
        if parcel.origin is not None and parcel.origin.signature:
            row["signature"] = parcel.origin.signature
        elif parcel.origin is None and self.signing_key is not None:
            row["signature"] = sign(parcel.key, parcel.manifest.tree_digest, self.signing_key)
        return pretty_json(row)


def object_name(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def action_name(key: str) -> str:
    return f"actions/{key[:2]}/{key}.json"


def open_remote(project: Path, environment: Mapping[str, str] = os.environ) -> Remote | None:
    """The configured remote, or None; opens no connection.

    Raises RemoteError for an address that cannot be used.
    """
    location = remote_location(project, environment)
    if location is None:
        return None
    signing_key = environment.get(SIGNING_VARIABLE)
    return Remote(
        location, (project / signing_key).expanduser() if signing_key else None, trusted_keys_file(project, environment)
    )


__all__ = ["REMOTE_VARIABLE", "Parcel", "Remote", "RemoteError", "Sent", "open_remote"]
