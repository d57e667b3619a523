"""Repair of mojibake, which arose before we read the text.

In: text. Out: the text with such lines decoded again, and the number of these lines. There are three kinds: UTF-8
read as Latin-1, Windows-1252 or Mac Roman (left to ftfy); UTF-8 read as GBK; Chinese or Japanese bytes read as
Latin-1, by the same detection of character sets as for files. ftfy over everything runs at 3.5 MB/s and examines each
character; here it gets a line only if the line holds the bytes of a UTF-8 sequence as characters, which is tested at
some 200 MB/s. Text that lost bytes on its way stays as it is. The repair runs before normalisation, which would
remove the control characters that such bytes turn into.
"""

from __future__ import annotations

import re

from domainlm.raw.charset import decode
from domainlm.raw.unreadable import Unreadable

# what the bytes 0x80 to 0xbf are in Latin-1 and Windows-1252
_TRAIL = (
    "\x80-\xbf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022"
    "\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
# a whole UTF-8 sequence, or the beginning of a quotation mark or dash in Mac Roman
_SUSPECT = re.compile(
    f"[\xc3-\xdf][{_TRAIL}]|\xc2[\x80-\xbf]|[\xe0-\xef][{_TRAIL}]{{2}}|[\xf0-\xf4][{_TRAIL}]{{3}}|\u201a\xc4"
)
# "，", "。" and "的" in UTF-8, read as GBK, begin with these three, which Chinese prose hardly uses
_SUSPECT_GBK = ("锛", "銆", "鐨")
# prose in Western languages has hardly two such letters in a row, and one in ten of its characters
_WESTERN_RUN = re.compile("[\x80-\xff]{5}")
# rows of one sign or two, as between a heading and its page number, are no letters of any language
_ROW = re.compile("([\x80-\xff]{1,2})\\1{2,}")
_IS_LATIN_1 = re.compile("[\x00-\xff]*")
_WESTERN = re.compile("[\x80-\xff]+")
MIN_WESTERN_SHARE = 0.3
MIN_CHARSET_SCORE = 0.9


def _from_western(text: str) -> str:
    """The text decoded from its real character set, if not Latin-1.

    Lines of other kinds stay.
    """
    without_rows = _ROW.sub(r"\1", text)
    western = sum(map(len, _WESTERN.findall(without_rows)))
    is_much = western >= MIN_WESTERN_SHARE * len("".join(without_rows.split()))
    if not is_much or not _WESTERN_RUN.search(without_rows):
        return text
    lines = text.split("\n")
    coded = [line.encode("latin-1") if not line.isascii() and _IS_LATIN_1.fullmatch(line) else None for line in lines]
    try:
        found = decode(b"\n".join(line for line in coded if line is not None), MIN_CHARSET_SCORE)
    except Unreadable:
        return text
    # to UTF-16 and UTF-32 the line ends that join the lines are halves of characters
    if not found.is_exact or found.charset.startswith(("cp1252", "utf-16", "utf-32")):
        return text
    decoded = iter(found.text.split("\n"))
    return "\n".join(line if code is None else next(decoded) for line, code in zip(lines, coded, strict=True))


def _from_gbk(line: str) -> str:
    if not any(mark in line for mark in _SUSPECT_GBK):
        return line
    try:
        return line.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return line


def _repaired_line(line: str) -> str:
    if _SUSPECT.search(line):
        import ftfy

        line = ftfy.fix_encoding(line)
    return _from_gbk(line)


def repaired(text: str) -> tuple[str, int]:
    """The text without mojibake, and the number of changed lines."""
    if text.isascii():
        return text, 0
    better = _from_western(text) if _WESTERN_RUN.search(text) else text
    # ftfy would take pairs of such bytes for single letters of UTF-8
    if better is text and (_SUSPECT.search(text) or any(mark in text for mark in _SUSPECT_GBK)):
        better = "\n".join(map(_repaired_line, text.split("\n")))
    if better == text:
        return text, 0
    return better, sum(old != new for old, new in zip(text.split("\n"), better.split("\n"), strict=True))
