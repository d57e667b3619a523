"""A manifest: the content of an artifact, and nothing else.

In: a folder, or a manifest that somebody wrote. Out: sorted paths, SHA-256 and sizes as JSON; the digest of those
bytes is the **tree digest**. It holds no time, no key and no host, so a stage that rebuilds to the same bytes gets
the same manifest, and early cutoff compares manifests.

Every manifest passes `make_manifest`, whoever wrote it, so an install by it works on any file system and writes only
to its folder. A second, looser reader for our own manifests would be the one that a stranger's manifest reaches.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.canonical import parse_json, pretty_json, sha256_of, sha256_of_file

MANIFEST_NAME = "manifest.json"
ACTION_NAME = "action.json"
# what file systems take: a name of 255 bytes; and a whole path that leaves room for the folders above it
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1024
MAX_DEPTH = 32
MAX_ENTRIES = 200_000
# JSON readers that compute in doubles keep integers up to here
MAX_FILE_BYTES = 1 << 53
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9]{4}")
_RECORD = re.compile(rf"(?:[0-9]{{4}}/)?(?:{re.escape(MANIFEST_NAME)}|{re.escape(ACTION_NAME)})")
# nearly every path is recognised at once
_USUAL_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,7}")


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
    """Sort and check the entries.

    Raises ValueError for the first entry that no artifact can hold.
    """
    ordered = tuple(sorted(entries))
    if len(ordered) > MAX_ENTRIES:
        raise ValueError(f"a manifest of {len(ordered)} files; expected {MAX_ENTRIES} at most")
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    seen: set[str] = set()
    for entry in ordered:
        fault = _path_fault(entry.path)
        if fault is not None:
            raise ValueError(f"manifest path {_shown(entry.path)} {fault}")
        if not _DIGEST.fullmatch(entry.sha256):
            raise ValueError(f"manifest path {_shown(entry.path)}: {_shown(entry.sha256)} is no SHA-256")
        if not 0 <= entry.size <= MAX_FILE_BYTES:
            raise ValueError(f"manifest path {_shown(entry.path)}: {entry.size} is no size in bytes")
        # one spelling: file systems that ignore case or normal forms would put two files into one
        name = _spelling(entry.path)
        if name in files:
            same = files[name]
            raise ValueError(
                f"manifest path {_shown(same)} occurs twice"
                if same == entry.path
                else f"manifest paths {_shown(same)} and {_shown(entry.path)} are one name where case or accents are ignored"
            )
        files[name] = entry.path
        folder = entry.path.rpartition("/")[0]
        while folder and folder not in seen:
            seen.add(folder)
            same = folders.setdefault(_spelling(folder), folder)
            if same != folder:
                raise ValueError(
                    f"manifest folders {_shown(same)} and {_shown(folder)} are one name where case or accents are ignored"
                )
            folder = folder.rpartition("/")[0]
    both = files.keys() & folders.keys()
    if both:
        raise ValueError(f"manifest path {_shown(files[min(both)])} is a file and a folder")
    return Manifest(ordered)


def _path_fault(path: str) -> str | None:
    """The fault of a path, in words; None for a sound one."""
    if path.endswith((MANIFEST_NAME, ACTION_NAME)) and _RECORD.fullmatch(path):
        return "is the name of a record, not of a file"
    if _USUAL_PATH.fullmatch(path):
        return None
    parts = path.split("/")
    if path.startswith("/") or {"", ".", ".."} & set(parts):
        return "is not a plain relative path"
    if "\\" in path or not path.isprintable():
        return "holds a backslash, a control character or half a character"
    if len(path.encode()) > MAX_PATH_BYTES or max(len(part.encode()) for part in parts) > MAX_NAME_BYTES:
        return f"is too long; expected {MAX_NAME_BYTES} bytes in a name and {MAX_PATH_BYTES} in all at most"
    if len(parts) > MAX_DEPTH:
        return f"lies {len(parts)} folders deep; expected {MAX_DEPTH} at most"
    return None


def _spelling(path: str) -> str:
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def _shown(text: str) -> str:
    """A stranger's words for a message, escaped and cut to a line."""
    escaped = ascii(text)
    return escaped if len(escaped) <= 100 else f"{escaped[:100]}..."


def manifest_of(value: Any) -> Manifest:
    """The manifest that JSON describes. Raises ValueError for everything else."""
    rows = value.get("files") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise ValueError("a manifest without a list of files")
    entries = []
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError("a manifest whose files are not described one by one")
        path, sha256, size = row.get("path"), row.get("sha256"), row.get("size")
        # a truth value is an integer in Python, and none in JSON
        if not (isinstance(path, str) and isinstance(sha256, str) and type(size) is int):
            raise ValueError(f"manifest path {_shown(str(path))} without a digest and a size")
        entries.append(Entry(path, sha256, size))
    return make_manifest(entries)


def parse_manifest(data: bytes) -> Manifest:
    """Raises ValueError for bytes that are no manifest."""
    return manifest_of(parse_json(data))


def shard_fault(manifest: Manifest, inputs: Mapping[str, Any]) -> str | None:
    """The contradiction between a gathered artifact's manifest and its shards.

    The action names the shards' tree digests. inputs: shard -> tree digest, of an artifact that is gathered. None if
    they agree.
    """
    shards: dict[str, list[Entry]] = {}
    for entry in manifest.entries:
        name, _, path = entry.path.partition("/")
        if path and _SHARD.fullmatch(name):
            shards.setdefault(name, []).append(Entry(path, entry.sha256, entry.size))
    foreign = sorted(shards.keys() - inputs.keys())
    if foreign:
        return f"it holds a shard {foreign[0]}, of which its action knows nothing"
    for name, digest in inputs.items():
        if make_manifest(shards.get(name, [])).tree_digest != digest:
            return f"its shard {name} is not the one that its action names"
    return None


def read_manifest(folder: Path) -> Manifest | None:
    """Manifest of an installed artifact, or None if there is none."""
    try:
        return parse_manifest((folder / MANIFEST_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def files_below(folder: Path) -> list[Path]:
    """Every regular file below a folder.

    Raises ValueError for links and special files, because an artifact holds plain files only.
    """
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
