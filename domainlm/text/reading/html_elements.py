"""Kinds of HTML elements, and what an element's attributes say.

In: an element of a page's tree, or the text of a block. Out: whether the element is shown, whether it is a block, how
it breaks the text, whether it is boilerplate, speech or main content; how much of a text is prose. The walk over the
tree asks it of every element.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from domainlm.text.characters import has_letter
from domainlm.text.reading.html_blocks import HEADINGS
from domainlm.text.reading.html_inline import is_formula_again
from domainlm.text.reading.html_names import names_of

# fmt: off
DROPPED = frozenset((
    "style", "template", "svg", "nav", "select", "iframe", "object", "canvas", "audio", "video", "head",
    "dialog", "option", "input", "rt", "rp", "rtc", "noframes", "pagenum", "-comment",
))
PLAIN = frozenset(("b", "i", "em", "strong", "code", "tt", "font", "kbd", "u", "small", "wbr", "abbr", "cite"))
CODE = frozenset(("pre", "textarea", "xmp", "listing", "plaintext"))
PARAGRAPHS = CODE | frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "details", "div", "dl", "fieldset", "figure", "figcaption",
    "footer", "form", "header", "hr", "main", "noscript", "ol", "p", "section", "summary", "table", "ul",
))
LINES = frozenset(("caption", "dd", "dt", "li", "tbody", "tfoot", "thead", "tr"))
CELLS = frozenset(("td", "th"))
BLOCKS = HEADINGS | PARAGRAPHS | LINES | CELLS
_ROLES = frozenset(("navigation", "search", "banner", "contentinfo", "complementary", "dialog", "menu", "menubar"))
# what ends the reach of a heading within it: the text after an item belongs to the heading above the item
REACHES = frozenset(("aside", "blockquote", "dd", "details", "fieldset", "figure", "li"))
# parts of a row, which is the block that holds the links through a book
ROW_PARTS = LINES | CELLS
# fmt: on
_SENTENCE = re.compile(r"[.!?;:,。！？；：，、]")
# what is said to readers without scripts
_OF_SCRIPTS = re.compile(r"java ?script|cookies", re.IGNORECASE)
# shorter blocks are labels, buttons and dates more often than sentences; Chinese sentences have fewer characters
_MIN_PROSE_CHARS, _MIN_HAN_PROSE_CHARS = 50, 20


def prose_chars(text: str, link_chars: int) -> int:
    own = len(text) - link_chars
    if own < _MIN_HAN_PROSE_CHARS or not _SENTENCE.search(text):
        return 0
    return own if own >= _MIN_PROSE_CHARS or text[len(text) // 2] >= "\u2e80" or text[len(text) // 3] >= "\u2e80" else 0


def is_in_sentence(button: Any) -> bool:
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


def is_hidden(node: Any, attributes: Mapping[str, str | None], classes: str) -> bool:
    """Whether a page hides an element, or shows it in another form.

    Page numbers of a printed edition are hidden, too, because they interrupt sentences.
    """
    style = attributes.get("style")
    if style is not None:
        style = "".join(style.lower().split())
    if "hidden" in attributes or (style and ("display:none" in style or "visibility:hidden" in style)):
        # MediaWiki hides a formula's source and shows an image of it
        return not classes.startswith("mwe-math-mathml")
    if "pagebreak" in (attributes.get("epub:type") or attributes.get("role") or ""):
        return True
    return (classes[:1] == "M" or classes[:1] == "k") and is_formula_again(node, classes)


def is_shown_without_scripts(node: Any) -> bool:
    """Whether a `noscript` says something else than that scripts are off."""
    text = node.text() or ""
    return len(text) >= _MIN_HAN_PROSE_CHARS and not _OF_SCRIPTS.search(text)


class Kind(NamedTuple):
    """What the attributes of a block say of it."""

    is_named: bool
    is_speech: bool
    is_main: bool
    is_note: bool
    is_page_part: bool


NO_KIND = Kind(False, False, False, False, False)
_NOTE = Kind(False, False, False, True, False)
# a form's fields, and what is said to browsers without scripts, are the page's only if it holds nothing else
_KINDS = {"form": Kind(True, False, False, False, False), "noscript": Kind(True, True, False, False, False)}
_MAIN = Kind(False, False, True, False, False)


def kind_of(tag: str, attributes: Mapping[str, str | None], is_in_code: bool) -> Kind:
    """The kind of a block by its names.

    It is boilerplate, speech, main content, a note, or a part.
    """
    if tag in _KINDS:
        return _KINDS[tag]
    if not attributes:
        return _MAIN if tag == "main" else NO_KIND
    if tag == "aside" and is_note(attributes):
        return _NOTE
    role = attributes.get("role") or ""
    # the class "sig" of a `dt` marks a function's signature
    if is_in_code or tag == "dt":
        return _kind_of(role, tag, "", "")
    kind, classes = attributes.get("epub:type"), attributes.get("class") or ""
    has_slug = tag == "section" or tag in HEADINGS
    return _kind_of(role, tag, f"{classes} {kind}" if kind else classes, "" if has_slug else attributes.get("id") or "")


@functools.lru_cache(maxsize=4096)
def _kind_of(role: str, tag: str, classes: str, identifier: str) -> Kind:
    names = names_of(classes, identifier)
    is_main = role == "main" or tag == "main"
    return Kind(names.is_boilerplate or role in _ROLES, names.is_speech, is_main, names.is_note, names.is_page_part)


def is_note(attributes: Mapping[str, str | None]) -> bool:
    """Whether an element is named as a note within a text."""
    role = attributes.get("role") or ""
    classes = f"{attributes.get('class') or ''} {attributes.get('epub:type') or ''}"
    return role == "note" or role.startswith("doc-") or names_of(classes, "").is_aside
