"""Sections of an HTML page, as prose.

In: text of a page. Out: sections at h1 to h6 of its main content; list items and table rows are lines, `pre` keeps
its lines. Main content is detected block by block on selectolax's tree (html_blocks, html_main), because trafilatura
is ten times slower, drops reference and list pages and knows no sections, and resiliparse's extraction gives no
tables.
"""

from __future__ import annotations

import re

from domainlm.text.characters import single_line
from domainlm.text.reading.html_blocks import LINE, PARAGRAPH, blocks_of
from domainlm.text.reading.html_main import main_blocks
from domainlm.text.reading.pieces import Section

# the look-behind keeps the time linear in long runs of whitespace
_BREAKS = re.compile(f"(?<![ {LINE}])[ {LINE}]*{PARAGRAPH}[ {LINE}{PARAGRAPH}]*")
_LINE_BREAKS = re.compile(f"(?<! ) *{LINE}[ {LINE}]*")
_ITEM_MARK = re.compile(r"^-[ \n]+(?=[^\s-])", re.MULTILINE)
_PERMALINK = re.compile(r"[ \t]*[¶#\uf0c1]\Z")


def _collapsed(parts: list[str]) -> str:
    text = _LINE_BREAKS.sub("\n", _BREAKS.sub("\n\n", "".join(parts)))
    # a paragraph inside a list item stays on the item's line
    text = _ITEM_MARK.sub("- ", re.sub(r"(?<=\S) {2,}", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n ")


class _Writer:
    """The sections written so far, while the tree is walked."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._above: list[tuple[int, str]] = []
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        self._parts.append(text)

    def begin_heading(self) -> None:
        self._close()

    def end_heading(self, level: int) -> None:
        title = _PERMALINK.sub("", single_line(_collapsed(self._parts)))
        self._parts.clear()
        if title:
            while self._above and self._above[-1][0] >= level:
                self._above.pop()
            self._above.append((level, title))

    def _close(self) -> None:
        body = _collapsed(self._parts)
        self._parts.clear()
        if body:
            path = tuple(title for _, title in self._above)
            self.sections.append(Section(path, path[-1] if path else "", body, 0, -1))

    def closed(self) -> list[Section]:
        self._close()
        return self.sections


def read_html(text: str) -> list[Section]:
    """Sections of a page. Offsets are unknown: the end is -1."""
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(text.replace(PARAGRAPH, "").replace(LINE, ""))
    root = page.body
    if root is None:
        return []
    blocks = blocks_of(root)
    is_main, is_prose = main_blocks(blocks)
    writer = _Writer()
    for block, text, level in blocks.flow:
        if not is_main[block]:
            continue
        if level and not is_prose and 2 * blocks.link_chars[block] > blocks.chars[block]:
            # an item of a list, which has no other text below it
            writer.write(PARAGRAPH)
        elif level > 0:
            writer.begin_heading()
        elif level < 0:
            writer.end_heading(-level)
        else:
            writer.write(text)
    sections = writer.closed()
    if sections and not sections[0].title:
        # the text before the first heading gets the page's title
        named = page.css_first("head title")
        title = single_line(named.text()) if named is not None else ""
        first = sections[0]
        sections[0] = Section((title,) if title else (), title, first.body, first.start, first.end)
    return sections
