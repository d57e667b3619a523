"""The action cache: action key -> manifest of the output.

In: an action (everything that an artifact is computed from). Out: its key, and the record of the first output for it.
The first record stays: a second, different output for one key is recorded beside it as an alternative and never
replaces it.

A record holds its action, so its content determines its name: a record that was moved or copied to another key's name
is ignored and quarantined. A record from a remote keeps the remote's location and its signature.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.canonical import canonical_json, depth_of, parse_json, pretty_json, sha256_of
from domainlm.store.lease import NOT_WRITABLE
from domainlm.store.manifest import Manifest, manifest_of
from domainlm.store.sharing import make_folder
from domainlm.store.staging import staged_path, where_permitted, write_whole
from domainlm.store.trees import write_tree

SCHEMA_VERSION = 1
# what is nested deeper than any configuration could not be written again, or printed
MAX_DEPTH = 64


# names of processors and of builds of torch, without what a terminal, a page or a table would take for more than text
FACT = re.compile(r"[A-Za-z0-9 ._+:/()@,#*-]{0,200}")
MAX_FACTS = 50
_NO_FACT = re.compile(r"[^A-Za-z0-9 ._+:/()@,#*-]")


def plain_fact(text: str) -> str:
    """A fact of a platform as a record may hold it."""
    return _NO_FACT.sub("_", text)[:200]


def check_facts(built: Any) -> None:
    """Raise ValueError if the facts of a build's platform are malformed.

    Each fact must be a name and a plain value.
    """
    if not isinstance(built, dict) or len(built) > MAX_FACTS:
        raise ValueError("it does not say where it was built")
    for name, value in built.items():
        is_plain = value is None or isinstance(value, bool | int | float)
        for text in [name] if is_plain else [name, value]:
            if not (isinstance(text, str) and FACT.fullmatch(text)):
                raise ValueError(f"where it was built is {ascii({name: value})[:100]}, which is no plain fact")


@dataclass(frozen=True)
class Origin:
    """The remote that a record came from.

    signature: as it was found, '' if there was none.
    """

    remote: str
    signature: str

    def as_json(self) -> dict[str, str]:
        return {"remote": self.remote, "signature": self.signature}


@dataclass(frozen=True)
class Recorded:
    """A record of the action cache.

    origin: None if it was built with this store.
    """

    manifest: Manifest
    record: dict[str, Any]
    origin: Origin | None = None


@dataclass(frozen=True)
class WrongRecord:
    """A record whose content does not match its name.

    name: its path in the store. kept: its place in quarantine, or None.
    """

    name: str
    reason: str
    kept: str | None


def make_action(
    artifact: str,
    code_digest: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    distributions: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that an output may depend on.

    inputs: input name -> tree digest.
    """
    return {
        "schema": SCHEMA_VERSION,
        "artifact": artifact,
        "code": code_digest,
        "config": dict(config),
        "inputs": dict(inputs),
        "distributions": dict(distributions),
    }


def action_key(action: Mapping[str, Any]) -> str:
    return sha256_of(canonical_json(action))


def is_record_of(record: Any, key: str) -> bool:
    """Whether an action record says this key and its action gives it."""
    try:
        return record["key"] == key and action_key(record["action"]) == key
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def origin_of(value: Any) -> Origin | None:
    """The origin that JSON describes, or None."""
    if not isinstance(value, dict):
        return None
    return Origin(str(value.get("remote", "")), str(value.get("signature", "")))


def parse_record(data: bytes, key: str, tree_digest: str = "") -> Recorded:
    """The record in a file with this key's name.

    tree_digest: the beginning of its manifest's digest, for an alternative. Raises ValueError if the record is torn,
    or belongs to another key.
    """
    row = parse_json(data)
    if not isinstance(row, dict) or not isinstance(record := row.get("action_record"), dict):
        raise ValueError("it is no record of an action")
    if record.get("key") != key:
        raise ValueError(f"it is the record of the key {str(record.get('key'))[:80]!a}")
    if not isinstance(record.get("action"), dict):
        raise ValueError("it names no action")
    if depth_of(record) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    found = action_key(record["action"])
    if found != key:
        raise ValueError(f"its action has the key {found}")
    # compared with another output's, shown by several commands, written beside what is installed
    check_facts(record.get("built", {}))
    manifest = manifest_of(row.get("manifest"))
    if tree_digest and not manifest.tree_digest.startswith(tree_digest):
        raise ValueError(f"its manifest has tree digest {manifest.tree_digest}")
    return Recorded(manifest, record, origin_of(row.get("fetched")))


