"""The contents of a store: records, objects with sizes, costs of builds.

In: a store. Out: the values on which a collection decides, read from the files themselves: there is no index that
could disagree with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.actions import parse_record
from domainlm.store.local import Store
from domainlm.store.notes import has_kinds, has_shard, read_note
from domainlm.store.roots import listed

_RECORD = re.compile(r"^([0-9a-f]{64})(?:\.alternative\.[0-9a-f]{16})?\.json$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Stored:
    """One object: size in bytes, links, time of its last link.

    The time (in seconds) is that of the last link that was made or removed.
    """

    size: int
    links: int
    changed: float


@dataclass(frozen=True)
class Record:
    """One key's records: the files, and the time of last use.

    The time (in seconds) is that of the last build or install. outputs, inputs: tree digests. digests: everything
    that the records name: objects, trees, code.
    """

    key: str
    artifact: str
    files: tuple[Path, ...]
    outputs: frozenset[str]
    inputs: frozenset[str]
    digests: frozenset[str]
    used: float


def read_records(store: Store, declared: Callable[[Mapping[str, Any]], Iterable[str]]) -> dict[str, Record]:
    """Every key of the action cache, with its alternatives.

    A record that is torn, or belongs to another key, names nothing.
    """
    files: dict[str, list[Path]] = {}
    for path in (path for folder in listed(store.root / "actions") for path in listed(folder)):
        name = _RECORD.match(path.name)
        if name:
            files.setdefault(name[1], []).append(path)
    return {key: _read_record(store, key, paths, declared) for key, paths in files.items()}


def _read_record(
    store: Store, key: str, files: list[Path], declared: Callable[[Mapping[str, Any]], Iterable[str]]
) -> Record:
    # the record itself goes before its alternatives
    files.sort(key=lambda path: (path != store.actions.path(key), path))
    artifact = "?"
    outputs: set[str] = set()
    inputs: set[str] = set()
    others: set[str] = set()
    for path in files:
        try:
            found = parse_record(path.read_bytes(), key)
            manifest, action = found.manifest, found.record["action"]
            artifact = action["artifact"]
            outputs.add(manifest.tree_digest)
            inputs.update(action["inputs"].values())
            others.update([action["code"], *declared(action), *(entry.sha256 for entry in manifest.entries)])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue
    used = max((path.stat().st_mtime for path in files[:1] if path.exists()), default=0.0)
    digests = frozenset(outputs | inputs | others)
    return Record(key, artifact, tuple(files), frozenset(outputs), frozenset(inputs), digests, used)


def read_objects(store: Store) -> dict[str, Stored]:
    """Digest -> facts of every object, without reading bytes."""
    found = {}
    # a file among them is none of ours (.nfs*, .DS_Store)
    for folder in (path for path in listed(store.root / "objects") if path.is_dir()):
        with os.scandir(folder) as entries:
            for entry in entries:
                digest = folder.name + entry.name
                if _DIGEST.match(digest):
                    # a damaged one may be put aside meanwhile
                    with suppress(FileNotFoundError):
                        facts = entry.stat(follow_symlinks=False)
                        found[digest] = Stored(facts.st_size, facts.st_nlink, facts.st_ctime)
    return found


def read_history(store: Store) -> Iterator[dict[str, Any]]:
    """The rows of all builds, oldest first; torn rows are skipped."""
    for path in listed(store.root / "history"):
        row = read_note(path)
        if row is not None and has_kinds(row, ("artifact", "domain", "key"), ("seconds",)) and has_shard(row):
            yield row
