"""From headings found in a text to its sections.

In: a text and its headings in order, each with a level. Out: sections with their heading path and character offsets;
the text before the first heading is a section without title. Markdown and reStructuredText share it: they differ in
the form of a heading, and in nothing else here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domainlm.text.reading.pieces import Section


@dataclass(frozen=True)
class Heading:
    """A heading in a text.

    start: character at which the heading begins. body: character after it. level: 1 is the outermost.
    """

    start: int
    body: int
    level: int
    title: str


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """(character offset, line without its end) of every line.

    splitlines would also cut at rarer characters.
    """
    start = 0
    for line in text.split("\n"):
        yield start, line.rstrip("\r")
        start += len(line) + 1


def sections_of(text: str, headings: list[Heading], plain: Callable[[str], str]) -> list[Section]:
    """Sections of a text. Offsets count characters.

    plain: converts the source of a body into the text that is read.
    """
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
