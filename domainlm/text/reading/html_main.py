"""Detection of a page's main content, by blocks.

In: the blocks of a page. Out: for every block whether it is read. Prose leads to the root: from the body down as long
as one child holds most of the prose, and is more than a part of the page: a reference page whose list of parameters is
longer than all else is not that list. Blocks that are named as menus, rows of links through a book, and in a page of
prose those that are mostly links, are removed. From a page without prose (a list, a table of contents), only blocks that
are named as boilerplate are removed; from a chapter of a book only rows of links, because it has no menus.
"""

from __future__ import annotations

from itertools import compress, repeat
from operator import gt, mul, not_
from typing import NamedTuple

from domainlm.text.reading.html_blocks import HEADINGS, Blocks
from domainlm.text.reading.html_steps import step_rows

# chosen on the pages to choose by of benchmarks/text/html_labels.jsonl, 84 today, of which 12 of manuals came later: on the
# other 72, 0.65 to 0.85 in the first cost at most 0.017 of F1, a step of 0.1 (50 characters) in any other at most 0.015
MIN_ROOT_PROSE_SHARE = 0.7
MIN_PROSE_CHARS = 200
MAX_NAMED_PROSE_SHARE = 0.4
MAX_NAMED_CHARS_SHARE = 0.6
MAX_NAMED_PROSE_WITHIN = 0.5
MIN_MAIN_SHARE = 0.4
MIN_SIBLING_PROSE_SHARE = 0.5
MAX_LINK_SHARE = 0.8
MIN_PAGE_PROSE_SHARE = 0.15
SURE_PAGE_PROSE_SHARE = 0.4
MIN_ROOT_PROSE_DENSITY = 0.75
_NO_LEVEL = 9
_CONTAINERS = frozenset(("aside", "div", "section", "ul", "ol", "dl", "table", "form", "header", "center", "fieldset"))
_INNER = frozenset(("p", "pre", "li", "dd", "dt", "blockquote", "td", "th", "tr", "tbody", "thead"))


class Main(NamedTuple):
    """Which blocks of a page are read.

    is_boilerplate: by name or links; what is neither is outside of the main content. is_prose: else it is a list.
    """

    is_read: list[bool]
    is_boilerplate: list[bool]
    is_prose: bool


def _unnamed(blocks: Blocks, chars: list[int], links: list[int], prose: list[int]) -> list[bool]:
    """Whether each block is outside boilerplate, by name and by links.

    A name on a block that holds most of the page does not count.
    """
    dropped = step_rows(blocks, chars, links, prose)
    for block in blocks.named:
        if (
            block
            and prose[block] <= MAX_NAMED_PROSE_SHARE * prose[0]
            and chars[block] <= MAX_NAMED_CHARS_SHARE * chars[0]
            and (block in blocks.speech or prose[block] < MAX_NAMED_PROSE_WITHIN * chars[block])
        ):
            dropped.add(block)
    return list(map(not_, blocks.within(dropped)))


def _declared_main(blocks: Blocks, kept: list[bool], sizes: list[int]) -> int:
    """The `main` element if it holds enough text, else the body.

    Enough is a good part of the page.
    """
    for block in sorted(blocks.main):
        if kept[block] and sizes[block] >= MIN_MAIN_SHARE * sizes[0]:
            return block
    return 0


def _below(blocks: Blocks, roots: set[int], kept: list[bool]) -> list[bool]:
    """Whether each block is a root, or kept within one."""
    inside = [False] * len(kept)
    for block in sorted((*roots, *blocks.without(kept))):
        is_root = block in roots
        if inside[block] != is_root:
            inside[block : blocks.end[block]] = [is_root] * (blocks.end[block] - block)
    return inside


def _children(blocks: Blocks, above: int, kept: list[bool]) -> list[int]:
    found, block = [], above + 1
    while block < blocks.end[above]:
        if kept[block]:
            found.append(block)
        block = blocks.end[block]
    return found


def _levels(blocks: Blocks) -> list[int]:
    """Levels of the headings in each block, one bit a level."""
    found = [0] * len(blocks.parent)
    for heading, level in blocks.headings:
        bit, block = 1 << level, heading
        while not found[block] & bit:
            found[block] |= bit
            block = blocks.parent[block]
    return found


def _top(levels: int) -> int:
    """The outermost of some levels."""
    return (levels & -levels).bit_length() - 1 if levels else _NO_LEVEL


