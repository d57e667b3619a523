"""Whitespace of a page: marks of breaks, and how blanks are collapsed.

In: texts of a page and the breaks between them. Out: their text, as a browser lays it out: runs of whitespace are one
blank, elements of their own are paragraphs or lines, code keeps its blanks, and a line's end between two characters of
a script without spaces is nothing. Breaks are marks, because which of them counts is known only when the next text
comes; all marks are characters that are invalid in HTML.
"""

from __future__ import annotations

import re

# JOINT: a line's end that is a blank, unless it is between two wide characters. CELL: a table's cell begins.
LINE, PARAGRAPH, ITEM, CELL, JOINT = "\x01", "\x02", "\x04", "\x05", "\x06"
# a blank of code; elsewhere such blanks were made plain ones
CODE_BLANK = "\xa0"
_MARKS = (LINE, PARAGRAPH, ITEM, CELL, JOINT)

BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")
# scripts without spaces between words; not Hangul
_WIDE = "\u2e80-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f\uffe0-\uffef\U00020000-\U0003ffff"
# and marks that they share with others: dashes, quotation marks, ellipses
_WIDE_OR_MARK = f"{_WIDE}\u2014\u2018-\u201d\u2026"
MIN_WIDE = "\u2014"
_SPACE = r"[ \t\r\n\f]*"
_IS_WIDE = re.compile(f"[{_WIDE_OR_MARK}]")
_BETWEEN = "(?<=[{0}]){2}(?=[{1}])|(?<=[{1}]){2}(?=[{0}])"
_WIDE_BREAK = re.compile(_BETWEEN.format(_WIDE, _WIDE_OR_MARK, rf"[ \t\r\f]*\n{_SPACE}"))
_WIDE_JOINT = re.compile(_BETWEEN.format(_WIDE, _WIDE_OR_MARK, f" *{JOINT}[ {JOINT}]*"))
# what is possessive keeps the time linear in long runs of whitespace
_EDGES = re.compile(rf"\A[ \t\r\f]*+\n{_SPACE}+(?=[{_WIDE_OR_MARK}])|(?<=[{_WIDE_OR_MARK}])[ \t\r\f]*+\n{_SPACE}+\Z")
# the look-behind keeps the time linear in long runs of whitespace
_BREAKS = re.compile(f"(?<![ {LINE}])[ {LINE}]*{PARAGRAPH}[ {LINE}{PARAGRAPH}]*")
_LINE_BREAKS = re.compile(f"(?<! ) *{LINE}[ {LINE}]*")
# a paragraph inside an item stays on the item's line; a list within it does not
_ITEM_BREAKS = re.compile(f"{ITEM}[ {LINE}{PARAGRAPH}]*+(?![^ {LINE}{PARAGRAPH}{ITEM}]{{1,12}}{ITEM})")
# the author numbered the items, and the list shows no numbers
_NUMBERED_AGAIN = re.compile(rf"(?<![0-9])[0-9]++\.{ITEM}(?=[ {LINE}{PARAGRAPH}]*+[0-9]++(?>(?:\.[0-9]++)*)[.)] )")
_SPACES = re.compile(r"(?<=\S) {2,}")
_BLANK_LINES = re.compile(r"\n{3,}")


def without_marks(source: str) -> str:
    for mark in _MARKS:
        if mark in source:
            source = source.replace(mark, "")
    return source


def is_wide(text: str) -> bool:
    """Whether a character needs no blank beside another of its kind."""
    return _IS_WIDE.match(text) is not None


def with_plain_blanks(text: str) -> str:
    """A text with one blank for each run of whitespace."""
    if "\n" in text and not text.isascii():
        text = _EDGES.sub(JOINT, _WIDE_BREAK.sub("", text))
    return BLANKS.sub(" ", text)


def collapsed(parts: list[str]) -> str:
    """Texts and marks as one text."""
    text = "".join(parts)
    if JOINT in text:
        text = _WIDE_JOINT.sub("", text).replace(JOINT, " ")
    if ITEM in text:
        text = _ITEM_BREAKS.sub(" ", _NUMBERED_AGAIN.sub(f"-{ITEM}", text)).replace(ITEM, "")
    text = _SPACES.sub(" ", _LINE_BREAKS.sub("\n", _BREAKS.sub("\n\n", text)))
    return _BLANK_LINES.sub("\n\n", text).strip("\n ").replace(CODE_BLANK, " ")
