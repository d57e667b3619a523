"""Sections of an HTML page, as prose.

In: text of a page. Out: sections at h1 to h6 of its main content, below the page's own title; list items and table rows
are lines, code keeps its lines and blanks. Main content is detected block by block on selectolax's tree (html_walk,
html_main), because trafilatura is ten times slower, drops reference and list pages and knows no sections, and
resiliparse's extraction gives no tables.
"""

from __future__ import annotations

import re
from itertools import compress
from operator import itemgetter
from typing import Any

from domainlm.text.characters import has_letter, single_line, words
from domainlm.text.reading.html_blocks import END_OF_REACH, Blocks
from domainlm.text.reading.html_main import Main, book_blocks, main_blocks
from domainlm.text.reading.html_marks import ITEM, LINE, PARAGRAPH, collapsed, without_marks
from domainlm.text.reading.html_names import leads_through_a_book
from domainlm.text.reading.html_walk import blocks_of
from domainlm.text.reading.html_xhtml import as_html, is_xhtml
from domainlm.text.reading.pieces import Coverage, Section

_PERMALINK = re.compile(r"[ \t]*[¶#§\uf0c1]\Z")
# not that of a law's paragraph, which a blank or a number follows
_LEADING_MARK = re.compile(r"\A[¶§](?=[A-Za-z])")
_BREAKS = f" {LINE}{PARAGRAPH}"
# a note that holds more of the page is the page
MAX_NOTE_SHARE = 0.4
# shorter text after a list's item with a heading stays with the item
MIN_CHARS_AFTER_REACH = 50
MIN_TITLE_WORDS_SHARE = 0.75


