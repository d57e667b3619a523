"""A manifest: what an artifact's content is, and nothing else.

In: a folder. Out: sorted paths, SHA-256 and sizes as JSON; the digest of those bytes is the **tree digest**. It holds
no time, no key and no host, so a stage that rebuilds to the same bytes gets the same manifest, which is what early
cutoff compares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domainlm.store.canonical import pretty_json, sha256_of, sha256_of_file

MANIFEST_NAME = "manifest.json"
ACTION_NAME = "action.json"


@dataclass(frozen=True, order=True)
class Entry:
    """One file: path relative to the artifact (posix), digest, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    entries: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        return pretty_json({"files": [{"path": e.path, "sha256": e.sha256, "size": e.size} for e in self.entries]})

    @property
    def tree_digest(self) -> str:
        return sha256_of(self.to_bytes())

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def make_manifest(entries: Iterable[Entry]) -> Manifest:
    """Sort the entries. Raises ValueError for a path that leaves the artifact or stands twice."""
    ordered = tuple(sorted(entries))
    seen: set[str] = set()
    for entry in ordered:
        parts = entry.path.split("/")
        if entry.path.startswith("/") or ".." in parts or "" in parts:
            raise ValueError(f"manifest path {entry.path!r} is not a plain relative path")
        if entry.path in seen:
            raise ValueError(f"manifest path {entry.path!r} stands twice")
        seen.add(entry.path)
    return Manifest(ordered)


def parse_manifest(data: bytes) -> Manifest:
    rows = json.loads(data)["files"]
    return make_manifest(Entry(row["path"], row["sha256"], row["size"]) for row in rows)


def read_manifest(folder: Path) -> Manifest | None:
    """Manifest of an installed artifact, or None where there is none or it is not one."""
    try:
        return parse_manifest((folder / MANIFEST_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def files_below(folder: Path) -> list[Path]:
    """Every regular file below a folder. Raises ValueError for links and special files: an artifact holds plain files."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            path = Path(parent) / name
            if path.is_symlink() or not path.is_file():
                raise ValueError(f"{path}: an artifact holds plain files only")
            found.append(path)
    return sorted(found)


def scan(folder: Path) -> Manifest:
    """Digest every file below a folder."""
    return make_manifest(
        Entry(path.relative_to(folder).as_posix(), sha256_of_file(path), path.stat().st_size)
        for path in files_below(folder)
    )
