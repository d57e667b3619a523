"""The block elements of a page, and its flow.

A block is an element that stands by itself: a paragraph, a list, a cell. The values are filled by one walk over the
page's tree (html_walk), and main content is detected by them (html_main). They are lists with one entry a block, and
not objects, because a page has thousands of blocks: so sums over them need no step of Python for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import mul, not_, sub

HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
# level in the flow at which the reach of the headings within a block ends
END_OF_REACH = -9


@dataclass
class Blocks:
    """The flow of a page, and its block elements.

    The first block is the body, and parents come before children. flow: (block, text or mark, 0), or (block, "", level)
    where a heading begins, (block, "", -level) where it ends, (block, "", END_OF_REACH) where the headings within a
    block end their reach. The other lists have one entry a block; end: the block after its last descendant; chars,
    link_chars, prose: of a block's own text, without its descendants. named: blocks named as boilerplate; speech, main,
    notes, page_parts: those named as such. headings: (block, level) of each. steps: by block the links in it that lead
    through a book, by number, and what says so (html_names). linked: places in the flow that are in links. removed:
    characters that are boilerplate by their element, and in no block. outer_link_chars: of links that leave the book,
    counted for books only.
    """

    flow: list[tuple[int, str, int]] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    chars: list[int] = field(default_factory=list)
    link_chars: list[int] = field(default_factory=list)
    prose: list[int] = field(default_factory=list)
    named: set[int] = field(default_factory=set)
    speech: set[int] = field(default_factory=set)
    main: set[int] = field(default_factory=set)
    notes: set[int] = field(default_factory=set)
    page_parts: set[int] = field(default_factory=set)
    headings: list[tuple[int, int]] = field(default_factory=list)
    steps: dict[int, dict[int, int]] = field(default_factory=dict)
    linked: list[int] = field(default_factory=list)
    removed: int = 0
    outer_link_chars: int = 0

    def open(self, parent: int, tag: str) -> int:
        self.parent.append(parent)
        self.end.append(0)
        self.tag.append(tag)
        self.chars.append(0)
        self.link_chars.append(0)
        self.prose.append(0)
        return len(self.parent) - 1

    def close(self, block: int) -> int:
        """End a block; return the one that holds it."""
        self.end[block] = len(self.parent)
        return self.parent[block]

    def totals(self, own: list[int], kept: list[bool] | None = None) -> list[int]:
        """The sum over each block and its descendants.

        Where kept blocks are given, only they count.
        """
        before = list(accumulate(own if kept is None else map(mul, own, kept), initial=0))
        return list(map(sub, map(before.__getitem__, self.end), before))

    def within(self, chosen: Iterable[int]) -> list[bool]:
        """For every block whether it is one of these, or in one."""
        inside = [False] * len(self.parent)
        end = 0
        for block in sorted(chosen):
            if block >= end:
                end = self.end[block]
                inside[block:end] = [True] * (end - block)
        return inside

    def without(self, kept: list[bool]) -> Iterable[int]:
        """The blocks that are not kept, in order."""
        return compress(range(len(kept)), map(not_, kept))
