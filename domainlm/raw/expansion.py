"""From one raw file to the files that are in it.

In: an open file and the row that declares it (source, labels, patterns, path). Out: one `Found` for each file to read
(the file itself, or a member of the archive that it is, or of archives in it); and one `Refused` for each rejected
one, with the reason. Property kept: the files and their order are a function of the bytes and the row; the path
decides the shard.

Patterns apply to files: an archive that `include` names is read whole, except for files that `exclude` names. Hidden
files are excluded, as in folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from domainlm.raw.archives import ARCHIVES, Archive, ArchiveFault, Limits, Member
from domainlm.raw.media_type import HEAD_BYTES, PACKED, ZIP, format_by_content, kind_of_head, media_type_of
from domainlm.raw.raw_file import Declared
from domainlm.raw.segments import format_of, is_included

# by their names alone these are documents or programs, so that not every shard has to unpack them to look
_ZIPPED_DOCUMENTS = (".docx", ".xlsx", ".pptx", ".epub", ".odt", ".ods", ".odp", ".jar", ".apk", ".whl")
_EVERYTHING = ("**",)


EMPTY = ArchiveFault("empty", "an archive without a file that is included")


@dataclass(frozen=True)
class Refused:
    """A file or an archive that is not taken."""

    path: str
    fault: ArchiveFault


@dataclass(frozen=True)
class Found:
    """A file to read.

    members: names that lead to it through archives, none for the raw file itself. opened: opens it.
    """

    path: str
    members: tuple[str, ...]
    size: int
    opened: Callable[[], BinaryIO]


def is_expanded(media_type: str, document_format: str | None) -> bool:
    """Whether a file is read as an archive, by its content.

    A MediaWiki dump is read packed, as it is published.
    """
    return media_type in ARCHIVES and not (document_format == "mediawiki" and media_type in PACKED)


def facts_of(name: str, file: BinaryIO, document_format: str | None) -> dict[str, Any]:
    """Format and media type of a file.

    extension_format: the format that the name suggests, if the content contradicts it.
    """
    media_type = media_type_of(file)
    named = format_of(name)
    found = document_format or format_by_content(media_type, named)
    disagrees = document_format is None and named is not None and found != named
    return {"format": found, "media_type": media_type, "extension_format": named if disagrees else None}


def digest_of(file: BinaryIO) -> str:
    """SHA-256 of an open file, which is left at its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return digest


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def expand(file: BinaryIO, row: Declared, scratch: Path, limits: Limits) -> Iterator[Found | Refused]:
    """The files in a raw file.

    row: path (None: only its members have one), prefix of members' paths, patterns, format, kind.
    """
    media_type = media_type_of(file)
    if not is_expanded(media_type, row["format"]):
        if row["path"] is None:
            yield Refused("", ArchiveFault("not_an_archive", f"{media_type}; expected zip or tar"))
            return
        yield Found(row["path"], (), file.seek(0, 2), lambda: file)
        return
    left = limits.max_bytes
    # a folder may be named as an archive beside it, and an sdist's first folders are omitted
    taken: set[str] = set()
    for found in _Expansion(row, scratch, limits).walk(file, row["path"] or "", row["prefix"], (), row["include"]):
        if isinstance(found, Found):
            if found.path in taken:
                detail = "another file of the archive has this path; that one is taken"
                yield Refused(found.path, ArchiveFault("same_name", detail))
                continue
            taken.add(found.path)
            left -= found.size
            if left < 0:
                detail = (
                    f"unpacks to more than {limits.max_bytes} bytes (raw_corpus.max_archive_bytes), with archives in it"
                )
                yield Refused(
                    row["path"] or found.path,
                    ArchiveFault("archive_too_large", detail, limits.max_bytes - left, limits.max_bytes),
                )
                return
        yield found


class _Expansion:
    """One raw archive on its way through its members."""

    def __init__(self, row: Declared, scratch: Path, limits: Limits) -> None:
        self._row, self._scratch, self._limits = row, scratch, limits

    def walk(
        self, file: BinaryIO, path: str, prefix: str, above: tuple[str, ...], include: tuple[str, ...] | list[str]
    ) -> Iterator[Found | Refused]:
        """Files of one archive.

        prefix: the part of their paths before the members' names.
        """
        try:
            archive = Archive(file, path or "archive", self._scratch, self._limits)
        except ArchiveFault as fault:
            yield Refused(path or prefix.rstrip("/"), fault)
            return
        with archive:
            for member in archive.members():
                own = path if archive.is_single and path else f"{prefix}{self._inner(member.name, above)}"
                if member.fault is not None:
                    yield Refused(own if member.name else path or prefix.rstrip("/"), member.fault)
                elif own and not _is_hidden(member.name) and is_included(own, include, self._row["exclude"]):
                    yield from self._member(archive, member, own, (*above, member.name))

    def _inner(self, name: str, above: tuple[str, ...]) -> str:
        # every path in an sdist begins with the same folder, named after the version
        return name.partition("/")[2] if self._row.get("kind") == "sdist" and not above else name

    def _member(self, archive: Archive, member: Member, path: str, names: tuple[str, ...]) -> Iterator[Found | Refused]:
        try:
            kind = kind_of_head(archive.head(member, HEAD_BYTES))
            if kind == ZIP and not member.name.lower().endswith(_ZIPPED_DOCUMENTS):
                with archive.open(member) as opened:
                    kind = media_type_of(opened)
            elif kind == ZIP:
                kind = ""
            if not is_expanded(kind, self._row["format"]):
                yield Found(path, names, member.size, lambda: archive.open(member))
            elif len(names) >= self._limits.max_depth:
                depth = self._limits.max_depth
                detail = f"more than {depth} archives within each other (raw_corpus.max_archive_depth)"
                yield Refused(path, ArchiveFault("nested_too_deep", detail, len(names) + 1, depth))
            else:
                is_empty = True
                with archive.open(member) as opened:
                    for found in self.walk(opened, path, f"{path}/", names, _EVERYTHING):
                        is_empty = False
                        yield found
                if is_empty:
                    yield Refused(path, EMPTY)
        except ArchiveFault as fault:
            yield Refused(path, fault)
