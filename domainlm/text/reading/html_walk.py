"""From the tree of a page to its flow and its blocks.

In: the tree of an HTML page. Out: its flow (texts, breaks, headings), in order, each with the block element that holds
it; and, for every block element, the facts by which main content is detected: how much text, link text and prose is in
it, and whether its name is that of a menu or the like. It is one walk over the tree, in Python but with few calls a
node, because the tree of a page has ten times as many bytes as it shows text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.text.reading.html_blocks import END_OF_REACH, Blocks
from domainlm.text.reading.html_elements import (
    CODE,
    HIDING,
    IS_CELL,
    IS_HEADING,
    IS_HIDDEN,
    IS_LINE,
    IS_LINK,
    IS_OTHER,
    IS_PARAGRAPH,
    IS_PLAIN,
    IS_QUOTATION,
    IS_SPECIAL,
    KEPT,
    NAMED_TAGS,
    NO_KIND,
    REACHES,
    READ_SOMETIMES,
    SLUGGED,
    WAYS,
    Kind,
    is_hidden,
    is_note,
    is_shown_without_scripts,
    is_telling,
    kind_of,
    shift_by_class,
    shift_of,
    spacing_of,
)
from domainlm.text.reading.html_inline import is_line_number, is_short_shift, mark_of_note
from domainlm.text.reading.html_lists import Numbering, numbering_of
from domainlm.text.reading.html_marks import CODE_BLANK, ITEM, LINE, PARAGRAPH
from domainlm.text.reading.html_names import DECLARING, declared_step, leaves_book, names_gutter
from domainlm.text.reading.html_run import Run
from domainlm.text.reading.html_tables import Table, begin_cell, begin_row, end_row

_QUOTES = ("“”", "‘’")
# elements named as line numbers that hold something else, in one another; more are a page's attempt on the reader's time
_MAX_GUTTERS = 8

Attributes = Mapping[str, str | None]


class _Walk(Run):
    """One walk over a tree: its results, and the open elements.

    Open elements are the open block, and how many of each kind of element are open around it. stack: the open elements,
    and what ends with each. banner: block of the site's header, or 0. articles, noscripts: how many such elements are open.
    """

    __slots__ = (
        "articles", "banner", "headings", "is_book", "last_heading", "noscripts", "numbers", "quotes", "stack", "tables",
    )  # fmt: skip

    def __init__(self, is_book: bool) -> None:
        super().__init__()
        self.is_book = is_book
        self.headings = self.banner = self.quotes = self.last_heading = 0
        self.articles = self.noscripts = 0
        self.stack: list[tuple[Any, int]] = []
        self.tables: list[Table] = []
        self.numbers: dict[int, Numbering] = {}

    def enter(self, node: Any, tag: str, way: int) -> int:
        """Begin an element that may be hidden, a link or a block.

        Returns what ends with it.
        """
        attributes = node.attributes
        is_gutter = False
        spacing = KEPT if tag in CODE else None
        if attributes:
            classes = attributes.get("class") or ""
            has_telling_class = is_telling(classes)
            if has_telling_class or not HIDING.isdisjoint(attributes):
                if is_hidden(node, attributes, classes):
                    return IS_HIDDEN
                if way == IS_OTHER and (shift := self.shift(node, attributes)) and self.read_instead(node, shift):
                    return IS_HIDDEN
                if (style := attributes.get("style")) and (own := spacing_of(style)) is not None:
                    spacing = own
            if has_telling_class and self.may_be_gutter(classes):
                if is_line_number(node):
                    return IS_HIDDEN
                is_gutter = True
        if way >= IS_PARAGRAPH:
            if way == IS_SPECIAL and not self.is_read(node, tag, attributes):
                return IS_HIDDEN
            self.open_block(node, tag, way, attributes)
        elif way == IS_LINK:
            way = self.open_link(node, attributes) if "href" in attributes else IS_OTHER
        elif way == IS_QUOTATION:
            self.read(_QUOTES[self.quotes % 2][0])
            self.quotes += 1
        if is_gutter:
            self.open_gutter(len(self.stack))
        if spacing is not None and spacing != self.spacing:
            self.open_spacing(spacing, len(self.stack), bool(self.tables))
        return way

    def shift(self, node: Any, attributes: Attributes) -> str | None:
        """`sup` or `sub` for an element that is raised or lowered."""
        by_class = shift_by_class(attributes.get("class") or "")
        return shift_of(attributes) or (by_class if by_class and is_short_shift(node) else None)

    def open_link(self, node: Any, attributes: Attributes) -> int:
        """Begin a link; a note's mark alone is hidden."""
        # most links have no more than their target
        has_more = len(attributes) > 1
        mark = mark_of_note(node, attributes) if has_more else None
        if mark:
            self.read(mark)
            return IS_HIDDEN
        self.links += 1
        self.serial += 1
        self.target = attributes["href"] or ""
        if self.is_book:
            self.leads_out = leaves_book(self.target)
        if has_more and not DECLARING.isdisjoint(attributes) and (kind := declared_step(attributes)):
            self.count_step(kind)
        return IS_LINK

    def is_read(self, node: Any, tag: str, attributes: Attributes) -> bool:
        """Whether a foot, an aside or a noscript is of the page.

        What stands aside in an article is the article's; elsewhere on a page only if it is named as a note. In a book
        everything is.
        """
        if tag not in READ_SOMETIMES:
            return True
        if tag == "noscript":
            # one look at the outermost is enough, and looks at each would take quadratic time
            return self.noscripts > 0 or is_shown_without_scripts(node)
        if self.is_book or is_note(attributes):
            return True
        is_of_page = self.found.tag[self.block] == "blockquote" if tag == "footer" else self.articles > 0
        if not is_of_page:
            self.count_removed(node)
        return is_of_page

    def may_be_gutter(self, classes: str) -> bool:
        """Whether line numbers may stand here, by what marks them."""
        gutter = names_gutter(classes)
        if not gutter or self.gutters >= _MAX_GUTTERS:
            return False
        if gutter == "in table":
            return self.preformatted > 0 or bool(self.tables)
        return gutter == "always" or self.is_at_line_of_code()

    def open_block(self, node: Any, tag: str, way: int, attributes: Attributes) -> None:
        if self.run:
            self.end_run()
        above = self.block
        block = self.block = self.found.open(above, tag)
        if attributes or tag in NAMED_TAGS:
            get = attributes.get
            identifier = get("id") if tag not in SLUGGED else None
            kind = kind_of(tag, get("class"), identifier, get("role"), get("epub:type"), self.preformatted > 0)
            if kind is not NO_KIND:
                self.remember(block, kind)
        if way == IS_PARAGRAPH:
            self.flow.append((block, PARAGRAPH, 0))
        elif way == IS_LINE:
            self.open_line(tag, above, attributes)
        elif way == IS_CELL:
            if self.tables:
                begin_cell(self.tables[-1], self.flow, block, attributes.get("colspan"), attributes.get("rowspan"))
        elif way == IS_HEADING:
            self.open_heading(tag)
        else:
            self.open_special(node, tag, above, attributes)

    def remember(self, block: int, kind: Kind) -> None:
        found = self.found
        sets = (found.named, found.speech, found.main, found.notes, found.page_parts)
        for is_of_kind, blocks in zip(kind, sets, strict=True):
            if is_of_kind:
                blocks.add(block)

    def open_line(self, tag: str, above: int, attributes: Attributes) -> None:
        label = ""
        if tag == "li":
            numbers = self.numbers.get(above)
            label = (numbers.label(attributes.get("value")) if numbers is not None else "") or "-"
            label += ITEM
        self.flow.append((self.block, LINE + label, 0))
        if tag == "tr" and self.tables:
            begin_row(self.tables[-1], self.flow)

    def open_heading(self, tag: str) -> None:
        if tag == "h1" and self.banner:
            # a header is the site's, unless the page's title is in it
            self.found.named.discard(self.banner)
        if not self.headings:
            level = int(tag[1])
            self.flow.append((self.block, "", level))
            self.found.headings.append((self.block, level))
            self.last_heading = self.block
            self.mark_layout()
        self.headings += 1

    def open_special(self, node: Any, tag: str, above: int, attributes: Attributes) -> None:
        """Begin a paragraph that is more than that."""
        self.flow.append((self.block, PARAGRAPH, 0))
        if tag in CODE:
            self.preformatted += 1
            self.mark_layout()
        elif tag == "table":
            self.mark_layout()
            self.tables.append(Table(is_layout=self.preformatted > 0 or self.is_in_note()))
        elif tag == "ol":
            self.numbers[self.block] = numbering_of(node, attributes)
        elif tag == "article":
            self.articles += 1
        elif tag == "noscript":
            self.noscripts += 1
        elif tag == "header" and above == 0:
            self.banner = self.block
            self.found.named.add(self.block)

    def mark_layout(self) -> None:
        """Mark the open row as layout, with headings, code or tables."""
        if self.tables and self.tables[-1].row is not None:
            self.tables[-1].row.is_layout = True

    def is_in_note(self) -> bool:
        """Whether the open block is a note, or is directly within one."""
        block, parent, notes = self.block, self.found.parent, self.found.notes
        return bool(notes) and not notes.isdisjoint((block, parent[block], parent[parent[block]]))

    def leave(self, way: int) -> None:
        """End a quotation or block; later text is of its parent."""
        if way == IS_QUOTATION:
            self.quotes -= 1
            self.read(_QUOTES[self.quotes % 2][1])
            return
        if self.run:
            self.end_run()
        flow, block = self.flow, self.block
        if way == IS_PARAGRAPH:
            flow.append((block, PARAGRAPH, 0))
        elif way == IS_LINE:
            if self.tables and self.found.tag[block] == "tr":
                end_row(self.tables[-1], flow, block, CODE_BLANK if self.preformatted else PARAGRAPH)
            flow.append((block, LINE, 0))
        elif way == IS_HEADING:
            self.headings -= 1
            if not self.headings:
                flow.append((block, "", -int(self.found.tag[block][1])))
        elif way == IS_SPECIAL:
            self.leave_special(self.found.tag[block])
        if self.last_heading > block and self.found.tag[block] in REACHES:
            flow.append((block, "", END_OF_REACH))
        self.block = self.found.close(block)

    def leave_special(self, tag: str) -> None:
        self.flow.append((self.block, PARAGRAPH, 0))
        if tag in CODE:
            self.preformatted -= 1
        elif tag == "table":
            self.tables.pop()
        elif tag == "article":
            self.articles -= 1
        elif tag == "noscript":
            self.noscripts -= 1
        elif self.block == self.banner:
            self.banner = 0