class _Writer:
    """The sections written so far, while the flow is read.

    above: (level, title, block) of the headings that the next text is below. headings: (level, title) of all. label:
    number of the list item that the open heading begins. parts: texts since the last heading; reaches: (where in them,
    path) of each part that is below other headings than the one before.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.headings: list[tuple[int, str]] = []
        self._above: list[tuple[int, str, int]] = []
        self.parts: list[str] = []
        self._reaches: list[tuple[int, tuple[str, ...]]] = [(0, ())]
        self._label = ""

    def begin_heading(self) -> None:
        self._label = self._taken_label()
        if not self._close() and self._above and leads_through_a_book(self._above[-1][1]):
            # the title of a table of contents that was left out
            self._above.pop()
            self.headings.pop()

    def _taken_label(self) -> str:
        """The label of an item that is only a heading so far."""
        for index in range(len(self.parts) - 1, -1, -1):
            part = self.parts[index]
            if part.endswith(ITEM):
                del self.parts[index:]
                label = part.strip(_BREAKS + ITEM)
                return "" if label == "-" else f"{label} "
            if part.strip(_BREAKS):
                break
        return ""

    def end_heading(self, level: int, block: int) -> None:
        title = _LEADING_MARK.sub("", _PERMALINK.sub("", single_line(collapsed(self.parts))))
        self.parts.clear()
        if title:
            while self._above and self._above[-1][0] >= level:
                self._above.pop()
            self._above.append((level, self._label + title, block))
            self.headings.append((level, self._label + title))
        self._reaches = [(0, self._path())]

    def end_reach(self, block: int) -> None:
        """Text to come is below the headings before a block only."""
        if self._above and self._above[-1][2] > block:
            while self._above and self._above[-1][2] > block:
                self._above.pop()
            self._reaches.append((len(self.parts), self._path()))

    def _path(self) -> tuple[str, ...]:
        return tuple(title for _, title, _ in self._above)

    def _close(self) -> bool:
        """End the sections that are open; False where they have no text."""
        ends = [start for start, _ in self._reaches[1:]] + [len(self.parts)]
        spans: list[tuple[int, int, tuple[str, ...]]] = []
        for (start, path), end in zip(self._reaches, ends, strict=True):
            if spans and sum(len(part.strip(_BREAKS)) for part in self.parts[start:end]) < MIN_CHARS_AFTER_REACH:
                # a word or two are no section of their own
                spans[-1] = (spans[-1][0], end, spans[-1][2])
            else:
                spans.append((start, end, path))
        count = len(self.sections)
        for start, end, path in spans:
            if body := collapsed(self.parts[start:end]):
                self.sections.append(Section(path, path[-1] if path else "", body, 0, -1))
        self.parts.clear()
        self._reaches = [(0, self._path())]
        return len(self.sections) > count

    def closed(self) -> list[Section]:
        self._close()
        return self.sections


def _notes_of(blocks: Blocks) -> list[bool]:
    """For every block whether it is in a note.

    The title of a note is a line of it: the text after the note is not below it.
    """
    if not blocks.notes:
        return []
    chars = blocks.totals(blocks.chars)
    return blocks.within({block for block in blocks.notes if chars[block] <= MAX_NOTE_SHARE * chars[0]})


def _written(blocks: Blocks, main: Main) -> _Writer:
    is_main, is_prose = main.is_read, main.is_prose
    writer = _Writer()
    write = writer.parts.append
    is_note = _notes_of(blocks)
    for block, text, level in compress(blocks.flow, map(is_main.__getitem__, map(itemgetter(0), blocks.flow))):
        if not level:
            write(text)
        elif level == END_OF_REACH:
            writer.end_reach(block)
        elif is_note and is_note[block] and abs(level) > 1:
            write(PARAGRAPH)
        elif not is_prose and 2 * blocks.link_chars[block] > blocks.chars[block]:
            # an item of a list, which has no other text below it
            write(PARAGRAPH)
        elif level > 0:
            writer.begin_heading()
        else:
            writer.end_heading(-level, block)
    return writer


def _is_title(heading: str, sections: list[Section], title: str) -> bool:
    """Whether a heading among others of its level is the page's title.

    The page's title has its words, or no text stands between it and the next heading.
    """
    own, of_page = [word for word in words(heading) if has_letter(word)], set(words(title))
    is_named = bool(own) and sum(word in of_page for word in own) >= MIN_TITLE_WORDS_SHARE * len(own)
    return is_named or not any(section.path == (heading,) for section in sections)


def _told_apart(sections: list[Section], headings: list[tuple[int, str]], title: str) -> list[Section]:
    """Sections below their page's title, where no heading leads the others.

    Pages of reference manuals have one level for name, synopsis and description.
    """
    top = min((level for level, _ in headings), default=0)
    if sum(level == top for level, _ in headings) < 2:
        return sections
    level, first = headings[0]
    lead = first if level == top and _is_title(first, sections, title) else title
    if not lead:
        return sections
    return [
        section
        if section.path[:1] == (lead,)
        else Section((lead, *section.path), section.title or lead, section.body, section.start, section.end)
        for section in sections
    ]


def _page_of(source: str) -> Any:
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(without_marks(as_html(source) if is_xhtml(source) else source))
    # a page of frames has no body; what it says to browsers without frames is unparsed
    frames = page.css_first("noframes") if page.body is None else None
    return page if frames is None else LexborHTMLParser(frames.text() or "")


def _coverage_of(blocks: Blocks, main: Main) -> Coverage:
    """Characters of a page that are read, and those that are boilerplate."""
    kept = sum(compress(blocks.chars, main.is_read))
    removed = blocks.removed + sum(compress(blocks.chars, main.is_boilerplate))
    return Coverage(blocks.removed + sum(blocks.chars), kept, removed)


def read_chapter(source: str) -> tuple[list[Section], float, Coverage]:
    """A chapter's sections, its share of links, and what was read.

    The links that count lead into the book: those of a bibliography lead out of it.
    """
    page = _page_of(source)
    if page.body is None:
        return [], 0.0, Coverage(0, 0, 0)
    blocks = blocks_of(page.body, is_book=True)
    main = book_blocks(blocks)
    chars = sum(blocks.chars)
    share = max(0, sum(blocks.link_chars) - blocks.outer_link_chars) / chars if chars else 0.0
    return _written(blocks, main).closed(), share, _coverage_of(blocks, main)


def read_page(source: str) -> list[Section | Coverage]:
    """Sections of a page, and how much of it they are.

    Offsets are unknown: the end is -1.
    """
    page = _page_of(source)
    if page.body is None:
        return []
    blocks = blocks_of(page.body)
    main = main_blocks(blocks)
    writer = _written(blocks, main)
    sections = writer.closed()
    coverage = _coverage_of(blocks, main)
    if not sections:
        return [coverage]
    named = page.css_first("head title")
    title = single_line(named.text()) if named is not None else ""
    if not sections[0].title:
        # the text before the first heading gets the page's title
        first = sections[0]
        sections[0] = Section((title,) if title else (), title, first.body, first.start, first.end)
    return [coverage, *_told_apart(sections, writer.headings, title)]


def read_html(source: str) -> list[Section]:
    """Sections of a page. Offsets are unknown: the end is -1."""
    return [each for each in read_page(source) if isinstance(each, Section)]
