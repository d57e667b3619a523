"""Rows of links that lead through a book: Prev, Up, Next.

In: the blocks of a page, and what says of each link that it is a step. Out: the blocks that are nothing but such rows.
"Home", "first" and "index" are also keys, methods and words, so a name alone is not enough: the row holds no words beside
its links, it leads to other pages, and where it stands counts. A page may declare its steps (`rel`, `accesskey`); only
then may the titles of the pages stand beside them, at an edge of the page.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection
from itertools import compress
from operator import itemgetter

from domainlm.text.characters import has_letter
from domainlm.text.reading.html_blocks import Blocks
from domainlm.text.reading.html_elements import ROW_PARTS
from domainlm.text.reading.html_marks import CELL, LINE, PARAGRAPH
from domainlm.text.reading.html_names import (
    STEP_KEY,
    STEP_PLACE,
    STEP_RELATION,
    STEP_WORD,
    leads_through_a_book,
)

# of a page's characters, as a block that is named as boilerplate; and links beside which the titles stand
MAX_STEP_ROW_SHARE = 0.6
MAX_STEP_ROW_CHARS = 500
MAX_SHORT_STEP_ROW_CHARS = 200
# three keys of a page in a language whose words are not known
_MIN_KEYS = 3
# a page may nest items in items without end
_MAX_CLIMB = 8
_ITEMS = frozenset(("li", "dt"))
_LISTS = frozenset(("ul", "ol", "dl"))
_MARKS = (LINE, PARAGRAPH, CELL)
_DIGIT = re.compile("[0-9]")
_AROUND_LABELS = " \t\n,.;&/()"


def _says_something(text: str) -> bool:
    return text[:1] not in _MARKS and (has_letter(text) or _DIGIT.search(text) is not None)


def are_steps(kinds: Collection[int], beside: list[str]) -> bool:
    """Whether links are steps, with these texts beside them.

    One of them at least leads to another page; "Next:" may stand beside a declared one only.
    """
    keys = sum(kind & STEP_KEY > 0 for kind in kinds)
    if keys < _MIN_KEYS and not any(
        kind & STEP_RELATION or (kind & STEP_WORD and not kind & STEP_PLACE) for kind in kinds
    ):
        return False
    beside = [text for text in beside if _says_something(text)]
    return not beside or (
        _declared(kinds) > 0 and all(leads_through_a_book(text.strip(_AROUND_LABELS)) for text in beside)
    )


def _declared(kinds: Collection[int]) -> int:
    """How many links the page itself declares as steps."""
    keys = sum(kind & STEP_KEY > 0 for kind in kinds)
    if keys >= _MIN_KEYS:
        return len(kinds)
    return sum(kind & STEP_RELATION > 0 or (kind & STEP_KEY > 0 and kind & STEP_WORD > 0) for kind in kinds)


def _row_of(blocks: Blocks, block: int, whole_lists: set[int]) -> int:
    """The block that is the row of a link, or 0.

    An item is part of a row only if all items of its list are.
    """
    for _ in range(_MAX_CLIMB):
        tag, above = blocks.tag[block], blocks.parent[block]
        if tag not in ROW_PARTS:
            return block
        if tag in _ITEMS and above not in whole_lists:
            return 0
        block = above
    return 0


def _whole_lists(blocks: Blocks, chars: list[int]) -> set[int]:
    """Lists of which each item that has text has a step."""
    lists = {blocks.parent[block] for block in blocks.steps if blocks.tag[block] in _ITEMS}
    for block, tag in enumerate(blocks.tag if lists else ()):
        if tag in _ITEMS and chars[block] and block not in blocks.steps:
            lists.discard(blocks.parent[block])
    return lists


def _rows(blocks: Blocks, chars: list[int]) -> dict[int, list[int]]:
    """The rows of a page's steps, each with its signs."""
    lists = _whole_lists(blocks, chars)
    rows: dict[int, list[int]] = {}
    for block, steps in blocks.steps.items():
        if row := _row_of(blocks, block, lists):
            rows.setdefault(row, []).extend(steps.values())
    # each link may have a block of its own
    above: dict[int, list[int]] = {}
    for row, kinds in rows.items():
        if len(kinds) == 1 and (outer := _row_of(blocks, blocks.parent[row], lists)):
            above.setdefault(outer, []).extend(kinds)
    for row, kinds in above.items():
        if len(kinds) + len(rows.get(row, ())) > 1:
            rows.setdefault(row, []).extend(kinds)
    return rows


