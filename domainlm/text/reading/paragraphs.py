"""From the lines of pages in reading order to one flowing text.

In: the lines of each page. Out: one text: lines joined to paragraphs, also across the end of a column or a page,
words put together that a line's end had cut, the leaders of contents pages removed; and the place in it at which each
page and each line begins. Property kept: no line is lost. A line's end is intended if the next word would have
fitted, which holds for prose, lists and code; distances and indents are compared with the usual ones on the page, not
with fixed numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, pairwise

from domainlm.text.characters import with_plain_letters
from domainlm.text.reading.cut_words import DocumentWords, joined
from domainlm.text.reading.page_layout import SAME_ROW, Line, column_gap

# edges nearer than this to each other, in font sizes, are one
SAME_EDGE = 0.8
# lines further apart than this many times the usual distance begin a paragraph
PARAGRAPH_STEP = 1.25
# how often a page must have its own distance between lines, as a contents page has, to go by it
MIN_PAGE_STEPS = 5
SIZE_CHANGE = 1.12
MAX_TITLE_SIZE = 1.3
# how often lines that begin at one place must end at another for it to be their usual right edge
MIN_USUAL_LINES, MIN_USUAL_SHARE = 10, 0.2
# a line that goes further beyond the usual edge, by its own width, is set in a wider column
MAX_OVERFULL = 0.15
SAMPLED_CHARS = 50_000

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_FIRST_CJK = _CJK[0]
_CJK_MARK = re.compile(
    "[\u3000-\u303f\ufe30-\ufe4f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u2018-\u201d\u2026]"
)
_BOUNDARY = re.compile("[\u3400-\u9fff]( ?)[A-Za-z0-9]")
_IS_CJK = re.compile(f"[{_CJK}]")
_FIRST_WORD = re.compile(f"[^ {_CJK}]+|.")
_LEADERS = re.compile(r"(?:[ ]?[.\u2026\u00b7]){5,} ?")
_BULLETS = "\u2022\u25e6\u25aa\u25cf\u25cb\u25a0\u25a1\u2023\uf0b7"
_NUMBER = "[(（]?(?:[0-9]{1,3}|[a-zA-Z]|[一二三四五六七八九十]{1,3})[.)）、]"
# a dash or a number may also stand in a sentence, and so at a line's begin
_ITEM = re.compile(f"(?:[{_BULLETS}\u00b7\u2013*-]|{_NUMBER}) ?")
_ENDS_SENTENCE = ".!?:;。！？：；…"

# left edge and size of a line, rounded
Place = tuple[int, int]


@dataclass
class Flow:
    """Text of all pages, with the places of pages and lines.

    pages: (character, page number) at each beginning. lines: (character, end, text) by page number.
    """

    text: str = ""
    pages: list[tuple[int, int]] = field(default_factory=list)
    lines: dict[int, list[tuple[int, int, str]]] = field(default_factory=dict)


def _steps(page: Sequence[Line]) -> Counter[tuple[int, int]]:
    """Counts of distances between consecutive lines of one size.

    The size is rounded, and the distance is in half points.
    """
    return Counter(
        [
            (round(line.size), round(2 * (above.bottom - line.bottom)))
            for above, line in pairwise(page)
            if -0.5 < above.size - line.size < 0.5 and SAME_ROW * line.size < above.bottom - line.bottom < 3 * line.size
        ]
    )


def _usual_steps(counts: Counter[tuple[int, int]], least: int) -> dict[int, float]:
    """The most frequent line distance by size, if frequent enough."""
    found: dict[int, float] = {}
    for (size, step), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= least:
            found.setdefault(size, step / 2)
    return found


def _column_edges(page: Sequence[Line], places: Sequence[Place]) -> Iterator[tuple[float, float]]:
    """(usual left edge, furthest right edge) of each line's column."""
    gap = column_gap(page)
    # by left edge, size and column: a page has few of them, and many lines
    if gap is None:
        keys = [(left, size, 0) for left, size in places]
    else:
        keys = [(*place, 0 if line.left <= gap < line.right else 1) for line, place in zip(page, places, strict=True)]
    counts = Counter(keys)
    rights: dict[tuple[int, int, int], float] = {}
    for key, line in zip(keys, page, strict=True):
        right = line.right
        if key not in rights or right > rights[key]:
            rights[key] = right
    edges: dict[tuple[int, int, int], tuple[float, float]] = {}
    # in order of left edge, so that those near one are found at once
    ordered = sorted(counts)
    for left, size, column in ordered:
        lefts: dict[int, int] = {}
        furthest = 0.0
        first, last = bisect_left(ordered, (left - 4 * size,)), bisect_left(ordered, (left + 4 * size + 1,))
        for its_left, its_size, its_column in ordered[first:last]:
            if its_column == column:
                its_key = its_left, its_size, its_column
                lefts[its_left] = lefts.get(its_left, 0) + counts[its_key]
                right = rights[its_key]
                # titles may be wider than the column
                if right > furthest and its_size < MAX_TITLE_SIZE * size:
                    furthest = right
        edges[left, size, column] = min(lefts, key=lambda at: (-lefts[at], at)), furthest
    for key in keys:
        yield edges[key]


