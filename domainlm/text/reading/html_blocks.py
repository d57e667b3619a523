"""What a page shows, as marks and texts in order, each with the block element that holds it.

In: the tree of an HTML page. Out: its flow (texts, breaks, headings) and, for every block element, what main content is
told by: how much text, link text and prose is in it, and whether its name says that it is a menu or the like. One walk
over the tree, in Python but with few calls a node: the tree of a page has ten times as many bytes as it shows text.
"""

from __future__ import annotations

import functools
import re
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
# words of a class or an id that tell what is not main content
_NAMES = frozenset((
    "ad", "ads", "advert", "advertisement", "author", "banner", "breadcrumb", "breadcrumbs", "byline", "catlinks",
    "comment", "commentlist", "comments", "contentinfo", "cookie", "cookies", "copyright", "crumb", "crumbs", "dateline",
    "disqus", "editsection", "foot", "footer", "footerbar", "hatnote", "hidden", "jumpto", "login", "menu", "menus",
    "meta", "modal", "nav", "navbar", "navbox", "navheader", "navfooter", "navigation", "newsletter", "noprint", "page-nav",
    "pager", "pagination", "popup", "postauthor", "postdetails", "postprofile", "printfooter", "profile", "promo",
    "rank", "ranking", "recommend", "recommended", "related", "share", "sharing", "side", "sidebar", "sig", "signature",
    "siblings", "skip", "social", "subscribe", "tag", "tags", "toc", "toolbar", "userinfo", "widget",
))
# those of them whose block may be prose that is not the page's: of its readers, or about other pages
_SPEECH = frozenset((
    "author", "comment", "commentlist", "comments", "cookie", "cookies", "disqus", "newsletter", "recommend", "recommended",
    "related", "sig", "signature", "subscribe",
))
# classes of docutils, DocBook and pandoc. The id of a section is its heading's words: one about cookies is no notice of them
_SECTIONS = frozenset(("sect", "section", "subsection"))
# fmt: on
_PARTS = ("sidebar", "breadcrumb", "comment", "recommend", "copyright", "navig", "pagination", "signature", "footer")
# the second form of a formula, behind the one that is read: KaTeX's and MathJax's
_FORMULA_AGAIN = ("katex-html", "MJX_Assistive_MathML")
# MediaWiki's formulas are hidden behind an image of them
_FORMULA_HIDDEN = "mwe-math-mathml"
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_LETTERS = re.compile(r"[^a-z]+")
_BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")
_SENTENCE = re.compile(r"[.!?;:,。！？；：，、]")
# marks that stand for a break until blanks are collapsed; both are invalid in HTML text
PARAGRAPH, LINE = "\x02", "\x01"
# shorter blocks are labels, buttons and dates more often than sentences; a Chinese sentence is that much shorter
_MIN_PROSE_CHARS, _MIN_HAN_PROSE_CHARS = 50, 20