class _Places:
    """Where the rows of a page stand in it."""

    def __init__(self, blocks: Blocks, rows: Collection[int]) -> None:
        self._blocks = blocks
        titles = {block for block, level in blocks.headings if level == 1}
        skipped = blocks.within({*rows, *titles, *blocks.named})
        flow = blocks.flow
        texts = (index for index in range(len(flow)) if not skipped[flow[index][0]] and _says_something(flow[index][1]))
        back = (
            index
            for index in range(len(flow) - 1, -1, -1)
            if not skipped[flow[index][0]] and _says_something(flow[index][1])
        )
        self._first, self._last = next(texts, len(flow)), next(back, -1)
        # of several places of a block, the first is the last that is put in
        self._starts = dict(zip(map(itemgetter(0), reversed(flow)), range(len(flow) - 1, -1, -1), strict=True))

    def is_at_edge(self, row: int) -> bool:
        """Whether a row is at the edge or beside a rule."""
        start = self._starts.get(row, -1)
        return start < self._first or start > self._last or self._is_beside_rule(row)

    def _is_beside_rule(self, row: int) -> bool:
        tag, after = self._blocks.tag, self._blocks.end[row]
        if after < len(tag) and tag[after] == "hr":
            return True
        for _ in range(_MAX_CLIMB):
            if row and row - 1 == self._blocks.parent[row]:
                row -= 1
        return tag[row - 1] == "hr" if row else False


def _beside(blocks: Blocks, rows: Collection[int]) -> dict[int, list[str]]:
    """The texts in each row that are in no link."""
    near = map(blocks.within(rows).__getitem__, map(itemgetter(0), blocks.flow))
    linked = set(blocks.linked)
    own: dict[int, list[str]] = {}
    for index, (block, text, level) in compress(enumerate(blocks.flow), near):
        if not level and index not in linked and _says_something(text):
            own.setdefault(block, []).append(text)
    blocks_with_text = sorted(own)
    found = {}
    for row in rows:
        # a row holds few characters, so few blocks with text
        start, end = bisect_left(blocks_with_text, row), bisect_left(blocks_with_text, blocks.end[row])
        found[row] = [text for block in blocks_with_text[start:end] for text in own[block]]
    return found


def step_rows(blocks: Blocks, chars: list[int], links: list[int], prose: list[int]) -> set[int]:
    """Blocks that hold nothing but links through a book."""
    if not blocks.steps:
        return set()
    rows = {
        row: kinds
        for row, kinds in _rows(blocks, chars).items()
        if not prose[row]
        and 0 < chars[row] <= min(MAX_STEP_ROW_SHARE * chars[0], MAX_STEP_ROW_CHARS)
        and (2 * links[row] >= chars[row] or chars[row] <= MAX_SHORT_STEP_ROW_CHARS)
        and (len(kinds) > 1 or links[row] == chars[row])
    }
    if not rows:
        return set()
    places = _Places(blocks, rows)
    beside = _beside(blocks, rows)
    found = set()
    for row, kinds in rows.items():
        if not are_steps(kinds, []):
            continue
        is_only_links = are_steps(kinds, beside[row])
        is_list = blocks.tag[row] in _LISTS
        if len(kinds) == 1:
            is_sure = _declared(kinds) > 0
        elif is_only_links:
            is_sure = _declared(kinds) > 1 or (2 * links[row] >= chars[row] and not is_list)
        else:
            is_sure = False
        if is_sure or ((is_only_links or _declared(kinds) > 1) and places.is_at_edge(row)):
            found.add(row)
    return found
