"""Running heads, running feet and page numbers.

In: the lines of all pages. Out: the pages without lines that run from page to page. They are detected by repetition
at one height on near pages, and not by a margin's width, which differs between books. Only the outermost rows can
run, up to the first that does not, and numbers in them must stay the same or grow as the page number does, so that
the first rows of a long table stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domainlm.text.reading.page_layout import SAME_ROW, Line

# rows from the top and from the bottom of a page that may run; pages on each side that they are compared with
EDGE_ROWS = 3
NEAR_PAGES = 4
RUNNING_PAGES = 2
SAME_HEIGHT_POINTS = 6.0
MAX_CHARS = 120
_DIGITS = re.compile(r"[0-9]+")
# a page number before the first chapter
_ROMAN = re.compile(r"(?<![^ ])[ivxlc]{1,7}\Z")


class _Row(NamedTuple):
    """A row of a page.

    mask: its text with 0 for each number and i for a Roman one at its end. lines: their indexes.
    """

    mask: str
    numbers: list[int]
    height: float
    lines: list[int]


def _edge_rows(page: Sequence[Line], by_height: Iterable[int]) -> list[_Row]:
    """The outermost rows of a page.

    by_height: its lines' indexes from that edge on.
    """
    rows: list[list[int]] = []
    for index in by_height:
        line = page[index]
        if rows and abs(page[rows[-1][0]].bottom - line.bottom) < SAME_ROW * line.size:
            rows[-1].append(index)
        elif len(rows) == EDGE_ROWS:
            break
        else:
            rows.append([index])
    found = []
    for row in rows:
        row.sort(key=lambda index: page[index].left)
        text = " ".join([page[index].text for index in row])
        numbers: list[int] = []
        # a long line is a paragraph's: its numbers need no look
        if len(text) < MAX_CHARS:
            numbers = [int(digits[:9]) for digits in _DIGITS.findall(text)]
            text = _DIGITS.sub("0", text) if numbers else text
            text = _ROMAN.sub("i", text) if text[-1] in "ivxlc" else text
        found.append(_Row(text, numbers, page[row[0]].bottom, row))
    return found


def _is_like(row: _Row, other: _Row, step: int) -> bool:
    """Whether two rows of one mask are running lines of each other.

    They are at one height, and their numbers stay the same or grow as the page number does.
    """
    return abs(row.height - other.height) <= SAME_HEIGHT_POINTS and (
        row.numbers == other.numbers or all(b - a in (0, step) for a, b in zip(row.numbers, other.numbers, strict=True))
    )


def _running(edges: Sequence[Sequence[_Row]]) -> list[set[int]]:
    """The lines of each page that run from page to page.

    They are the outermost ones only, up to the first that does not run.
    """
    needed = min(RUNNING_PAGES, len(edges) - 1)
    found: list[set[int]] = []
    for number, edge in enumerate(edges):
        near = [
            (page - number, edges[page])
            for page in range(max(0, number - NEAR_PAGES), min(len(edges), number + NEAR_PAGES + 1))
            if page != number
        ]
        found.append(set())
        for row in edge:
            alike = 0
            for step, others in near:
                for other in others:
                    if row.mask == other.mask and _is_like(row, other, step):
                        alike += 1
                        break
            if not needed or alike < needed:
                break
            found[-1].update(row.lines)
    return found


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without running heads, running feet and page numbers.

    These run over at least three of nine pages in a row.
    """
    orders = [sorted(range(len(page)), key=[-line.bottom for line in page].__getitem__) for page in pages]
    tops = _running([_edge_rows(page, order) for page, order in zip(pages, orders, strict=True)])
    feet = _running([_edge_rows(page, reversed(order)) for page, order in zip(pages, orders, strict=True)])
    return [
        [line for index, line in enumerate(page) if index not in running] if running else list(page)
        for page, running in zip(pages, map(set.union, tops, feet), strict=True)
    ]
