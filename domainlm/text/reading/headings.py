"""From headings found in a text to its sections.

In: a text and its headings in order, each with a level. Out: sections with their heading path and character offsets; what
precedes the first heading is a section without title. Shared by Markdown and reStructuredText, which differ in what a
heading looks like and in nothing else here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domainlm.text.reading.pieces import Section


@dataclass(frozen=True)
class Heading:
    """start: character at which the heading begins. body: character after it. level: 1 is the outermost."""

    start: int
    body: int
    level: int
    title: str


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """(character offset, line without its end) of every line. Not splitlines, which also cuts at rarer characters."""
    start = 0
    for line in text.split("\n"):
        yield start, line.rstrip("\r")
        start += len(line) + 1


def sections_of(text: str, headings: list[Heading], plain: Callable[[str], str]) -> list[Section]:
    """Sections of a text; `plain` turns the source of a body into what is read. Offsets count characters."""
    first = headings[0].start if headings else len(text)
    found = [Section((), "", plain(text[:first]), 0, first)] if first else []
    above: list[Heading] = []
    for heading, following in zip(headings, [*headings[1:], None], strict=False):
        while above and above[-1].level >= heading.level:
            above.pop()
        above.append(heading)
        end = following.start if following is not None else len(text)
        path = tuple(parent.title for parent in above)
        found.append(Section(path, heading.title, plain(text[heading.body : end]), heading.start, end))
    return found
