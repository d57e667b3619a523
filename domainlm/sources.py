"""Raw files as the resolver sees them: the inventory of local folders, and the rows that each shard is given.

In: the sources of a configuration. Out: rows (path, digest, size, byte range, labels), by shard. A local folder is
stat'ed against an index (path, size, time in ns, inode -> digest) and hashed only where it changed; a file younger
than two seconds when it was hashed is hashed again, because its next write could leave the time as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domainlm.config import DomainConfig, Source
from domainlm.resolve import ConfigurationError
from domainlm.store.canonical import canonical_json, sha256_of_file
from domainlm.text.segments import byte_ranges, format_of, is_included, shard_of

YOUNG_NS = 2_000_000_000
INDEX_FILE = ".domainlm/local_index.json"


class LocalIndex:
    """Digests of local files, remembered by size, time and inode."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._file = project / INDEX_FILE
        self._rows: dict[str, list[Any]] = {}
        self._is_changed = False
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._rows = json.loads(self._file.read_bytes())

    def digest(self, path: Path) -> tuple[str, int]:
        """SHA-256 and size of a file, read only where it changed. Raises OSError for an unreadable one."""
        name = os.path.relpath(path, self.project)
        found = path.stat()
        identity = [found.st_size, found.st_mtime_ns, found.st_ino]
        known = self._rows.get(name)
        if known is not None and known[:3] == identity and known[4] - found.st_mtime_ns > YOUNG_NS:
            return known[3], found.st_size
        began_ns = time.time_ns()
        digest = sha256_of_file(path)
        self._rows[name] = [*identity, digest, began_ns]
        self._is_changed = True
        return digest, found.st_size

    def save(self) -> None:
        if self._is_changed:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            staged = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            staged.write_bytes(canonical_json(self._rows))
            os.replace(staged, self._file)


def labels(name: str, source: Source) -> dict[str, Any]:
    return {
        "source": name,
        "role": source.role,
        "licence": source.licence,
        "authority": source.authority,
        "stance": source.stance,
    }


def local_files(project: Path, name: str, source: Source) -> list[tuple[str, Path]]:
    """(path in the source, file) of a local source, sorted. Raises ConfigurationError where there is nothing."""
    assert source.local is not None
    root = project / source.local
    key = f"sources.{name}.local"
    if root.is_file():
        return [(root.name, root)]
    if not root.is_dir():
        raise ConfigurationError(
            f"{key}: {source.local} does not exist; expected a file or folder relative to {project}"
        )
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in files:
            path = Path(parent) / file
            relative = path.relative_to(root).as_posix()
            if is_included(relative, source.include, source.exclude) and not file.startswith("."):
                found.append((relative, path))
    if not found:
        raise ConfigurationError(
            f"{key}: no file below {source.local} matches include {source.include}; check the patterns"
        )
    return sorted(found)


def local_rows(
    project: Path, name: str, source: Source, index: LocalIndex, segment_bytes: int
) -> Iterator[dict[str, Any]]:
    """One row per byte range of every file of a local source."""
    for relative, file in local_files(project, name, source):
        try:
            digest, size = index.digest(file)
        except OSError as error:
            raise ConfigurationError(
                f"sources.{name}.local: cannot read {os.path.relpath(file, project)}: {error.strerror}; "
                "make it readable or name it under exclude"
            ) from error
        document_format = source.format or format_of(relative)
        row = {
            **labels(name, source),
            "origin": "local",
            "path": relative,
            "sha256": digest,
            "size": size,
            "format": document_format,
            "member": None,
            "archive": None,
        }
        for start, end in byte_ranges(size, document_format, segment_bytes):
            yield {**row, "start": start, "end": end}


def fetched_row(name: str, source: Source) -> dict[str, Any]:
    """What a fetched source is before it is expanded: package, version, member and digest."""
    assert source.fetch is not None
    return {
        **labels(name, source),
        **source.fetch.model_dump(mode="json"),
        "origin": "fetch",
        "format": source.format,
        "include": source.include,
        "exclude": source.exclude,
    }


def text_slices(project: Path, config: DomainConfig, index: LocalIndex) -> list[dict[str, Any]]:
    """Configuration slice of each shard of raw_corpus, in order."""
    shards, segment_bytes = config.raw_corpus.shards, config.raw_corpus.segment_bytes
    files: list[list[dict[str, Any]]] = [[] for _ in range(shards)]
    fetched = []
    for name, source in sorted(config.sources.items()):
        if source.role == "base_model":
            continue
        if source.fetch is not None:
            fetched.append(fetched_row(name, source))
        else:
            for row in local_rows(project, name, source, index, segment_bytes):
                files[shard_of(name, row["path"], row["start"], shards)].append(row)
    return [
        {"files": files[shard], "fetched": fetched, "shard": shard, "shards": shards, "segment_bytes": segment_bytes}
        for shard in range(shards)
    ]


def base_model_slice(project: Path, config: DomainConfig, index: LocalIndex) -> dict[str, Any]:
    """Source and files of the base model. A hub revision's files are listed when they are fetched: its commit pins them."""
    name, source = next((n, s) for n, s in config.sources.items() if s.role == "base_model")
    found: dict[str, Any] = {"source": labels(name, source), "files": [], "hub": None}
    if source.fetch is not None:
        row = fetched_row(name, source)
        if row["member"] is None:
            raise ConfigurationError(f"sources.{name}.fetch.member: name the one model file inside {row['package']}")
        found["files"] = [{**row, "path": row["member"], "archive": None}]
    elif source.hub is not None:
        found["hub"] = {**source.hub.model_dump(mode="json"), "source": name}
    else:
        found["files"] = list(local_rows(project, name, source, index, 1 << 62))
    return found
