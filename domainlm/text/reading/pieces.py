"""The results of readers, and the cutting of long text.

In: sections of a file. Out: pieces of at most a given length, each with its section's title in front, so that every
document states its subject, and with its pages if the file has pages. Rejections are results, too. Cuts fall at
paragraphs, then lines, sentences, words: a fixed length would end documents in the middle of a word and teach the
model to stop there.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_BREAKS = ("\n\n", "\n", "。", ". ", " ")


@dataclass(frozen=True)
class Rejection:
    """A file or record that gave no document, and why.

    keys: the names of the fields of a row of instruction data, for people.
    """

    reason: str
    detail: str
    keys: str = ""


@dataclass(frozen=True)
class Coverage:
    """How much of a file's visible text was read, in characters.

    shown: all of it. kept: in its sections. removed: as navigation, head or foot, or as a repetition of links.
    """

    shown: int
    kept: int
    removed: int

    @property
    def lost(self) -> int:
        """What is neither kept nor known as boilerplate."""
        return self.shown - self.kept - self.removed

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.shown + other.shown, self.kept + other.kept, self.removed + other.removed)


@dataclass(frozen=True)
class Piece:
    """One document before it gets its labels.

    part: distinguishes pieces of one section. start, end: bytes in the raw file (-1: unknown). group: unit of the
    split, empty for the whole file. links: keys not to be shared with held-out documents. meta: JSON object. ungrouped:
    the names of a record's fields, for people, where it has no value of `documents.group_field`.
    """

    section: str
    part: str
    start: int
    end: int
    title: str
    text: str
    group: str = ""
    links: tuple[str, ...] = ()
    meta: str = "{}"
    ungrouped: str = ""


@dataclass(frozen=True)
class Section:
    """Part of a file under one heading, with its place.

    It has the headings above it, its own heading, and its text. start, end: characters of the file's text, or bytes
    if the reader was given bytes (end -1: unknown). pages: if the file has pages, (character of the body, number) of
    each page that begins in it, the first at character 0.
    """

    path: tuple[str, ...]
    title: str
    body: str
    start: int
    end: int
    pages: tuple[tuple[int, int], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def cut_spans(text: str, max_chars: int) -> Iterator[tuple[int, int]]:
    """(start, end) of parts of at most max_chars characters.

    No part but the last is shorter than half of that.
    """
    at = 0
    while len(text) - at > max_chars:
        for mark in _BREAKS:
            found = text.rfind(mark, at + max_chars // 2, at + max_chars)
            if found >= 0:
                end = found + len(mark)
                break
        else:
            end = at + max_chars
        yield at, end
        at = end
    yield at, len(text)


def cut_at_breaks(text: str, max_chars: int) -> Iterator[str]:
    """The parts that are not blank."""
    for start, end in cut_spans(text, max_chars):
        part = text[start:end].strip()
        if part:
            yield part


def _prefix(title: str, max_chars: int) -> str:
    return f"{title}\n\n" if title and len(title) < max_chars // 2 else ""


def titled_parts(title: str, body: str, max_chars: int) -> Iterator[str]:
    """Texts of one section: title, blank line, part of the body.

    There are none if the body is blank.
    """
    prefix = _prefix(title, max_chars)
    for part in cut_at_breaks(body, max_chars - len(prefix)):
        yield prefix + part


def pages_of(section: Section, start: int, end: int) -> list[int]:
    """First and last page of characters [start, end) of a section's body."""
    places = [place for place, _ in section.pages]
    return [section.pages[max(bisect_right(places, at) - 1, 0)][1] for at in (start, max(start, end - 1))]


def pieces_of_sections(sections: Iterable[Section], max_chars: int) -> Iterator[Piece]:
    """Pieces of the sections of one file.

    Sections with an empty body give none.
    """
    seen: dict[str, int] = {}
    for section in sections:
        name = " > ".join(section.path)
        prefix = _prefix(section.title, max_chars)
        for start, end in cut_spans(section.body, max_chars - len(prefix)):
            body = section.body[start:end]
            text = body.strip()
            if not text:
                continue
            part = seen[name] = seen.get(name, -1) + 1
            meta = dict(section.meta)
            if section.pages:
                first = start + len(body) - len(body.lstrip())
                meta["pages"] = pages_of(section, first, first + len(text))
            packed = json.dumps(meta, sort_keys=True, ensure_ascii=False)
            yield Piece(name, str(part), section.start, section.end, section.title, prefix + text, meta=packed)
