"""Sections of an HTML page, as prose.

In: text of a page. Out: sections at h1 to h6, without navigation, scripts and forms; list items and table rows are lines,
`pre` keeps its lines. The page's `main` part is read where it has one. Walked node by node with selectolax: its own text
function knows no blocks, and trafilatura's choice of the main content is 150 times slower and drops reference pages.
"""

from __future__ import annotations

import re
from typing import Any

from domainlm.text.characters import single_line
from domainlm.text.reading.pieces import Section

# fmt: off
_DROPPED = frozenset((
    "script", "style", "noscript", "template", "svg", "math", "nav", "footer", "aside", "form", "button",
    "select", "textarea", "iframe", "object", "canvas", "audio", "video", "head", "dialog",
))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PARAGRAPHS = frozenset((
    "address", "article", "blockquote", "body", "center", "details", "div", "dl", "fieldset", "figure",
    "figcaption", "header", "hr", "main", "ol", "p", "pre", "section", "summary", "table", "ul",
))
_LINES = frozenset(("br", "caption", "dd", "dt", "li", "option", "tbody", "tfoot", "thead", "tr"))
# fmt: on
_CELLS = frozenset(("td", "th"))
_BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")
# marks that stand for a break until blanks are collapsed; both are invalid in HTML text
_PARAGRAPH, _LINE = "\x02", "\x01"
# the look-behind keeps long runs of blanks linear
_BREAKS = re.compile(f"(?<![ {_LINE}])[ {_LINE}]*{_PARAGRAPH}[ {_LINE}{_PARAGRAPH}]*")
_LINE_BREAKS = re.compile(f"(?<! ) *{_LINE}[ {_LINE}]*")
_ITEM_MARK = re.compile(r"^-[ \n]+(?=[^\s-])", re.MULTILINE)
_PERMALINK = re.compile(r"[ \t]*[¶#\uf0c1]\Z")


def _collapsed(parts: list[str]) -> str:
    text = _LINE_BREAKS.sub("\n", _BREAKS.sub("\n\n", "".join(parts)))
    # a paragraph inside a list item stays on the item's line
    text = _ITEM_MARK.sub("- ", re.sub(r"(?<=\S) {2,}", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n ")


class _Writer:
    """Sections while the tree is walked."""

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


def _walk(root: Any, writer: _Writer) -> None:
    """Iterative: a page may nest deeper than Python's stack."""
    preformatted = heading = 0
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, is_leaving = stack.pop()
        tag = node.tag
        if is_leaving:
            if tag in _HEADINGS:
                heading -= 1
                if not heading:
                    writer.end_heading(int(tag[1]))
            elif tag in _PARAGRAPHS:
                preformatted -= tag == "pre"
                writer.write(_PARAGRAPH)
            elif tag in _LINES:
                writer.write(_LINE)
            continue
        if node.is_text_node:
            text = (node.text_content or "").replace(_PARAGRAPH, "").replace(_LINE, "")
            writer.write(text.replace("\xa0", " ") if preformatted else _BLANKS.sub(" ", text))
            continue
        if not node.is_element_node or tag in _DROPPED or "hidden" in node.attributes:
            continue
        if tag in _HEADINGS:
            if not heading:
                writer.begin_heading()
            heading += 1
        elif tag in _PARAGRAPHS:
            preformatted += tag == "pre"
            writer.write(_PARAGRAPH)
        elif tag in _LINES:
            writer.write(_LINE + ("- " if tag == "li" else ""))
        elif tag in _CELLS:
            writer.write(" ")
        stack.append((node, True))
        children = []
        child = node.first_child
        while child is not None:
            children.append((child, False))
            child = child.next
        stack.extend(reversed(children))


def read_html(text: str) -> list[Section]:
    """Sections of a page. Offsets are unknown: the end is -1."""
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(text)
    root = page.css_first("main, [role=main]") or page.body
    if root is None:
        return []
    writer = _Writer()
    _walk(root, writer)
    sections = writer.closed()
    if sections and not sections[0].title:
        # what precedes the first heading goes by the page's own title
        named = page.css_first("head title")
        title = single_line(named.text()) if named is not None else ""
        first = sections[0]
        sections[0] = Section((title,) if title else (), title, first.body, first.start, first.end)
    return sections