def put_record_aside(root: Path, path: Path, reason: str) -> WrongRecord:
    """Quarantine a record; its bytes are kept for inspection."""
    name = path.relative_to(root).as_posix()
    kept = root / "quarantine" / f"{path.name}.{time.time_ns()}"
    try:
        make_folder(root, "quarantine")
        os.replace(path, kept)
    except FileNotFoundError:
        return WrongRecord(name, reason, None)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        return WrongRecord(name, f"{reason}; not put aside ({error.strerror}); run it as the owner of the file", None)
    return WrongRecord(name, reason, str(kept))


class ActionCache:
    """The records of one store, one JSON file per key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # what this process put aside; somebody has to say so
        self.put_aside: list[WrongRecord] = []

    def path(self, key: str) -> Path:
        return self.root / "actions" / key[:2] / f"{key}.json"

    def find(self, key: str) -> Recorded | None:
        """The record of a key, or None.

        A record that is torn or belongs to another key is ignored, and stays in its place.
        """
        return _read(self.path(key), key)

    def get(self, key: str) -> tuple[Manifest, dict[str, Any]] | None:
        """Manifest and action record for a key, or None."""
        found = self.find(key)
        return (found.manifest, found.record) if found is not None else None

    def alternatives(self, key: str) -> list[tuple[Manifest, dict[str, Any]]]:
        """Other outputs of a key with their records, in fixed order."""
        found = [_read(path, key, path.name.split(".")[2]) for path in self._alternative_paths(key)]
        return [(record.manifest, record.record) for record in found if record is not None]

    def _alternative_paths(self, key: str) -> list[Path]:
        return sorted(self.path(key).parent.glob(f"{key}.alternative.*.json"))

    def put(
        self, key: str, manifest: Manifest, action_record: Mapping[str, Any], origin: Origin | None = None
    ) -> Manifest:
        """Record an output; return the key's manifest, which is the first.

        origin: the remote that the output came from, None if it was built here. An output that came from elsewhere
        and is then built here to the same bytes counts as built here from then on.
        """
        write_tree(self.root, manifest)
        existing = self.find(key)
        target = self.path(key)
        make_folder(self.root, "actions", key[:2])
        if existing is not None:
            if existing.manifest.tree_digest != manifest.tree_digest:
                target = target.with_name(f"{key}.alternative.{manifest.tree_digest[:16]}.json")
            elif existing.origin is None or origin is not None:
                return existing.manifest
        row: dict[str, Any] = {"manifest": json.loads(manifest.to_bytes()), "action_record": dict(action_record)}
        if origin is not None:
            row["fetched"] = origin.as_json()
        with staged_path(self.root, key[:16]) as staged:
            write_whole(target, pretty_json(row), staged)
        return existing.manifest if existing is not None else manifest

    def put_wrong_aside(self, key: str) -> None:
        """Quarantine a file under a key's name that is no such record.

        `put_aside` lists it.
        """
        for path in [self.path(key), *self._alternative_paths(key)]:
            try:
                parse_record(path.read_bytes(), key, path.name.split(".")[2] if ".alternative." in path.name else "")
            except FileNotFoundError:
                continue
            except ValueError as error:
                self.put_aside.append(put_record_aside(self.root, path, str(error)))

    def withdraw(self, key: str, reason: str) -> None:
        """Quarantine a record that belongs to its key but must not count."""
        self.put_aside.append(put_record_aside(self.root, self.path(key), reason))

    def mark_used(self, key: str) -> None:
        """Set a record's time to now.

        A collection removes records that were unused for long. A record of another owner stays unchanged.
        """
        with suppress(FileNotFoundError), where_permitted():
            os.utime(self.path(key))


def _read(path: Path, key: str, tree_digest: str = "") -> Recorded | None:
    try:
        return parse_record(path.read_bytes(), key, tree_digest)
    except (FileNotFoundError, ValueError):
        return None
