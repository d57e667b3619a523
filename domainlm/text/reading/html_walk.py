"""From the tree of a page to its flow and its blocks.

In: the tree of an HTML page. Out: its flow (texts, breaks, headings), in order, each with the block element that holds
it; and, for every block element, the facts by which main content is detected: how much text, link text and prose is in
it, and whether its name is that of a menu or the like. It is one walk over the tree, in Python but with few calls a
node, because the tree of a page has ten times as many bytes as it shows text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.text.reading.html_blocks import END_OF_REACH, HEADINGS, Blocks
from domainlm.text.reading.html_elements import (
    BLOCKS,
    CODE,
    DROPPED,
    LINES,
    NO_KIND,
    PARAGRAPHS,
    PLAIN,
    REACHES,
    Kind,
    is_hidden,
    is_note,
    is_shown_without_scripts,
    kind_of,
)
from domainlm.text.reading.html_inline import is_line_number, mark_of_note
from domainlm.text.reading.html_lists import Numbering, numbering_of
from domainlm.text.reading.html_marks import CODE_BLANK, ITEM, LINE, PARAGRAPH
from domainlm.text.reading.html_names import declared_step, leaves_book, names_gutter
from domainlm.text.reading.html_run import Run
from domainlm.text.reading.html_tables import Table, begin_cell, begin_row, end_row

_READ_INSTEAD = frozenset(("math", "script", "img", "button", "sup", "sub"))
_READ_SOMETIMES = frozenset(("aside", "footer", "noscript"))
_QUOTES = ("“”", "‘’")
# elements named as line numbers that hold something else, in one another; more are a page's attempt on the reader's time
_MAX_GUTTERS = 8


class _Walk(Run):
    """One walk over a tree: its results, and the open elements.

    Open elements are the open block, and how many of each kind of element are open around it. stack: nodes to come, and
    elements to leave: (node, block above, tag). banner: block of the site's header, or 0. articles, noscripts, gutters: how
    many such elements are open.
    """

    __slots__ = (
        "articles", "banner", "gutters", "headings", "is_book", "last_heading", "noscripts", "numbers", "quotes", "stack", "tables",
    )  # fmt: skip

    def __init__(self, is_book: bool) -> None:
        super().__init__()
        self.is_book = is_book
        self.headings = self.banner = self.quotes = self.last_heading = 0
        self.articles = self.noscripts = self.gutters = 0
        self.stack: list[tuple[Any, int, str]] = []
        self.tables: list[Table] = []
        self.numbers: dict[int, Numbering] = {}

    def push_children(self, node: Any) -> None:
        stack, block = self.stack, self.block
        child = node.last_child
        while child is not None:
            stack.append((child, block, ""))
            child = child.prev

    def enter(self, node: Any, tag: str) -> bool:
        """Begin an element that may be a link or a block.

        Returns False where the page does not show the element.
        """
        attributes = node.attributes
        if attributes:
            classes = attributes.get("class") or ""
            if is_hidden(node, attributes, classes):
                return False
            gutter = classes and names_gutter(classes)
            if gutter and self.may_be_gutter(gutter):
                if is_line_number(node):
                    return False
                self.gutters += 1
                self.stack.append((node, self.block, "gutter"))
        if tag == "a" and "href" in attributes:
            # most links have no more than their target
            mark = mark_of_note(node, attributes) if len(attributes) > 1 else None
            if mark:
                self.read(mark)
                return False
            self.links += 1
            self.serial += 1
            self.target = attributes["href"] or ""
            if self.is_book:
                self.leads_out = leaves_book(self.target)
            if len(attributes) > 1 and (kind := declared_step(attributes)):
                self.count_step(kind)
            self.stack.append((node, self.block, "a"))
        elif tag in BLOCKS:
            return self.open_block(node, tag, attributes)
        elif tag == "q":
            self.read(_QUOTES[self.quotes % 2][0])
            self.quotes += 1
            self.stack.append((node, self.block, "q"))
        return True

    def is_read(self, node: Any, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """Whether a foot, an aside or a noscript is of the page.

        What stands aside in an article is the article's; elsewhere on a page only if it is named as a note. In a book
        everything is.
        """
        if tag == "noscript":
            # one look at the outermost is enough, and looks at each would take quadratic time
            return self.noscripts > 0 or is_shown_without_scripts(node)
        if self.is_book or is_note(attributes):
            return True
        return self.found.tag[self.block] == "blockquote" if tag == "footer" else self.articles > 0

    def may_be_gutter(self, gutter: str) -> bool:
        """Whether line numbers may stand here, by what marks them."""
        if self.gutters >= _MAX_GUTTERS:
            return False
        if gutter == "in table":
            return self.preformatted > 0 or bool(self.tables)
        return gutter == "always" or self.is_at_line_of_code()

    def open_block(self, node: Any, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """Begin a block; False where it is not read at all."""
        found = self.found
        if tag in _READ_SOMETIMES and not self.is_read(node, tag, attributes):
            if tag != "noscript":
                self.count_removed(node)
            return False
        self.end_run()
        above = self.block
        self.stack.append((node, above, tag))
        block = self.block = found.open(above, tag)
        if tag == "article":
            self.articles += 1
        elif tag == "noscript":
            self.noscripts += 1
        kind = kind_of(tag, attributes, self.preformatted > 0)
        if kind is not NO_KIND:
            self.remember(block, kind)
        if tag == "header" and above == 0:
            # a header is the site's, unless the page's title is in it
            self.banner = block
            found.named.add(block)
        elif tag == "h1" and self.banner:
            found.named.discard(self.banner)
        if tag in HEADINGS:
            if not self.headings:
                level = int(tag[1])
                found.flow.append((self.block, "", level))
                found.headings.append((self.block, level))
                self.last_heading = self.block
                self.mark_layout()
            self.headings += 1
        elif tag in PARAGRAPHS:
            found.flow.append((self.block, PARAGRAPH, 0))
            if tag in CODE:
                self.preformatted += 1
                self.mark_layout()
            elif tag == "table":
                self.mark_layout()
                self.tables.append(Table(is_layout=self.preformatted > 0 or self.is_in_note()))
            elif tag == "ol":
                self.numbers[self.block] = numbering_of(node, attributes)
        elif tag in LINES:
            self.open_line(tag, above, attributes)
        elif self.tables:
            begin_cell(self.tables[-1], found.flow, self.block, attributes.get("colspan"), attributes.get("rowspan"))
        return True

    def count_removed(self, node: Any) -> None:
        """Count the text of menus, feet and asides that are excluded."""
        self.found.removed += len(" ".join((node.text() or "").split()))

    def remember(self, block: int, kind: Kind) -> None:
        found = self.found
        sets = (found.named, found.speech, found.main, found.notes, found.page_parts)
        for is_of_kind, blocks in zip(kind, sets, strict=True):
            if is_of_kind:
                blocks.add(block)

    def open_line(self, tag: str, above: int, attributes: Mapping[str, str | None]) -> None:
        label = ""
        if tag == "li":
            numbers = self.numbers.get(above)
            label = (numbers.label(attributes.get("value")) if numbers is not None else "") or "-"
            label += ITEM
        self.found.flow.append((self.block, LINE + label, 0))
        if tag == "tr" and self.tables:
            begin_row(self.tables[-1], self.found.flow)

    def mark_layout(self) -> None:
        """Mark the open row as layout, with headings, code or tables."""
        if self.tables and self.tables[-1].row is not None:
            self.tables[-1].row.is_layout = True

    def is_in_note(self) -> bool:
        """Whether the open block is a note, or is directly within one."""
        block, parent, notes = self.block, self.found.parent, self.found.notes
        return bool(notes) and not notes.isdisjoint((block, parent[block], parent[parent[block]]))

    def leave(self, tag: str, above: int) -> None:
        """End a block: later text belongs to the block above it."""
        flow = self.found.flow
        self.end_run()
        if tag in HEADINGS:
            self.headings -= 1
            if not self.headings:
                flow.append((self.block, "", -int(tag[1])))
        elif tag in PARAGRAPHS:
            if tag in CODE:
                self.preformatted -= 1
            elif tag == "table":
                self.tables.pop()
            elif tag == "article":
                self.articles -= 1
            elif tag == "noscript":
                self.noscripts -= 1
            flow.append((self.block, PARAGRAPH, 0))
        elif tag in LINES:
            if tag == "tr" and self.tables:
                end_row(self.tables[-1], flow, self.block, CODE_BLANK if self.preformatted else PARAGRAPH)
            flow.append((self.block, LINE, 0))
        if tag in REACHES and self.last_heading > self.block:
            flow.append((self.block, "", END_OF_REACH))
        if self.block == self.banner:
            self.banner = 0
        self.block = above


def blocks_of(root: Any, is_book: bool = False) -> Blocks:
    """The blocks of a page, or of a book's chapter.

    The walk is iterative, because a page may nest deeper than Python's stack.
    """
    walk = _Walk(is_book)
    stack = walk.stack
    walk.push_children(root)
    while stack:
        node, above, leaving = stack.pop()
        if leaving == "a":
            walk.links -= 1
        elif leaving == "gutter":
            walk.gutters -= 1
        elif leaving == "q":
            walk.quotes -= 1
            walk.read(_QUOTES[walk.quotes % 2][1])
        elif leaving:
            walk.leave(leaving, above)
        else:
            tag = node.tag
            if tag == "-text":
                walk.read(node.text_content or "")
            elif tag == "br":
                walk.end_run()
                walk.found.flow.append((walk.block, LINE, 0))
            elif tag in _READ_INSTEAD:
                if not walk.read_instead(node, tag):
                    walk.push_children(node)
            elif tag not in DROPPED:
                if tag in PLAIN or walk.enter(node, tag):
                    walk.push_children(node)
            elif tag == "nav":
                walk.count_removed(node)
    walk.end_run()
    return walk.found
