"""Detection of a page's main content, by blocks.

In: the blocks of a page. Out: for every block whether it is read. Prose leads to the root: from the body down as long
as one child holds most of the prose. Blocks that are named as menus, and in a page of prose those that are mostly
links, are removed. From a page without prose (a list, a table of contents), only blocks that are named as boilerplate
are removed.
"""

from __future__ import annotations

from domainlm.text.reading.html_blocks import Blocks

# chosen on the 72 choice pages of benchmarks/text/html_labels.jsonl: 0.65 to 0.85 in the first cost at most 0.017 of F1,
# a step of 0.1 (50 characters) in any other at most 0.015
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
_CONTAINERS = frozenset(("div", "section", "ul", "ol", "dl", "table", "form", "header", "center", "fieldset"))
_INNER = frozenset(("p", "pre", "li", "dd", "dt", "blockquote", "td", "th", "tr", "tbody", "thead"))


def _unnamed(blocks: Blocks, chars: list[int], prose: list[int]) -> list[bool]:
    """Whether each block is outside of blocks named as boilerplate.

    A name on a block that holds most of the page does not count.
    """
    kept = [True] * len(blocks.parent)
    for block in range(1, len(kept)):
        is_boilerplate = (
            blocks.is_named[block]
            and prose[block] <= MAX_NAMED_PROSE_SHARE * prose[0]
            and chars[block] <= MAX_NAMED_CHARS_SHARE * chars[0]
            and (blocks.is_speech[block] or prose[block] < MAX_NAMED_PROSE_WITHIN * chars[block])
        )
        kept[block] = kept[blocks.parent[block]] and not is_boilerplate
    return kept


def _declared_main(blocks: Blocks, kept: list[bool], sizes: list[int]) -> int:
    """The `main` element if it holds enough text, else the body.

    Enough is a good part of the page.
    """
    for block in range(1, len(kept)):
        if blocks.is_main[block] and kept[block] and sizes[block] >= MIN_MAIN_SHARE * sizes[0]:
            return block
    return 0


def _below(blocks: Blocks, roots: set[int], kept: list[bool]) -> list[bool]:
    inside = [False] * len(kept)
    for block in range(len(kept)):
        inside[block] = block in roots or (block > 0 and kept[block] and inside[blocks.parent[block]])
    return inside


def _roots(blocks: Blocks, kept: list[bool], chars: list[int], prose: list[int]) -> set[int]:
    """The block with the prose, and similar siblings that are prose, too."""
    children: dict[int, list[int]] = {}
    for block in range(1, len(kept)):
        if kept[block]:
            children.setdefault(blocks.parent[block], []).append(block)
    root = _declared_main(blocks, kept, prose)
    while True:
        best = max(children.get(root, ()), key=lambda block: prose[block], default=0)
        if not best or prose[best] < MIN_ROOT_PROSE_SHARE * prose[root] or prose[best] < MIN_PROSE_CHARS:
            break
        root = best
    while blocks.tag[root] in _INNER:
        root = blocks.parent[root]
    if root == 0:
        return {0}
    return {
        block
        for block in children[blocks.parent[root]]
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


def _title_before(blocks: Blocks, root: int, kept: list[bool], chars: list[int]) -> int:
    """The last `h1` in front of a block, or 0."""
    for block in range(root - 1, 0, -1):
        if kept[block] and blocks.tag[block] == "h1" and chars[block]:
            return block
    return 0


def main_blocks(blocks: Blocks) -> tuple[list[bool], bool]:
    """Whether each block is main content, and whether the page is prose.

    Else it is a list.
    """
    all_chars, all_links = blocks.totals(blocks.chars), blocks.totals(blocks.link_chars)
    kept = _unnamed(blocks, all_chars, blocks.totals(blocks.prose))
    chars, prose = blocks.totals(blocks.chars, kept), blocks.totals(blocks.prose, kept)
    if not chars[0]:
        return [True] * len(kept), False
    roots = _roots(blocks, kept, chars, prose)
    if not _is_prose(chars, prose, max(roots, key=lambda block: prose[block])):
        return _below(blocks, {_declared_main(blocks, kept, chars)}, kept), False
    for block in range(1, len(kept)):
        if blocks.tag[block] in _CONTAINERS and all_links[block] > MAX_LINK_SHARE * all_chars[block]:
            kept[block] = block in roots
    inside = _below(blocks, roots, kept)
    if not any(is_inside and tag == "h1" for is_inside, tag in zip(inside, blocks.tag, strict=True)):
        title = _title_before(blocks, min(roots), kept, chars)
        if title:
            inside = _below(blocks, {*roots, title}, kept)
    return inside, True
