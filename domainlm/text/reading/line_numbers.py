"""Numbers of lines in the margin: of manuscripts, statutes, transcripts.

In: the lines of all pages. Out: the pages without such numbers; a number that PDFium put in front of its line is cut off it.
They are told from a table's or a list's by what they number: the lines of running text, which begin in the middle of
sentences. Every line is numbered, or every fifth or tenth, and the numbers grow by one step down the page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from domainlm.text.reading.page_layout import SAME_ROW, Line

STEPS = (1, 2, 5, 10)
MIN_PAGE_NUMBERS, MIN_NUMBERS = 3, 8
# of the pairs of numbers that follow each other, those with the step; of the lines of a page, those that have a number
MIN_STEP_SHARE, MIN_NUMBERED_SHARE = 0.85, 0.7
# of the numbered lines, those that begin in the middle of a sentence
MIN_RUNNING_SHARE = 0.35
_NUMBERED = re.compile(r"([0-9]{1,4})(?:[ \t]+(?=\S)|\Z)")
_RUNNING = re.compile("[a-z\u00df-\u00f6\u00f8-\u00ff\u03ac-\u03ce\u0430-\u045f\u3041-\u9fff\uac00-\ud7a3]")


class _Numbered(NamedTuple):
    """A line with a number.

    place: of the line on its page. begin: where its text begins. text: the text beside the number.
    """

    place: int
    number: int
    begin: int
    text: str


def _numbered_lines(page: Sequence[Line]) -> list[_Numbered]:
    """The lines that a number begins, from top to bottom.

    A line that is a number only has text beside it.
    """
    found = []
    order = sorted(range(len(page)), key=lambda index: -page[index].bottom)
    for place, index in enumerate(order):
        line = page[index]
        match = _NUMBERED.match(line.text)
        if match is None:
            continue
        text = line.text[match.end() :]
        if not text:
            near = [page[at] for at in order[max(place - 2, 0) : place + 3] if at != index]
            beside = [each for each in near if abs(each.bottom - line.bottom) < SAME_ROW * each.size]
            is_outside = all(each.left >= line.right or each.right <= line.left for each in beside)
            text = min(beside, key=lambda each: each.left).text if beside and is_outside else ""
        if text:
            found.append(_Numbered(index, int(match[1]), match.end(), text))
    return found


def _step_of(numbered: Sequence[_Numbered]) -> int | None:
    """The step by which nearly all numbers grow, or None."""
    if len(numbered) < MIN_PAGE_NUMBERS:
        return None
    steps = [below.number - above.number for above, below in pairwise(numbered)]
    step = max(STEPS, key=steps.count)
    return step if steps.count(step) >= MIN_STEP_SHARE * len(steps) else None


def _without(page: Sequence[Line], numbered: Sequence[_Numbered]) -> list[Line]:
    """A page without these numbers, its lines beginning where the others do."""
    by_index = {each.place: each for each in numbered}
    others = [line for index, line in enumerate(page) if index not in by_index]
    whole = [page[each.place] for each in numbered if len(page[each.place].text) > each.begin]
    # the place of the text behind a number is not known: it is that of the lines without one, or all have the same
    left = median([line.left for line in (others if len(others) > len(whole) else whole)]) if whole else 0.0
    size = median([line.size for line in (others if len(others) > len(whole) else whole)]) if whole else 0.0
    found = []
    for index, line in enumerate(page):
        if index not in by_index:
            found.append(line)
        elif text := line.text[by_index[index].begin :]:
            found.append(line._replace(text=text, left=left, size=size, is_row=False))
    return found


def without_line_numbers(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without the numbers of their lines."""
    chosen: list[list[_Numbered]] = []
    for page in pages:
        numbered = _numbered_lines(page) if any(line.text[0] in "0123456789" for line in page) else []
        step = _step_of(numbered)
        lines = len({round(line.bottom) for line in page})
        is_numbered = step is not None and len(numbered) * step >= MIN_NUMBERED_SHARE * lines
        chosen.append(numbered if is_numbered else [])
    texts = [each.text for numbered in chosen for each in numbered]
    running = sum(_RUNNING.match(text) is not None for text in texts)
    if len(texts) < MIN_NUMBERS or running < MIN_RUNNING_SHARE * len(texts):
        return [list(page) for page in pages]
    return [_without(page, numbered) if numbered else list(page) for page, numbered in zip(pages, chosen, strict=True)]
