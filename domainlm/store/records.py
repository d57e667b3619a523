"""Verification of the store's records, and who names which object.

In: a store. Out: records that do not parse or do not match their names, put into quarantine; the artifacts that name
an object; the named objects that are missing. A record is small, so all of them are read each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.actions import WrongRecord, parse_record, put_record_aside
from domainlm.store.canonical import parse_json, sha256_of
from domainlm.store.local import Store
from domainlm.store.roots import listed

_ACTION = re.compile(r"^([0-9a-f]{64})(?:\.alternative\.([0-9a-f]{16}))?\.json$")
_DIGEST = re.compile(r"^([0-9a-f]{64})\.json$")


@dataclass(frozen=True)
class Missing:
    """Objects that a sound record names and the store lacks.

    They were collected, or are left in the remote; this is no damage.
    """

    artifact: str
    key: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Records:
    """The findings on all records.

    named_by: digest of an object -> artifacts with their keys ('pt_adapter 0123456789ab').
    """

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
            key = name[1]
            found = parse_record(path.read_bytes(), key, name[2] or "")
            entries, action = found.manifest.entries, found.record["action"]
            label, fetched = f"{action['artifact']} {key[:12]}", list(declared(action))
        except FileNotFoundError:
            continue
        except ValueError as error:
            wrong.append(put_record_aside(store.root, path, str(error)))
            continue
        except (KeyError, TypeError, AttributeError) as error:
            # of its key, and no action that a stage ever had
            reason = f"its action is none of a stage ({type(error).__name__}: {error})"
            wrong.append(put_record_aside(store.root, path, reason))
            continue
        for sha256 in {*(entry.sha256 for entry in entries), *fetched}:
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
            sha256 = sha256_of(path.read_bytes())
        except FileNotFoundError:
            continue
        if sha256 != name[1]:
            wrong.append(put_record_aside(store.root, path, f"has sha256 {sha256}"))
    for path, _ in _files(store.root / "code", _DIGEST):
        try:
            parse_json(path.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError as error:
            wrong.append(put_record_aside(store.root, path, str(error)))
    names = {sha256: tuple(sorted(set(labels))) for sha256, labels in named_by.items()}
    return Records(actions, trees, tuple(wrong), tuple(missing), names)


def _files(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    # not by glob, which passes over a folder that is closed to this user
    for path in (path for part in listed(folder) for path in listed(part)):
        name = pattern.match(path.name)
        if name:
            yield path, name
