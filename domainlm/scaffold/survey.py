"""The survey of a folder before a build.

In: a local source of a checked configuration. Out: a `Survey` with formats, sizes, languages, character sets, and the
files that would not be read. Property kept: the survey is a function of names and contents, and uses the listing, the
detection and the readers of a build, so it agrees with the build. It is bounded, so that a folder of 100,000 files
takes seconds: files are taken in the order of a hash of their paths, MAX_LOOKED_AT of them are detected by content, the
others by name; texts of MAX_READ files of each format are read, each within MAX_READ_SECONDS of CPU. Reading every byte
was not chosen, because the build does that next, and keeps its results.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from domainlm.config.domain import DomainConfig
from domainlm.raw.archives import PACKED_SUFFIXES, ArchiveFault, Limits
from domainlm.raw.charset import majority_charset
from domainlm.raw.charset_guess import SAMPLE_BYTES
from domainlm.raw.expansion import Found, expand, facts_of, is_expanded
from domainlm.raw.media_type import TEXT_TYPES
from domainlm.raw.raw_file import Declared, RawFile
from domainlm.raw.segments import format_of
from domainlm.scaffold.findings import ARCHIVE, FormatCount, Survey, Unread
from domainlm.sources.folders import FAULTS, LocalFile, local_files
from domainlm.text.cleaning.language import language_of
from domainlm.text.document import Document
from domainlm.text.reading.isolation import ReaderProcess
from domainlm.text.reading.pieces import Rejection
from domainlm.text.reading.readers import HELD_WHOLE, TEXT_READERS, read_documents_of

MAX_LOOKED_AT = 10_000
# files of each format; a file's language is that of its first text
MAX_READ = 30
MAX_READ_BYTES = 16_000_000
MAX_READ_SECONDS = 5.0
# documents of one file: a table may begin with rows that have no text
MAX_READ_ITEMS = 20
MAX_LANGUAGE_CHARS = 2000
MAX_CHARSET_FILES = 64
# archives that are read, and the limits within each
MAX_ARCHIVES = 20
MAX_ARCHIVE_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 200_000_000
MAX_MEMBERS = 1000
FILES_PER_PROGRESS = 100
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", *PACKED_SUFFIXES)
# formats with a character set to detect
_WITH_CHARSET = frozenset((*TEXT_READERS, "jsonl", "json", "csv", "tsv"))
BY_NAME = "detected by its name alone"


@dataclass
class _Counts:
    files: int = 0
    size_bytes: int = 0
    tried: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    charsets: Counter[str] = field(default_factory=Counter)


@dataclass
class _Tally:
    """The counts of a survey so far.

    charset: the character set of most files in the folder.
    """

    config: DomainConfig
    source: str
    process: ReaderProcess
    charset: str | None = None
    formats: dict[str, _Counts] = field(default_factory=dict)
    # (reason, media type or format, whether it was tried) -> files, the first path, the detail reported for it
    unread: dict[tuple[str, str, bool], tuple[int, str, str]] = field(default_factory=dict)

    def refuse(self, reason: str, detail: str, path: str, kind: str = "", is_tried: bool = False) -> None:
        key = (reason, kind, is_tried)
        files, example, said = self.unread.get(key, (0, path, detail))
        self.unread[key] = (files + 1, *min((example, said), (path, detail)))

    def count(self, name: str, size: int) -> _Counts:
        counts = self.formats.setdefault(name, _Counts())
        counts.files += 1
        counts.size_bytes += size
        return counts

    def take(self, path: str, size: int, facts: Mapping[str, Any], opened: Callable[[], BinaryIO] | None) -> None:
        """Count, refuse or read one file.

        It is read where few files of its format were. opened: None where only the file's name is known.
        """
        found, limit = facts["format"], self.config.documents.max_file_bytes
        if size == 0:
            self.refuse("empty", "0 bytes", path)
        elif found is None:
            self.refuse("unknown_format", facts["media_type"], path, facts["media_type"])
        elif found in HELD_WHOLE and size > limit:
            self.refuse("too_large", f"more than {limit} bytes (documents.max_file_bytes)", path)
        else:
            counts = self.count(found, size)
            is_small = size <= MAX_READ_BYTES or found not in HELD_WHOLE
            if opened is not None and counts.tried < MAX_READ and is_small:
                counts.tried += 1
                with opened() as file:
                    self._read(path, size, found, file, counts)

    def _read(self, path: str, size: int, found: str, file: BinaryIO, counts: _Counts) -> None:
        row = row_to_read(self.source, "corpus", path, size, found, self.charset)
        # a reader is stopped after this many documents
        items = list(islice(read_documents_of(row, file, self.config.documents, self.process), MAX_READ_ITEMS))
        texts = [item for item in items if isinstance(item, Document)]
        if texts:
            counts.languages[language_of("\n".join(item.text for item in texts)[:MAX_LANGUAGE_CHARS])] += 1
            if found in _WITH_CHARSET:
                counts.charsets[json.loads(texts[0].meta).get("charset", "utf-8")] += 1
            return
        first = next((item for item in items if isinstance(item, Rejection)), Rejection("no_document", "no text in it"))
        if first.reason != "time_limit":
            # a build allows more time than the survey
            self.refuse(first.reason, first.detail, path, found, True)


def row_to_read(source: str, role: str, path: str, size: int, found: str | None, charset: str | None) -> RawFile:
    """A row of an inventory, with the keys that readers use."""
    labels = dict.fromkeys(("licence", "authority", "stance"), "")
    place = {"source": source, "role": role, "path": path, "size": size, "start": 0, "end": size}
    return cast("RawFile", {**place, "format": found, "charset": charset, **labels})


def _in_stable_order(files: Sequence[LocalFile]) -> list[LocalFile]:
    """Files in an order that does not depend on folders.

    The first files are a sample of all.
    """
    return sorted(files, key=lambda file: hashlib.sha256(file.path.encode("utf-8", "surrogateescape")).digest())


def _opened(location: bytes) -> BinaryIO:
    return open(location, "rb")


def _beginnings(texts: Sequence[LocalFile]) -> list[tuple[bytes, bool]]:
    found = []
    for each in texts[:MAX_CHARSET_FILES]:
        with open(each.location, "rb") as file:
            data = file.read(SAMPLE_BYTES)
        found.append((data, len(data) == SAMPLE_BYTES))
    return found


def _look_into(tally: _Tally, file: LocalFile, scratch: Path) -> bool:
    """Take the members of an archive; return whether all were taken.

    Each member is read while its archive provides it.
    """
    section = tally.config.raw_corpus
    max_bytes = min(section.max_archive_bytes, MAX_UNPACKED_BYTES)
    limits = Limits(section.max_archive_ratio, max_bytes, section.max_archive_depth)
    facts = {"path": file.path, "prefix": f"{file.path}/", "include": ["**"], "exclude": [], "format": None}
    row = cast("Declared", facts)
    with open(file.location, "rb") as opened:
        members = expand(opened, row, scratch, limits)
        for found in islice(members, MAX_MEMBERS):
            if isinstance(found, Found):
                _take_member(tally, found)
            elif found.fault.reason == "archive_too_large" and max_bytes < section.max_archive_bytes:
                # a build has room for this archive
                return False
            else:
                tally.refuse(found.fault.reason, found.fault.detail, found.path)
        return next(members, None) is None


def _take_member(tally: _Tally, found: Found) -> None:
    try:
        with found.opened() as file:
            facts = facts_of(found.members[-1], file, None)
            # unpacked once, read twice
            tally.take(found.path, found.size, facts, lambda: file)
    except ArchiveFault as fault:
        tally.refuse(fault.reason, fault.detail, found.path)


def _take_files(
    tally: _Tally, files: Sequence[LocalFile], scratch: Path, progress: Callable[[int, int, Mapping[str, float]], None]
) -> int:
    """Take files by their content.

    Returns how many archives among them were not read, or not to their end.
    """
    looked: list[tuple[LocalFile, dict[str, Any]]] = []
    for file in files:
        try:
            with open(file.location, "rb") as opened:
                looked.append((file, facts_of(file.path, opened, None)))
        except PermissionError:
            tally.refuse("unreadable", FAULTS["unreadable"], file.path)
    texts = [file for file, facts in looked if facts["media_type"] in TEXT_TYPES]
    tally.charset = majority_charset(_beginnings(texts))
    archives = []
    for number, (file, facts) in enumerate(looked):
        if number and number % FILES_PER_PROGRESS == 0:
            progress(number, len(looked), {})
        if is_expanded(facts["media_type"], None):
            tally.count(ARCHIVE, file.identity[0])
            archives.append(file)
        else:
            tally.take(file.path, file.identity[0], facts, partial(_opened, file.location))
    small = [file for file in archives[:MAX_ARCHIVES] if file.identity[0] <= MAX_ARCHIVE_BYTES]
    return len(archives) - sum(_look_into(tally, file, scratch) for file in small)


def survey(
    project: Path, name: str, config: DomainConfig, progress: Callable[[int, int, Mapping[str, float]], None]
) -> Survey:
    """The survey of a local source's files.

    Raises ConfigurationError where there is no file, or where a folder cannot be listed.
    """
    files = local_files(project, name, config.sources[name])
    sound = _in_stable_order([file for file in files if file.fault is None])
    looked_at, others = sound[:MAX_LOOKED_AT], sound[MAX_LOOKED_AT:]
    with (
        ReaderProcess(MAX_READ_SECONDS, config.documents.max_memory_mb) as process,
        tempfile.TemporaryDirectory() as scratch,
    ):
        tally = _Tally(config, name, process)
        unlooked = _take_files(tally, looked_at, Path(scratch), progress)
    for file in others:
        if file.path.lower().endswith(_ARCHIVE_SUFFIXES):
            tally.count(ARCHIVE, file.identity[0])
            unlooked += 1
        else:
            facts = {"format": format_of(file.path), "media_type": BY_NAME}
            tally.take(file.path, file.identity[0], facts, None)
    for file in files:
        if file.fault is not None:
            tally.refuse(file.fault, FAULTS[file.fault], file.path)
    return _survey_of(tally, files, len(others), unlooked)


def _survey_of(tally: _Tally, files: Sequence[LocalFile], by_name: int, unlooked: int) -> Survey:
    formats = [
        FormatCount(
            name, c.files, c.size_bytes, c.tried, sum(c.languages.values()), dict(c.languages), dict(c.charsets)
        )
        for name, c in tally.formats.items()
    ]
    unread = [
        Unread(reason, detail, count, example, tally.formats[kind].tried if is_tried else None)
        for (reason, kind, is_tried), (count, example, detail) in tally.unread.items()
    ]
    return Survey(
        files=len(files),
        size_bytes=sum(file.identity[0] for file in files),
        formats=tuple(sorted(formats, key=lambda found: (-found.files, found.name))),
        unread=tuple(sorted(unread, key=lambda found: (-found.files, found.reason, found.detail, found.example))),
        by_name=by_name,
        unlooked=unlooked,
        other_names=sum(file.name is not None for file in files),
    )