@dataclass
class Blocks:
    """What a page shows, and its block elements; the first is the body, and parents come before children.

    flow: (block, text or mark, 0), or (block, "", level) where a heading begins, (block, "", -level) where it ends. The
    other lists have one entry a block. chars, link_chars, prose: of its own text, without its descendants.
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
        """What each block holds with its descendants; of kept blocks only, where they are given."""
        total = [count if kept is None or kept[block] else 0 for block, count in enumerate(own)]
        for block in range(len(total) - 1, 0, -1):
            total[self.parent[block]] += total[block]
        return total


def _words(name: str) -> list[str]:
    return _NOT_LETTERS.split(_CAMEL.sub("-", name).lower())


@functools.lru_cache(maxsize=4096)
def _named(classes: str, identifier: str) -> tuple[bool, bool]:
    """Whether classes or id name boilerplate, and whether they name comments and the like. Words count as a whole."""
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
    """Whether words stand before a button and something after it: "press OK, then wait" lacks a word without it."""
    before, after = button.prev, button.next
    return (
        before is not None
        and after is not None
        and before.tag == after.tag == "-text"
        and has_letter(before.text_content or "")
        and bool((after.text_content or "").strip())
    )


def blocks_of(root: Any) -> Blocks:
    """Iterative: a page may nest deeper than Python's stack."""
    found = Blocks()
    block = found.open(0, "body", False, False, False)
    flow = found.flow
    preformatted = links = headings = 0
    banner = 0
    run: list[str] = []
    run_links = 0
    stack: list[tuple[Any, int, str]] = []

    def push_children(node: Any) -> None:
        child = node.last_child
        while child is not None:
            stack.append((child, block, ""))
            child = child.prev

    def end_run() -> None:
        nonlocal run_links
        if run:
            text = "".join(run).strip()
            found.chars[block] += len(text)
            found.link_chars[block] += min(run_links, len(text))
            found.prose[block] += len(text) if preformatted else _prose_chars(text, run_links)
            run.clear()
            run_links = 0

    push_children(root)
    while stack:
        node, above, leaving = stack.pop()
        if leaving == "a":
            links -= 1
            continue
        if leaving:
            end_run()
            if leaving in HEADINGS:
                headings -= 1
                if not headings:
                    flow.append((block, "", -int(leaving[1])))
            elif leaving in PARAGRAPHS:
                preformatted -= leaving == "pre"
                flow.append((block, PARAGRAPH, 0))
            elif leaving in LINES:
                flow.append((block, LINE, 0))
            if block == banner:
                banner = 0
            block = above
            continue
        tag = node.tag
        if tag == "-text" or tag == "math":
            text = formula_of(node) if tag == "math" else node.text_content or ""
            if preformatted:
                text = text.replace("\xa0", " ")
            elif text.isspace():
                # blanks at the start of a block show nothing
                if run:
                    flow.append((block, " ", 0))
                    run.append(" ")
                continue
            else:
                text = _BLANKS.sub(" ", text)
            flow.append((block, text, 0))
            run.append(text)
            if links:
                run_links += len(text)
            continue
        if tag == "br":
            end_run()
            flow.append((block, LINE, 0))
            continue
        if tag in _DROPPED and not (tag == "button" and not preformatted and _is_in_sentence(node)):
            continue
        is_named = is_speech = is_main = False
        if tag not in _PLAIN:
            attributes = node.attributes
            if attributes:
                style, classes = attributes.get("style"), attributes.get("class") or ""
                if "hidden" in attributes or (style and "display:none" in style.replace(" ", "")):
                    if not classes.startswith(_FORMULA_HIDDEN):
                        continue
                elif classes.startswith(_FORMULA_AGAIN) and node.prev is not None:
                    continue
            if tag == "a" and "href" in attributes:
                links += 1
                stack.append((node, block, "a"))
            elif tag in _BLOCKS:
                if attributes:
                    role = attributes.get("role")
                    is_main = role == "main"
                    # the class "sig" of a term is a function's signature
                    if not preformatted and tag != "dt":
                        has_slug = tag == "section" or tag in HEADINGS
                        is_named, is_speech = _named(classes, "" if has_slug else attributes.get("id") or "")
                    is_named = is_named or role in _ROLES
                if tag == "form":
                    is_named = True
                elif tag == "header" and block == 0:
                    # the site's, unless the page's title is in it
                    is_named, banner = True, len(found.parent)
                elif tag == "h1" and banner:
                    found.is_named[banner] = False
                end_run()
                stack.append((node, block, tag))
                block = found.open(block, tag, is_named, is_speech, is_main or tag == "main")
                if tag in HEADINGS:
                    if not headings:
                        flow.append((block, "", int(tag[1])))
                    headings += 1
                elif tag in PARAGRAPHS:
                    preformatted += tag == "pre"
                    flow.append((block, PARAGRAPH, 0))
                elif tag in LINES:
                    flow.append((block, LINE + ("- " if tag == "li" else ""), 0))
                elif tag in CELLS:
                    flow.append((block, " ", 0))
        push_children(node)
    end_run()
    return found
