"""Numbers of lines in the margin: of manuscripts, statutes, transcripts.

In: the lines of all pages. Out: the pages without such numbers; a number that PDFium put in front of its line is cut off it.
They are told from a table's, a list's or a chronicle's by what they number: the lines of running text, which are long, have marks of
sentences, mostly reach the right edge, and go on in the next line. Every line is numbered, or every fifth or tenth, and the numbers
grow by one step down the page. A number too many is a small loss, and a list without its numbers is a large one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from domainlm.text.reading.page_layout import MIN_COLUMN_SIZES, SAME_ROW, Line

STEPS = (1, 2, 5, 10)
MIN_PAGE_NUMBERS, MIN_NUMBERS = 3, 8
# of the pairs of numbers that follow each other, those with the step; of the lines of a page, those that have a number
MIN_STEP_SHARE, MIN_NUMBERED_SHARE = 0.85, 0.7
# the numbers of a text's lines begin with the text; those of years do not
MAX_FIRST_NUMBER = 1000
# of the numbered lines: those that go on where the line above ended, those with a mark of a sentence
MIN_RUNNING_SHARE, MIN_MARKED_SHARE = 0.35, 0.25
# of a page's lines, those that begin, or end, as one of them does
MAX_ALIKE_SHARE = 0.3
# of the numbered lines, those that go as far to the right as FULL_SHARE of the longest; Han fills its lines
FULL_SHARE, MIN_FULL_SHARE, MIN_FULL_HAN_SHARE = 0.85, 0.5, 0.7
_NUMBERED = re.compile(r"([0-9]{1,4})(?:[ \t]+(?=\S)|\Z)")
_HAN = re.compile("[\u3041-\u30ff\u3400-\u9fff]")
_MARK = re.compile("[.,;:!?](?= |\\Z)|[，。；：！？、]")
_ENDS_SENTENCE = ".!?。！？…"
# a row's last cell
_VALUE = re.compile(r"(?:^|[ ~<>=±+-])[0-9][0-9.,]*(?: ?(?:%|[A-Za-z\u00b5\u03bc\u4e00-\u9fff]{1,4}))?\Z")
_RUNNING = re.compile("[a-z\u00df-\u00f6\u00f8-\u00ff\u03ac-\u03ce\u0430-\u045f\u3041-\u9fff\uac00-\ud7a3]")


class _Numbered(NamedTuple):
    """A line with a number.

    place: of the line on its page. begin: where its text begins. text: the text beside the number, in `line`, with
    the line above it. is_row: it is one of a table's.
    """

    place: int
    number: int
    begin: int
    text: str
    line: Line
    above: Line | None
    is_row: bool


def _numbered_lines(page: Sequence[Line]) -> list[_Numbered]:
    """The lines that a number begins, from top to bottom.

    A line that is a number only has text beside it.
    """
    found = []
    order = sorted(range(len(page)), key=lambda index: -page[index].bottom)
    above: Line | None = None
    row: Line | None = None
    for place, index in enumerate(order):
        line = page[index]
        match = _NUMBERED.match(line.text)
        has_text = match is None or match.end() < len(line.text)
        # of the lines of one row the first stands for it
        if has_text and (row is None or row.bottom - line.bottom > SAME_ROW * line.size):
            above, row = row, line
        if match is None:
            continue
        text, its_line, its_above, is_row = line.text[match.end() :], line, above, line.has_cells
        if not text:
            near = [page[at] for at in order[max(place - 2, 0) : place + 3] if at != index]
            beside = [each for each in near if abs(each.bottom - line.bottom) < SAME_ROW * each.size]
            is_outside = all(each.left >= line.right or each.right <= line.left for each in beside)
            if not beside or not is_outside:
                continue
            its_line = min(beside, key=lambda each: each.left)
            text = its_line.text
            # two columns of text are no cells
            narrow = min([each.right - each.left for each in beside])
            is_row = any(each.has_cells for each in beside)
            is_row = is_row or (len(beside) > 1 and narrow < MIN_COLUMN_SIZES * its_line.size)
            # the text of the row may come before the number or after it
            its_above = above if row is not None and abs(row.bottom - line.bottom) < SAME_ROW * line.size else row
        found.append(_Numbered(index, int(match[1]), match.end(), text, its_line, its_above, is_row))
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


def _goes_on(numbered: _Numbered, above: Line, least: float) -> bool:
    """Whether a line goes on where the line above ended."""
    line = numbered.line
    word = numbered.text.partition(" ")[0] if not _HAN.match(numbered.text) else ""
    room = len(word) * (line.right - line.left) / len(line.text)
    return above.right + room >= least and above.text[-1] not in _ENDS_SENTENCE


def _is_repeated(page: Sequence[Line]) -> bool:
    """Whether many lines begin or end alike, as in a list."""
    texts = [line.text[match.end() :] if (match := _NUMBERED.match(line.text)) else line.text for line in page]
    begins, ends = Counter[str](), Counter[str]()
    for text in texts:
        if not (words := text.split()):
            continue
        is_han = _HAN.match(text) is not None
        begins[text[:3] if is_han else " ".join(words[:2])] += 1
        ends[text[-3:] if is_han else words[-1]] += 1
    count = sum(begins.values())
    return any(each.most_common(1)[0][1] > MAX_ALIKE_SHARE * count for each in (begins, ends) if each)


def _fill(numbered: Sequence[_Numbered]) -> tuple[list[bool], list[bool]]:
    """Whether each line is full, and whether it goes on.

    It goes on from the line above if that has no room for its first word.
    """
    right = max([each.line.right for each in numbered])
    left = min([each.line.left for each in numbered])
    least = left + FULL_SHARE * (right - left)
    full = [each.line.right >= least for each in numbered]
    running = [
        _RUNNING.match(each.text) is not None
        and not each.is_row
        and _VALUE.search(each.text) is None
        and (each.above is None or _goes_on(each, each.above, least))
        for each in numbered
    ]
    return full, running


def _is_running_text(pages: Sequence[Sequence[_Numbered]]) -> bool:
    """Whether numbered lines are those of a running text."""
    found = [each for numbered in pages for each in numbered]
    count = len(found)
    if count < MIN_NUMBERS or found[0].number > MAX_FIRST_NUMBER:
        return False
    if median([(each.line.right - each.line.left) / each.line.size for each in found]) < MIN_COLUMN_SIZES:
        return False
    if sum(_MARK.search(each.text) is not None for each in found) < MIN_MARKED_SHARE * count:
        return False
    fills = [_fill(numbered) for numbered in pages if numbered]
    is_han = 2 * sum(_HAN.match(each.text) is not None for each in found) > count
    least = MIN_FULL_HAN_SHARE if is_han else MIN_FULL_SHARE
    if sum(sum(full) for full, _ in fills) < least * count:
        return False
    return sum(sum(running) for _, running in fills) >= MIN_RUNNING_SHARE * count


def without_line_numbers(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without the numbers of their lines."""
    chosen: list[list[_Numbered]] = []
    for page in pages:
        # on most pages few lines begin with one
        begins = sum([line.text[0] in "0123456789" for line in page])
        numbered = _numbered_lines(page) if begins >= MIN_PAGE_NUMBERS else []
        step = _step_of(numbered)
        lines = len({round(line.bottom) for line in page}) if step is not None else 0
        is_numbered = step is not None and len(numbered) * step >= MIN_NUMBERED_SHARE * lines
        chosen.append(numbered if is_numbered else [])
    beside = [line for page, numbered in zip(pages, chosen, strict=True) if numbered for line in page]
    if not _is_running_text(chosen) or _is_repeated(beside):
        return [list(page) for page in pages]
    return [_without(page, numbered) if numbered else list(page) for page, numbered in zip(pages, chosen, strict=True)]
