"""Whitespace of a page: marks of breaks, and how blanks are collapsed.

In: texts of a page and the breaks between them. Out: their text, as a browser lays it out: runs of whitespace are one
blank, elements of their own are paragraphs or lines, code keeps its blanks, and a line's end between two characters of
a script without spaces is nothing. Breaks are marks, because which of them counts is known only when the next text
comes; all marks are characters that are invalid in HTML.
"""

from __future__ import annotations

import re
from operator import methodcaller

# JOINT: a line's end that is a blank, unless it is between two wide characters. CELL: a table's cell begins.
LINE, PARAGRAPH, ITEM, CELL, JOINT = "\x01", "\x02", "\x04", "\x05", "\x06"
# a blank of code; elsewhere such blanks were made plain ones
CODE_BLANK = "\xa0"
_MARKS = (LINE, PARAGRAPH, ITEM, CELL, JOINT)

# scripts without spaces between words; not Hangul
_WIDE = "\u2e80-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f\uffe0-\uffef\U00020000-\U0003ffff"
# and marks that they share with others: dashes, quotation marks, ellipses
_WIDE_OR_MARK = f"{_WIDE}\u2014\u2018-\u201d\u2026"
MIN_WIDE = "\u2014"
_IS_WIDE = re.compile(f"[{_WIDE_OR_MARK}]")
_BETWEEN = "(?<=[{0}]){2}(?=[{1}])|(?<=[{1}]){2}(?=[{0}])"
_WIDE_JOINT = re.compile(_BETWEEN.format(_WIDE, _WIDE_OR_MARK, f" *{JOINT}[ {JOINT}]*"))
# they begin with the line's end, which is found at once, and is the one between two texts (_without_blank_lines)
_WIDE_BREAK = re.compile(f"\n(?<=[{_WIDE}]\n)(?=[{_WIDE_OR_MARK}])|\n(?<=[{_WIDE_OR_MARK}]\n)(?=[{_WIDE}])")
_EDGE = re.compile(f"\\A\n(?=[{_WIDE_OR_MARK}])|\n(?<=[{_WIDE_OR_MARK}]\n)\\Z")
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


def _without_blank_lines(text: str) -> str:
    """A text with lines, without blanks at their ends."""
    first, *lines = text.split("\n")
    last = lines.pop()
    blanks = " \t\r\f"
    inner = [line for each in lines if (line := each.strip(blanks))]
    return "\n".join((first.rstrip(blanks), *inner, last.lstrip(blanks)))


def with_plain_blanks(text: str) -> str:
    """A text with one blank for each run of whitespace."""
    if text.isprintable() and "  " not in text:
        # the plain blank is the only one that is printable
        return text
    if "\n" in text and not text.isascii():
        text = _EDGE.sub(JOINT, _WIDE_BREAK.sub("", _without_blank_lines(text)))
    # several searches for one character take half the time of a pattern's
    text = text.replace("\n", " ").replace("\t", " ").replace("\xa0", " ").replace("\r", " ").replace("\f", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


_stripped = methodcaller("strip", " ")


def _lines(paragraph: str) -> str:
    return "\n".join(filter(None, map(_stripped, paragraph.split(LINE))))


def collapsed(parts: list[str]) -> str:
    """Texts and marks as one text."""
    text = "".join(parts)
    if JOINT in text:
        text = _WIDE_JOINT.sub("", text).replace(JOINT, " ")
    if ITEM in text:
        text = _ITEM_BREAKS.sub(" ", _NUMBERED_AGAIN.sub(f"-{ITEM}", text)).replace(ITEM, "")
    text = "\n\n".join(filter(None, map(_lines, text.split(PARAGRAPH))))
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n ").replace(CODE_BLANK, " ")