def _usual_rights(pages: Sequence[Sequence[Line]], places: Sequence[Sequence[Place]]) -> dict[Place, int]:
    """Where most lines of a place end in the document.

    Places without a clear majority have no entry.
    """
    rights = [round(line.right) for page in pages for line in page]
    ends: dict[Place, dict[int, int]] = {}
    for (place, right), count in Counter(zip(chain.from_iterable(places), rights, strict=True)).items():
        ends.setdefault(place, {})[right] = count
    found: dict[Place, int] = {}
    for (left, size), counts in ends.items():
        furthest = max(counts)
        # labels and the last lines of paragraphs say nothing of the edge
        longer = {right: count for right, count in counts.items() if right - left > 0.5 * (furthest - left)}
        if not longer:
            continue
        right = min(longer, key=lambda at: (-longer[at], at))
        if longer[right] >= max(MIN_USUAL_LINES, MIN_USUAL_SHARE * sum(longer.values())):
            found[left, size] = right
    return found


def _within_edge(line: Line, right: float, usual: float) -> float:
    """The right edge that counts, given the furthest of the column.

    One overfull line does not move it for all others.
    """
    if usual + 1 < right <= usual + MAX_OVERFULL * (usual - line.left):
        return usual + 1
    return right


def _ends_early(line: Line, following: str, right: float) -> bool:
    """Whether the next line's first word would have fitted.

    Then the line's end was intended.
    """
    room = right - line.right - 0.5 * line.size
    if room <= 0:
        return False
    word = None
    if following[0] < _FIRST_CJK or not _IS_CJK.match(following):
        word = _FIRST_WORD.match(following)
    if word is None:
        # a closing mark takes the character before it along to the next line
        return room > 2 * line.size
    return room > (len(word[0]) + 2) * (line.right - line.left) / len(line.text)


def _joint(
    line: Line, following: Line, left: float, right: float, usual_step: float, is_new_page: bool, is_entry: bool
) -> str:
    """The separator between two lines in reading order.

    It is a space within a paragraph, else one line end or two. is_entry: the line is one of a contents page.
    """
    size = line.size
    if size > SIZE_CHANGE * following.size or following.size > SIZE_CHANGE * size:
        return "\n\n"
    step = line.bottom - following.bottom
    is_turn = is_new_page or step < -SAME_ROW * size
    if not is_turn:
        if step < SAME_ROW * size:
            return " " if following.left >= line.right - size else "\n"
        if step > PARAGRAPH_STEP * usual_step:
            return "\n\n"
    if line.is_row or following.is_row:
        return "\n"
    if _ends_early(line, following.text, right):
        return "\n\n" if is_turn else "\n"
    if is_turn:
        # whether a paragraph ends with its page cannot be seen
        return "\n" if line.text[-1] in _ENDS_SENTENCE else " "
    shift = following.left - line.left
    is_shifted = abs(shift) > SAME_EDGE * size and abs(following.left - left) > SAME_EDGE * size
    # a paragraph's first line is indented, or all others of an item are
    if is_shifted and (shift < 0 or not _ITEM.match(line.text)):
        return "\n"
    if _ITEM.match(following.text) and (line.text[-1] in _ENDS_SENTENCE or _ITEM.match(line.text)):
        return "\n"
    return "\n" if following.text[0] in _BULLETS or is_entry else " "