def blocks_of(root: Any, is_book: bool = False) -> Blocks:
    """The blocks of a page, or of a book's chapter.

    The walk is iterative, because a page may nest deeper than Python's stack.
    """
    walk = _Walk(is_book)
    stack, run, places = walk.stack, walk.run, walk.places
    node = root.first_child
    while True:
        if node is None:
            if not stack:
                break
            node, ends = stack.pop()
            if ends == IS_LINK:
                walk.links -= 1
            elif ends:
                walk.leave(ends)
            if places and places[-1] == len(stack):
                walk.close_places(len(stack))
            node = node.next
            continue
        tag = node.tag
        if tag == "-text":
            text = node.text_content or ""
            # whitespace at the start of a block, which shows nothing, is the most frequent text
            if run or walk.preformatted or not text.isspace():
                walk.read(text)
            node = node.next
            continue
        way = WAYS.get(tag, IS_OTHER)
        if way < IS_PLAIN:
            ends = walk.enter(node, tag, way)
        elif way == IS_PLAIN:
            ends = IS_OTHER
        else:
            ends = walk.pass_by(node, tag, way)
        if ends == IS_HIDDEN:
            node = node.next
        else:
            stack.append((node, ends))
            node = node.first_child
    if run:
        walk.end_run()
    walk.found.close(0)
    return walk.found
