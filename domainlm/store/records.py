"""Are the store's records what their names say, and which of them name which object?

In: a store. Out: records that do not parse or do not match their names, put into quarantine; who names an object; what
the records name that is not here. A record is small, so all of them are read each time.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.lease import NOT_WRITABLE
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, parse_manifest
from domainlm.store.roots import listed
from domainlm.store.sharing import make_folder

_ACTION = re.compile(r"^([0-9a-f]{64})(?:\.alternative\.([0-9a-f]{16}))?\.json$")
_DIGEST = re.compile(r"^([0-9a-f]{64})\.json$")


@dataclass(frozen=True)
class WrongRecord:
    """A record that is not what its name says. name: its path in the store. kept: its place in quarantine, or None."""

    name: str
    reason: str
    kept: str | None


@dataclass(frozen=True)
class Missing:
    """Objects that a sound record names and the store has not: collected, or left in the remote. No damage."""

    artifact: str
    key: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Records:
    """What was found. named_by: digest of an object -> artifacts with their keys ('pt_adapter 0123456789ab')."""

    actions: int
    trees: int
    wrong: tuple[WrongRecord, ...]
    missing: tuple[Missing, ...]
    named_by: Mapping[str, tuple[str, ...]]


def check_records(
    store: Store, declared: Callable[[Mapping[str, Any]], Iterable[str]], damaged: Iterable[str] = ()
) -> Records:
    """Read every record.

    declared: the digests of files that an action has fetched; they are objects too. damaged: digests of objects that were just put
    aside; they are not counted as missing.
    """
    wrong: list[WrongRecord] = []
    missing: list[Missing] = []
    named_by: dict[str, list[str]] = {}
    present = dict.fromkeys(damaged, True)
    actions = trees = 0
    for path, name in _files(store.root / "actions", _ACTION):
        actions += 1
        try:
            key, entries, action = _read_action(path.read_bytes(), name[1], name[2])
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            wrong.append(_put_aside(store, path, f"{type(error).__name__}: {error}"))
            continue
        label = f"{action['artifact']} {key[:12]}"
        for sha256 in {*(entry.sha256 for entry in entries), *declared(action)}:
            named_by.setdefault(sha256, []).append(label)
        for entry in entries:
            if entry.sha256 not in present:
                present[entry.sha256] = store.objects.path(entry.sha256).exists()
        absent = {entry.sha256: entry.size for entry in entries if not present[entry.sha256]}
        if absent:
            missing.append(Missing(action["artifact"], key, len(absent), sum(absent.values())))
    for path, name in _files(store.root / "trees", _DIGEST):
        trees += 1
        try:
            found = sha256_of(path.read_bytes())
        except FileNotFoundError:
            continue
        if found != name[1]:
            wrong.append(_put_aside(store, path, f"has sha256 {found}"))
    for path, _ in _files(store.root / "code", _DIGEST):
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError as error:
            wrong.append(_put_aside(store, path, f"{type(error).__name__}: {error}"))
    names = {sha256: tuple(sorted(set(labels))) for sha256, labels in named_by.items()}
    return Records(actions, trees, tuple(wrong), tuple(missing), names)


def _files(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    # not by glob, which passes over a folder that is closed to this user
    for path in (path for part in listed(folder) for path in listed(part)):
        name = pattern.match(path.name)
        if name:
            yield path, name


def _read_action(data: bytes, key: str, alternative: str | None) -> tuple[str, tuple[Entry, ...], dict[str, Any]]:
    """Key, manifest entries and action of a record. Raises ValueError, KeyError or TypeError for one that is not sound."""
    row = json.loads(data)
    manifest = parse_manifest(json.dumps(row["manifest"]).encode())
    record = row["action_record"]
    action: dict[str, Any] = record["action"]
    found = action_key(action)
    if found != key:
        raise ValueError(f"its action has key {found}")
    if record["key"] != key:
        raise ValueError(f"its action record says key {record['key']}")
    if alternative is not None and not manifest.tree_digest.startswith(alternative):
        raise ValueError(f"its manifest has tree digest {manifest.tree_digest}")
    for entry in manifest.entries:
        if not (isinstance(entry.size, int) and _DIGEST.match(f"{entry.sha256}.json")):
            raise ValueError(f"entry {entry.path}: {entry.sha256!r}, {entry.size!r} is no digest and size")
    return key, manifest.entries, action


def _put_aside(store: Store, path: Path, reason: str) -> WrongRecord:
    name = path.relative_to(store.root).as_posix()
    kept = store.root / "quarantine" / f"{path.name}.{time.time_ns()}"
    try:
        make_folder(store.root, "quarantine")
        os.replace(path, kept)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        return WrongRecord(name, f"{reason}; not put aside ({error.strerror}); run it as the owner of the file", None)
    return WrongRecord(name, reason, str(kept))