def _is_spaced(text: str) -> bool:
    """Whether Han and Latin letters mostly have a space between them."""
    found = Counter(_BOUNDARY.findall(text, 0, SAMPLED_CHARS))
    return found[" "] > found[""]


def _blank(line: str, following: str, is_spaced: Callable[[], bool]) -> str:
    """The separator between two lines of a paragraph."""
    before, after = line[-1], following[0]
    # most lines are of one script
    if before < _FIRST_CJK and after < _FIRST_CJK:
        return " "
    count = bool(_IS_CJK.match(before)) + bool(_IS_CJK.match(after))
    if count != 1:
        return "" if count else " "
    return " " if not (_CJK_MARK.match(before) or _CJK_MARK.match(after)) and is_spaced() else ""


def _with_plain_characters(page: Sequence[Line]) -> Sequence[Line]:
    """A page with plain letters, and one kind of hyphen."""
    whole = "\n".join([line.text for line in page])
    # most pages have them
    if whole.isascii() or (with_plain_letters(whole) == whole and "\u2010" not in whole and "\xad" not in whole):
        return page
    found = []
    for line in page:
        text = with_plain_letters(line.text)
        if text[-1:] in ("\u2010", "\xad") and text[:-1].strip():
            text = f"{text[:-1]}-"
        found.append(line if text == line.text else line._replace(text=text or line.text))
    return found


def flow_of(pages: Sequence[Sequence[Line]]) -> Flow:
    """The text of all pages, given their lines in reading order."""
    pages = [_with_plain_characters(page) for page in pages]
    steps_by_page = [_steps(page) for page in pages]
    all_steps: Counter[tuple[int, int]] = Counter()
    for page_steps in steps_by_page:
        all_steps.update(page_steps)
    document_steps = _usual_steps(all_steps, 1)
    places = [[(round(line.left), round(line.size)) for line in page] for page in pages]
    usual_rights = _usual_rights(pages, places)
    # most documents cut no word, or have no Han
    words = cache(lambda: DocumentWords(pages))
    is_spaced = cache(lambda: _is_spaced("\n".join([line.text for page in pages for line in page])))
    flow = Flow()
    parts: list[str] = []
    length = 0
    above: Line | None = None
    above_size = 0
    its_left = its_right = 0.0
    is_entry = False
    for number, page in enumerate(pages, 1):
        placed = flow.lines[number] = []
        steps = document_steps | _usual_steps(steps_by_page[number - 1], MIN_PAGE_STEPS)
        own = places[number - 1]
        is_new_page = True
        for line, place, (left, right) in zip(page, own, _column_edges(page, own), strict=True):
            text = line.text
            if above is not None:
                usual = steps.get(above_size, 1.3 * above.size)
                joint = _joint(above, line, its_left, its_right, usual, is_new_page, is_entry)
                # most lines end with no hyphen, and are many
                is_cut = parts[-1][-1:] == "-" and (above.is_cut or "\n" not in joint)
                whole = joined(parts[-1], text, words) if is_cut else None
                if whole is not None:
                    length += len(whole) - len(parts[-1])
                    parts[-1], joint = whole, ""
                elif joint == " ":
                    joint = _blank(above.text, text, is_spaced)
                parts.append(joint)
                length += len(joint)
            if is_new_page:
                flow.pages.append((length, number))
                is_new_page = False
            # a contents page's: title, dots, page
            is_entry = ". ." in text or ".." in text
            if is_entry:
                text = _LEADERS.sub(" ", text)
            parts.append(text)
            begin, length = length, length + len(text)
            placed.append((begin, length, text))
            above, above_size, its_left, its_right = line, place[1], left, right
            usual_right = usual_rights.get(place)
            if usual_right is not None and usual_right + 1 < right:
                its_right = _within_edge(line, right, usual_right)
    flow.text = "".join(parts)
    return flow
