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
    PARAGRAPHS,
    PLAIN,
    REACHES,
    ROW_PARTS,
    is_hidden,
    is_in_sentence,
    is_shown_without_scripts,
    kind_of,
    prose_chars,
)
from domainlm.text.reading.html_formula import formula_of
from domainlm.text.reading.html_inline import (
    formula_picture,
    formula_script,
    is_gutter,
    lowered,
    mark_of_note,
    raised,
)
from domainlm.text.reading.html_lists import Numbering, numbering_of
from domainlm.text.reading.html_marks import CODE_BLANK, ITEM, JOINT, LINE, PARAGRAPH, is_wide, with_plain_blanks
from domainlm.text.reading.html_names import MAX_STEP_CHARS, is_step_link, leads_through_a_book
from domainlm.text.reading.html_tables import Table, begin_cell, begin_row, end_row

_READ_INSTEAD = frozenset(("math", "script", "img", "button", "sup", "sub"))
_QUOTES = ("“”", "‘’")
# text before a raised character
_MAX_CHARS_BEFORE = 20


class _Walk:
    """One walk over a tree: its results, and the open elements.

    Open elements are the open block, and how many of each kind of element are open around it. run: texts of the open
    block since its last break, which began at run_start of the flow. stack: nodes to come, and elements to leave:
    (node, block above, tag). banner: block of the site's header, or 0.
    """

    __slots__ = (
        "banner", "block", "found", "headings", "last_heading", "links", "numbers", "preformatted", "quotes", "run", "run_links",
        "run_start", "run_steps", "serial", "stack", "tables",
    )  # fmt: skip

    def __init__(self) -> None:
        self.found = Blocks()
        self.block = self.found.open(0, "body", False, False, False)
        self.preformatted = self.links = self.headings = self.banner = self.quotes = 0
        self.last_heading = self.serial = 0
        self.run: list[str] = []
        self.run_links = self.run_start = self.run_steps = 0
        self.stack: list[tuple[Any, int, str]] = []
        self.tables: list[Table] = []
        self.numbers: dict[int, Numbering] = {}

    def push_children(self, node: Any) -> None:
        stack, block = self.stack, self.block
        child = node.last_child
        while child is not None:
            stack.append((child, block, ""))
            child = child.prev

    def end_run(self) -> None:
        """Count the texts since the last break for the open block."""
        if self.run:
            found, block = self.found, self.block
            text = "".join(self.run).strip()
            if self.run_steps > 1 and 2 * self.run_links > len(text):
                # nothing but links through a book, between two breaks
                del found.flow[self.run_start :]
            else:
                found.chars[block] += len(text)
                found.link_chars[block] += min(self.run_links, len(text))
                found.prose[block] += len(text) if self.preformatted else prose_chars(text, self.run_links)
            self.run.clear()
            self.run_links = self.run_steps = 0

    def read(self, text: str) -> None:
        if not self.run:
            self.run_start = len(self.found.flow)
        shown = text
        if self.preformatted:
            text = text.replace("\xa0", " ")
            shown = text.replace(" ", CODE_BLANK)
        elif text.isspace():
            # whitespace at the start of a block shows nothing
            if self.run:
                self.found.flow.append((self.block, JOINT if "\n" in text and is_wide(self.run[-1][-1:]) else " ", 0))
                self.run.append(" ")
            return
        else:
            text = shown = with_plain_blanks(text)
        self.found.flow.append((self.block, shown, 0))
        self.run.append(text)
        if self.links:
            self.run_links += len(text)
            if len(text) <= MAX_STEP_CHARS and leads_through_a_book(text):
                self.count_step()

    def count_step(self) -> None:
        """Remember that the open link leads through a book."""
        found, row = self.found, self.block
        while row and found.tag[row] in ROW_PARTS:
            row = found.parent[row]
        steps = found.steps.setdefault(row, set())
        if self.serial not in steps:
            steps.add(self.serial)
            self.run_steps += 1

    def before(self) -> str:
        """The end of the text before."""
        return "".join(self.run[-3:])[-_MAX_CHARS_BEFORE:]

    def read_instead(self, node: Any, tag: str) -> bool:
        """Read what an element says in another way than by its text.

        Returns False if it is to be read as it is.
        """
        if tag == "math":
            self.read(formula_of(node))
        elif tag == "script":
            formula = formula_script(node)
            if formula:
                self.read(formula if self.run else f"{LINE}{formula}{LINE}")
        elif tag == "img":
            formula = formula_picture(node)
            if formula:
                self.read(formula)
        elif tag == "button":
            return self.preformatted > 0 or not is_in_sentence(node)
        elif tag == "sup" or tag == "sub":
            text = raised(node, self.before()) if tag == "sup" else lowered(node, self.before())
            if text is None:
                return False
            self.read(text)
        return True

    def enter(self, node: Any, tag: str) -> bool:
        """Begin an element that may be a link or a block.

        Returns False where the page does not show the element.
        """
        attributes = node.attributes
        if attributes:
            if is_hidden(node, attributes):
                return False
            classes = attributes.get("class")
            if classes and is_gutter(
                node, classes, self.preformatted > 0 and "".join(self.run[-1:])[-1:] in ("", "\n")
            ):
                return False
        if tag == "a" and "href" in attributes:
            mark = mark_of_note(node, attributes)
            if mark:
                self.read(mark)
                return False
            self.links += 1
            self.serial += 1
            if is_step_link(attributes):
                self.count_step()
            self.stack.append((node, self.block, "a"))
        elif tag in BLOCKS:
            return self.open_block(node, tag, attributes)
        elif tag == "q":
            self.read(_QUOTES[self.quotes % 2][0])
            self.quotes += 1
            self.stack.append((node, self.block, "q"))
        return True

    def open_block(self, node: Any, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """Begin a block; False where it is not read at all."""
        found = self.found
        if tag == "footer" and found.tag[self.block] != "blockquote" and "notes" not in (attributes.get("class") or ""):
            return False
        if tag == "noscript" and found.tag[self.block] != "noscript" and not is_shown_without_scripts(node):
            return False
        kind = kind_of(tag, attributes, self.preformatted > 0, tag == "aside" and self.is_in_article())
        is_named = kind.is_named
        if tag == "header" and self.block == 0:
            # a header is the site's, unless the page's title is in it
            is_named, self.banner = True, len(found.parent)
        elif tag == "h1" and self.banner:
            found.is_named[self.banner] = False
        self.end_run()
        self.stack.append((node, self.block, tag))
        above = self.block
        self.block = found.open(above, tag, is_named, kind.is_speech, kind.is_main)
        if kind.is_note:
            found.notes.add(self.block)
        if kind.is_page_part:
            found.page_parts.add(self.block)
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
        """Know the open row as layout: it holds a heading, code or a table."""
        if self.tables and self.tables[-1].row is not None:
            self.tables[-1].row.is_layout = True

    def is_in_note(self) -> bool:
        """Whether the open block is a note, or is directly within one."""
        block, parent, notes = self.block, self.found.parent, self.found.notes
        return bool(notes) and not notes.isdisjoint((block, parent[block], parent[parent[block]]))

    def is_in_article(self) -> bool:
        block, parent, tag = self.block, self.found.parent, self.found.tag
        while block and tag[block] != "article":
            block = parent[block]
        return block > 0

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


def blocks_of(root: Any) -> Blocks:
    """The blocks of a page.

    The walk is iterative, because a page may nest deeper than Python's stack.
    """
    walk = _Walk()
    stack = walk.stack
    walk.push_children(root)
    while stack:
        node, above, leaving = stack.pop()
        if leaving == "a":
            walk.links -= 1
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
            elif tag not in DROPPED and (tag in PLAIN or walk.enter(node, tag)):
                walk.push_children(node)
    walk.end_run()
    return walk.found
