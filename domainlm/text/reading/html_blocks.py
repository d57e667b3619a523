"""The flow and the block elements of a page, from its tree.

In: the tree of an HTML page. Out: its flow (texts, breaks, headings), in order, each with the block element that holds
it; and, for every block element, the facts by which main content is detected: how much text, link text and prose is in
it, and whether its name is that of a menu or the like. It is one walk over the tree, in Python but with few calls a
node, because the tree of a page has ten times as many bytes as it shows text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domainlm.text.characters import has_letter
from domainlm.text.reading.html_formula import formula_of

# fmt: off
_DROPPED = frozenset((
    "script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "button", "select", "textarea",
    "iframe", "object", "canvas", "audio", "video", "head", "dialog", "option", "input", "img", "-comment",
))
_PLAIN = frozenset(("b", "i", "em", "strong", "code", "tt", "sub", "sup", "font", "kbd", "u", "small", "wbr", "abbr", "cite"))
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
PARAGRAPHS = frozenset((
    "address", "article", "blockquote", "body", "center", "details", "div", "dl", "fieldset", "figure", "figcaption",
    "form", "header", "hr", "main", "ol", "p", "pre", "section", "summary", "table", "ul",
))
LINES = frozenset(("caption", "dd", "dt", "li", "tbody", "tfoot", "thead", "tr"))
CELLS = frozenset(("td", "th"))
_BLOCKS = HEADINGS | PARAGRAPHS | LINES | CELLS
_ROLES = frozenset(("navigation", "search", "banner", "contentinfo", "complementary", "dialog", "menu", "menubar"))
# words of a class or an id that mark boilerplate
_NAMES = frozenset((
    "ad", "ads", "advert", "advertisement", "author", "banner", "breadcrumb", "breadcrumbs", "byline", "catlinks",
    "comment", "commentlist", "comments", "contentinfo", "cookie", "cookies", "copyright", "crumb", "crumbs", "dateline",
    "disqus", "editsection", "foot", "footer", "footerbar", "hatnote", "hidden", "jumpto", "login", "menu", "menus",
    "meta", "modal", "nav", "navbar", "navbox", "navheader", "navfooter", "navigation", "newsletter", "noprint", "page-nav",
    "pager", "pagination", "popup", "postauthor", "postdetails", "postprofile", "printfooter", "profile", "promo",
    "rank", "ranking", "recommend", "recommended", "related", "share", "sharing", "side", "sidebar", "sig", "signature",
    "siblings", "skip", "social", "subscribe", "tag", "tags", "toc", "toolbar", "userinfo", "widget",
))
# the words among them whose block may be prose that is not the page's: by its readers, or about other pages
_SPEECH = frozenset((
    "author", "comment", "commentlist", "comments", "cookie", "cookies", "disqus", "newsletter", "recommend", "recommended",
    "related", "sig", "signature", "subscribe",
))
# classes of docutils, DocBook and pandoc. A section's id repeats its heading: a section about cookies is no cookie notice
_SECTIONS = frozenset(("sect", "section", "subsection"))
# fmt: on
_PARTS = ("sidebar", "breadcrumb", "comment", "recommend", "copyright", "navig", "pagination", "signature", "footer")
# the second form of a formula, after the one that is read: KaTeX's and MathJax's
_FORMULA_AGAIN = ("katex-html", "MJX_Assistive_MathML")
# MediaWiki hides a formula's source and shows an image of it
_FORMULA_HIDDEN = "mwe-math-mathml"
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_LETTERS = re.compile(r"[^a-z]+")
_BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")
_SENTENCE = re.compile(r"[.!?;:,。！？；：，、]")
# marks that stand for a break until whitespace is collapsed; both are invalid in HTML text
PARAGRAPH, LINE = "\x02", "\x01"
# shorter blocks are labels, buttons and dates more often than sentences; Chinese sentences have fewer characters
_MIN_PROSE_CHARS, _MIN_HAN_PROSE_CHARS = 50, 20


@dataclass
class Blocks:
    """The flow of a page, and its block elements.

    The first block is the body, and parents come before children. flow: (block, text or mark, 0), or (block, "", level)
    where a heading begins, (block, "", -level) where it ends. The other lists have one entry a block. chars,
    link_chars, prose: of a block's own text, without its descendants.
    """

    flow: list[tuple[int, str, int]] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    is_named: list[bool] = field(default_factory=list)
    is_speech: list[bool] = field(default_factory=list)
    is_main: list[bool] = field(default_factory=list)
    chars: list[int] = field(default_factory=list)
    link_chars: list[int] = field(default_factory=list)
    prose: list[int] = field(default_factory=list)

    def open(self, parent: int, tag: str, is_named: bool, is_speech: bool, is_main: bool) -> int:
        self.parent.append(parent)
        self.tag.append(tag)
        self.is_named.append(is_named)
        self.is_speech.append(is_speech)
        self.is_main.append(is_main)
        self.chars.append(0)
        self.link_chars.append(0)
        self.prose.append(0)
        return len(self.parent) - 1

    def totals(self, own: list[int], kept: list[bool] | None = None) -> list[int]:
        """The sum over each block and its descendants.

        Where kept blocks are given, only they count.
        """
        total = [count if kept is None or kept[block] else 0 for block, count in enumerate(own)]
        for block in range(len(total) - 1, 0, -1):
            total[self.parent[block]] += total[block]
        return total


def _words(name: str) -> list[str]:
    return _NOT_LETTERS.split(_CAMEL.sub("-", name).lower())


@functools.lru_cache(maxsize=4096)
def _named(classes: str, identifier: str) -> tuple[bool, bool]:
    """Whether classes or id name boilerplate, and whether they name speech.

    Speech is prose that is not the page's, such as comments (`_SPEECH`). Words count as a whole.
    """
    words = _words(classes)
    if _SECTIONS.isdisjoint(words):
        words += _words(identifier)
    name = "-".join(words)
    is_speech = not _SPEECH.isdisjoint(words)
    return is_speech or not _NAMES.isdisjoint(words) or any(part in name for part in _PARTS), is_speech


def _prose_chars(text: str, link_chars: int) -> int:
    own = len(text) - link_chars
    if own < _MIN_HAN_PROSE_CHARS or not _SENTENCE.search(text):
        return 0
    return own if own >= _MIN_PROSE_CHARS or text[len(text) // 2] >= "\u2e80" or text[len(text) // 3] >= "\u2e80" else 0


def _is_in_sentence(button: Any) -> bool:
    """Whether a button stands inside a sentence.

    It does if words stand before it and text after it: "press OK, then wait" lacks a word without it.
    """
    before, after = button.prev, button.next
    return (
        before is not None
        and after is not None
        and before.tag == after.tag == "-text"
        and has_letter(before.text_content or "")
        and bool((after.text_content or "").strip())
    )


def _is_hidden(node: Any, attributes: Mapping[str, str | None]) -> bool:
    """Whether a page hides an element, or shows it in another form.

    The second form of a formula is such a repetition.
    """
    style, classes = attributes.get("style"), attributes.get("class") or ""
    if "hidden" in attributes or (style and "display:none" in style.replace(" ", "")):
        return not classes.startswith(_FORMULA_HIDDEN)
    return classes.startswith(_FORMULA_AGAIN) and node.prev is not None


class _Walk:
    """One walk over a tree: its results, and the open elements.

    Open elements are the open block, and how many of each kind of element are open around it. run: texts of the open
    block since its last break. stack: nodes to come, and elements to leave: (node, block above, tag). banner: block of
    the site's header, or 0.
    """

    __slots__ = ("banner", "block", "found", "headings", "links", "preformatted", "run", "run_links", "stack")

    def __init__(self) -> None:
        self.found = Blocks()
        self.block = self.found.open(0, "body", False, False, False)
        self.preformatted = self.links = self.headings = self.banner = 0
        self.run: list[str] = []
        self.run_links = 0
        self.stack: list[tuple[Any, int, str]] = []

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
            found.chars[block] += len(text)
            found.link_chars[block] += min(self.run_links, len(text))
            found.prose[block] += len(text) if self.preformatted else _prose_chars(text, self.run_links)
            self.run.clear()
            self.run_links = 0

    def read(self, text: str) -> None:
        if self.preformatted:
            text = text.replace("\xa0", " ")
        elif text.isspace():
            # whitespace at the start of a block shows nothing
            if self.run:
                self.found.flow.append((self.block, " ", 0))
                self.run.append(" ")
            return
        else:
            text = _BLANKS.sub(" ", text)
        self.found.flow.append((self.block, text, 0))
        self.run.append(text)
        if self.links:
            self.run_links += len(text)

    def enter(self, node: Any, tag: str) -> bool:
        """Begin an element that may be a link or a block.

        Returns False where the page does not show the element.
        """
        attributes = node.attributes
        if attributes and _is_hidden(node, attributes):
            return False
        if tag == "a" and "href" in attributes:
            self.links += 1
            self.stack.append((node, self.block, "a"))
        elif tag in _BLOCKS:
            self.open_block(node, tag, attributes)
        return True

    def open_block(self, node: Any, tag: str, attributes: Mapping[str, str | None]) -> None:
        found = self.found
        is_named = is_speech = is_main = False
        if attributes:
            role = attributes.get("role")
            is_main = role == "main"
            # the class "sig" of a `dt` marks a function's signature
            if not self.preformatted and tag != "dt":
                has_slug = tag == "section" or tag in HEADINGS
                identifier = "" if has_slug else attributes.get("id") or ""
                is_named, is_speech = _named(attributes.get("class") or "", identifier)
            is_named = is_named or role in _ROLES
        if tag == "form":
            is_named = True
        elif tag == "header" and self.block == 0:
            # a header is the site's, unless the page's title is in it
            is_named, self.banner = True, len(found.parent)
        elif tag == "h1" and self.banner:
            found.is_named[self.banner] = False
        self.end_run()
        self.stack.append((node, self.block, tag))
        self.block = found.open(self.block, tag, is_named, is_speech, is_main or tag == "main")
        if tag in HEADINGS:
            if not self.headings:
                found.flow.append((self.block, "", int(tag[1])))
            self.headings += 1
        elif tag in PARAGRAPHS:
            self.preformatted += tag == "pre"
            found.flow.append((self.block, PARAGRAPH, 0))
        elif tag in LINES:
            found.flow.append((self.block, LINE + ("- " if tag == "li" else ""), 0))
        elif tag in CELLS:
            found.flow.append((self.block, " ", 0))

    def leave(self, tag: str, above: int) -> None:
        """End a block: later text belongs to the block above it."""
        flow = self.found.flow
        self.end_run()
        if tag in HEADINGS:
            self.headings -= 1
            if not self.headings:
                flow.append((self.block, "", -int(tag[1])))
        elif tag in PARAGRAPHS:
            self.preformatted -= tag == "pre"
            flow.append((self.block, PARAGRAPH, 0))
        elif tag in LINES:
            flow.append((self.block, LINE, 0))
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
        elif leaving:
            walk.leave(leaving, above)
        else:
            tag = node.tag
            if tag == "-text" or tag == "math":
                walk.read(formula_of(node) if tag == "math" else node.text_content or "")
            elif tag == "br":
                walk.end_run()
                walk.found.flow.append((walk.block, LINE, 0))
            elif tag in _DROPPED and not (tag == "button" and not walk.preformatted and _is_in_sentence(node)):
                continue
            elif tag in _PLAIN or walk.enter(node, tag):
                walk.push_children(node)
    walk.end_run()
    return walk.found
