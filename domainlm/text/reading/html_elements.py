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
from domainlm.text.reading.html_names import names_gutter, names_of

# fmt: off
DROPPED = frozenset((
    "style", "template", "svg", "nav", "select", "iframe", "object", "canvas", "audio", "video", "head",
    "dialog", "option", "input", "rt", "rp", "rtc", "noframes", "pagenum", "-comment",
))
PLAIN = frozenset(("b", "i", "em", "strong", "tt", "font", "kbd", "u", "small", "wbr", "abbr", "cite"))
CODE = frozenset(("pre", "textarea", "xmp", "listing", "plaintext"))
PARAGRAPHS = CODE | frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "details", "div", "dl", "fieldset", "figure", "figcaption",
    "footer", "form", "header", "hr", "main", "noscript", "ol", "p", "section", "summary", "table", "ul",
))
LINES = frozenset(("caption", "dd", "dt", "li", "tbody", "tfoot", "thead", "tr"))
CELLS = frozenset(("td", "th"))
_ROLES = frozenset(("navigation", "search", "banner", "contentinfo", "complementary", "dialog", "menu", "menubar"))
# what ends the reach of a heading within it: the text after an item belongs to the heading above the item
REACHES = frozenset(("aside", "blockquote", "dd", "details", "fieldset", "figure", "li"))
# parts of a row, which is the block that holds the links through a book
ROW_PARTS = LINES | CELLS
# fmt: on
# what is done with an element, by its tag. Those that may be hidden: other ones, links, quotations, blocks by how they begin
# and end
IS_OTHER, IS_LINK, IS_QUOTATION, IS_PARAGRAPH, IS_LINE, IS_CELL, IS_HEADING, IS_SPECIAL = range(8)
# those that may not; and what a page does not show
IS_PLAIN, IS_READ_INSTEAD, IS_BREAK, IS_COUNTED, IS_DROPPED = range(8, 13)
IS_HIDDEN = -1
READ_SOMETIMES = frozenset(("aside", "footer", "noscript"))
WAYS = {
    **dict.fromkeys(PARAGRAPHS, IS_PARAGRAPH),
    **dict.fromkeys(CODE | READ_SOMETIMES | {"article", "header", "ol", "table"}, IS_SPECIAL),
    **dict.fromkeys(LINES, IS_LINE),
    **dict.fromkeys(CELLS, IS_CELL),
    **dict.fromkeys(HEADINGS, IS_HEADING),
    **dict.fromkeys(PLAIN, IS_PLAIN),
    **dict.fromkeys(DROPPED, IS_DROPPED),
    **dict.fromkeys(("math", "script", "img", "button", "sup", "sub"), IS_READ_INSTEAD),
    "a": IS_LINK,
    "q": IS_QUOTATION,
    "br": IS_BREAK,
    "nav": IS_COUNTED,
}
_SHIFT = re.compile(r"vertical-align\s*:\s*(super|sub)(?![a-z-])", re.IGNORECASE)
# how whitespace is shown: runs of it as one blank; as it stands; lines as they stand
COLLAPSED, KEPT, LINES_KEPT = range(3)
_WHITE_SPACE = re.compile(r"white-space(?:-collapse)?\s*:\s*([a-z-]+)")
_SPACINGS = {
    **dict.fromkeys(("normal", "nowrap", "collapse"), COLLAPSED),
    **dict.fromkeys(("pre", "pre-wrap", "break-spaces", "preserve"), KEPT),
    **dict.fromkeys(("pre-line", "preserve-breaks"), LINES_KEPT),
}
# classes of elements that a style sheet raises or lowers
_RAISED = frozenset(("sup", "super", "superscript", "exponent", "exposant", "hochgestellt"))
_LOWERED = frozenset(("sub", "subscript", "indice", "tiefgestellt"))
_SENTENCE = re.compile(r"[.!?;:,。！？；：，、]")
# attributes by which an element may be hidden
HIDING = frozenset(("hidden", "style", "epub:type", "role"))
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


@functools.lru_cache(maxsize=4096)
def is_telling(classes: str) -> bool:
    """Whether a class may hide, shift or number its element."""
    return classes.startswith(("M", "k")) or bool(names_gutter(classes)) or shift_by_class(classes) is not None


@functools.lru_cache(maxsize=4096)
def shift_by_class(classes: str) -> str | None:
    """`sup` or `sub` for a class of raised or lowered text."""
    words = classes.lower().split()
    if not _RAISED.isdisjoint(words):
        return "sup"
    return None if _LOWERED.isdisjoint(words) else "sub"


@functools.lru_cache(maxsize=4096)
def spacing_of(style: str) -> int | None:
    """How an element's style shows whitespace, None if it does not say."""
    values = _WHITE_SPACE.findall(style.lower())
    return next((_SPACINGS[value] for value in reversed(values) if value in _SPACINGS), None)


@functools.lru_cache(maxsize=4096)
def _hides(style: str) -> bool:
    style = "".join(style.lower().split())
    return "display:none" in style or "visibility:hidden" in style


@functools.lru_cache(maxsize=4096)
def _shift(style: str) -> str | None:
    found = _SHIFT.search(style)
    return None if found is None else "sup" if found[1].lower() == "super" else "sub"


def shift_of(attributes: Mapping[str, str | None]) -> str | None:
    """`sup` or `sub` for an element that its style raises or lowers.

    Word processors on the web export powers so.
    """
    style = attributes.get("style")
    return _shift(style) if style else None


def is_hidden(node: Any, attributes: Mapping[str, str | None], classes: str) -> bool:
    """Whether a page hides an element, or shows it in another form.

    It is asked of elements with a telling class or one of HIDING only. Page numbers of a printed edition are hidden, too,
    because they interrupt sentences.
    """
    style = attributes.get("style")
    if "hidden" in attributes or (style and _hides(style)):
        # MediaWiki hides a formula's source and shows an image of it
        return not classes.startswith("mwe-math-mathml")
    if "pagebreak" in (attributes.get("epub:type") or attributes.get("role") or ""):
        return True
    return classes.startswith(("M", "k")) and is_formula_again(node, classes)


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
# tags that say something without attributes
NAMED_TAGS = frozenset(("form", "main", "noscript"))
# tags whose id says nothing: it repeats a heading, or names a function
SLUGGED = HEADINGS | {"dt", "section"}


@functools.lru_cache(maxsize=4096)
def kind_of(
    tag: str, classes: str | None, identifier: str | None, role: str | None, kind: str | None, is_in_code: bool
) -> Kind:
    """The kind of a block by its names.

    It is boilerplate, speech, main content, a note, or a part. kind: its `epub:type`.
    """
    if tag in _KINDS:
        return _KINDS[tag]
    role = role or ""
    if tag == "aside" and _is_note(role, classes, kind):
        return _NOTE
    # the class "sig" of a `dt` marks a function's signature
    if is_in_code or tag == "dt":
        classes = kind = identifier = None
    names = names_of(f"{classes or ''} {kind}" if kind else classes or "", identifier or "")
    is_main = role == "main" or tag == "main"
    found = Kind(names.is_boilerplate or role in _ROLES, names.is_speech, is_main, names.is_note, names.is_page_part)
    return found if any(found) else NO_KIND


def _is_note(role: str, classes: str | None, kind: str | None) -> bool:
    return role == "note" or role.startswith("doc-") or names_of(f"{classes or ''} {kind or ''}", "").is_aside


def is_note(attributes: Mapping[str, str | None]) -> bool:
    """Whether an element is named as a note within a text."""
    return _is_note(attributes.get("role") or "", attributes.get("class"), attributes.get("epub:type"))
