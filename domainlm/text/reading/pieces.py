"""What a reader yields: pieces of text and rejections; and how long text is cut.

In: sections of a file. Out: pieces of at most a given length, each with its section's title in front, so that every
document says by itself what it is about. Cuts fall at paragraphs, then lines, sentences, words: not at a fixed length,
which would end documents in the middle of a word and teach the model to stop there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_BREAKS = ("\n\n", "\n", "。", ". ", " ")


@dataclass(frozen=True)
class Rejection:
    """A file or record that gave no document, and why."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Piece:
    """One document before it gets its labels.

    part: tells pieces of one section apart. start, end: bytes in the raw file (-1: unknown). group: unit of the split,
    empty for the whole file. links: keys not to be shared with held-out documents. meta: JSON object.
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


@dataclass(frozen=True)
class Section:
    """Part of a file under one heading: the headings above it, its own heading, its text, its place in the file."""

    path: tuple[str, ...]
    title: str
    body: str
    start: int
    end: int


def cut_at_breaks(text: str, max_chars: int) -> Iterator[str]:
    """Parts of at most max_chars characters; no part but the last is shorter than half of that."""
    at = 0
    while len(text) - at > max_chars:
        for mark in _BREAKS:
            found = text.rfind(mark, at + max_chars // 2, at + max_chars)
            if found >= 0:
                end = found + len(mark)
                break
        else:
            end = at + max_chars
        part = text[at:end].strip()
        if part:
            yield part
        at = end
    rest = text[at:].strip()
    if rest:
        yield rest


def titled_parts(title: str, body: str, max_chars: int) -> Iterator[str]:
    """Texts of one section: each the title, a blank line, and a part of the body. Nothing where the body is blank."""
    prefix = f"{title}\n\n" if title and len(title) < max_chars // 2 else ""
    for part in cut_at_breaks(body, max_chars - len(prefix)):
        yield prefix + part


def pieces_of_sections(sections: list[Section], max_chars: int) -> Iterator[Piece]:
    """Pieces of the sections of one file; sections without a body of their own give none."""
    seen: dict[str, int] = {}
    for section in sections:
        name = " > ".join(section.path)
        for text in titled_parts(section.title, section.body, max_chars):
            part = seen[name] = seen.get(name, -1) + 1
            yield Piece(name, str(part), section.start, section.end, section.title, text)