def _is_part(
    blocks: Blocks, block: int, siblings: list[int], levels: list[int], chars: list[int], links: list[int]
) -> bool:
    """Whether a block with most prose is one part of several.

    It is a definition list; or it is named as a part; or sections of its level stand before it; or it has no heading
    of its own among the headings of sections beside it. With the page's title in it, it is the page.
    """
    if blocks.tag[block] == "dl":
        return True
    top = _top(levels[block])
    if top == 1:
        return False
    if block in blocks.page_parts:
        return True
    beside: dict[int, int] = {}
    for sibling in siblings:
        if blocks.tag[sibling] in HEADINGS:
            level = _top(levels[sibling])
            if 1 < level <= top:
                beside[level] = beside.get(level, 0) + 1
        elif (
            sibling < block
            and top != _NO_LEVEL
            and 2 * links[sibling] <= chars[sibling]
            and levels[sibling] & (1 << top)
        ):
            return True
    return any(count > 1 for count in beside.values())


def _roots(
    blocks: Blocks, kept: list[bool], chars: list[int], links: list[int], prose: list[int], levels: list[int]
) -> set[int]:
    """The block with the prose, and similar siblings that are prose, too."""
    root = _declared_main(blocks, kept, prose)
    while True:
        below = _children(blocks, root, kept)
        best = max(below, key=lambda block: prose[block], default=0)
        if not best or prose[best] < MIN_ROOT_PROSE_SHARE * prose[root] or prose[best] < MIN_PROSE_CHARS:
            break
        if _is_part(blocks, best, below, levels, chars, links):
            break
        root = best
    while blocks.tag[root] in _INNER:
        root = blocks.parent[root]
    if root == 0:
        return {0}
    return {
        block
        for block in _children(blocks, blocks.parent[root], kept)
        if block == root
        or (blocks.tag[block] == blocks.tag[root] and prose[block] >= MIN_SIBLING_PROSE_SHARE * chars[block] > 0)
    }


def _is_prose(chars: list[int], prose: list[int], root: int) -> bool:
    """Whether a page is an article rather than a list.

    In an article, prose is a good part of the page, or is together in one place.
    """
    if prose[0] < MIN_PROSE_CHARS or prose[0] < MIN_PAGE_PROSE_SHARE * chars[0]:
        return False
    return prose[0] >= SURE_PAGE_PROSE_SHARE * chars[0] or prose[root] >= MIN_ROOT_PROSE_DENSITY * chars[root]


def _title_before(blocks: Blocks, root: int, kept: list[bool], chars: list[int], top: int) -> int:
    """The last `h1` in front of a block, or 0.

    Without any, it is the last heading near the block that is above all headings in it.
    """
    found = 0
    near = (blocks.parent[root], blocks.parent[blocks.parent[root]])
    for block, level in reversed(blocks.headings):
        if block >= root or not kept[block] or not chars[block]:
            continue
        if level == 1:
            return block
        above = blocks.parent[block]
        if not found and level < top != _NO_LEVEL and (above in near or blocks.parent[above] in near):
            found = block
    return found


def book_blocks(blocks: Blocks) -> Main:
    """The blocks of a book's chapter that are read: nearly all."""
    chars, links = blocks.totals(blocks.chars), blocks.totals(blocks.link_chars)
    dropped = step_rows(blocks, chars, links, blocks.totals(blocks.prose))
    dropped.update(block for block in blocks.named if block and links[block] > MAX_LINK_SHARE * chars[block])
    is_boilerplate = blocks.within(dropped)
    return Main(list(map(not_, is_boilerplate)), is_boilerplate, True)


def main_blocks(blocks: Blocks) -> Main:
    """The main content of a page."""
    all_chars, all_links = blocks.totals(blocks.chars), blocks.totals(blocks.link_chars)
    kept = _unnamed(blocks, all_chars, all_links, blocks.totals(blocks.prose))
    chars, prose = blocks.totals(blocks.chars, kept), blocks.totals(blocks.prose, kept)
    if not chars[0]:
        return Main([True] * len(kept), [False] * len(kept), False)
    levels = _levels(blocks)
    roots = _roots(blocks, kept, chars, all_links, prose, levels)
    if not _is_prose(chars, prose, max(roots, key=lambda block: prose[block])):
        is_read = _below(blocks, {_declared_main(blocks, kept, chars)}, kept)
        return Main(is_read, list(map(not_, kept)), False)
    most_are_links = map(gt, all_links, map(mul, repeat(MAX_LINK_SHARE), all_chars))
    for block in compress(range(len(kept)), most_are_links):
        if block and blocks.tag[block] in _CONTAINERS:
            kept[block] = block in roots
    inside = _below(blocks, roots, kept)
    if not any(inside[block] and level == 1 for block, level in blocks.headings):
        title = _title_before(blocks, min(roots), kept, chars, min(_top(levels[root]) for root in roots))
        if title:
            inside = _below(blocks, {*roots, title}, kept)
    # what is kept may be within what is not
    return Main(inside, blocks.within(blocks.without(kept)), True)
