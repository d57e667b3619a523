"""What single characters of a PDF's lines say: raised digits, slanted text.

In: PDFium's page and a line as PDFium gives it. Out: its words with raised digits as such (10⁵, not 105), and where the line
goes over into slanted text. PDFium joins what stands close together, whatever its size and direction. Of a page's numbers,
nearly all are drawn together with the character before them, which two questions tell: only the others are measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

from domainlm.text.reading.page_layout import Line
from domainlm.text.reading.pdf_page import PdfPage

_RAISED = str.maketrans("0123456789+-−–", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
# a number in a line, with what it may be raised above
_NUMBER = re.compile(r"(?<=[0-9A-Za-z\u00b5\u03b1-\u03c9)\]%])[-+−–]?[0-9]+|(?<![0-9])[0-9]{2,}")
# the digits of one, found at once
_MAYBE_NUMBER = re.compile(r"[0-9](?:[0-9]+|(?<=[-+−–0-9A-Za-z\u00b5\u03b1-\u03c9)\]%][0-9]))")
_SIGNS = frozenset("-+−–")
# of a raised digit: at most this share of the size before it, and so much of it higher
MAX_RAISED_SIZE, MIN_RISE = 0.85, 0.15
MIN_SLANT, MAX_SLANT = 0.09, 1.48
# a slanted line so much larger than most is a watermark
WATERMARK_SIZES = 1.8
MAX_WATERMARK_CHARS = 100


def measure(page: PdfPage, index: int) -> tuple[float, float]:
    """Size and baseline of a character."""
    matrices = page.matrices([index])
    return abs(page.sizes([index])[0]) * math.hypot(matrices.c[0], matrices.d[0]), matrices.f[0]


def drawn_apart(text: str, page: PdfPage) -> list[int]:
    """The ends of a page's numbers that may be raised, in order.

    They, or a part of them, were not drawn together with what stands before. text: that of the whole page.
    """
    spans = [match.span() for match in _MAYBE_NUMBER.finditer(text)]
    ends = [end - 1 for _, end in spans]
    # a sign is raised with its number
    places = [begin - 2 if text[begin - 1 : begin] in _SIGNS else begin - 1 for begin, _ in spans]
    lasts, befores = page.drawings(ends), page.drawings(places)
    apart = [number for number, (before, last) in enumerate(zip(befores, lasts, strict=True)) if before != last]
    # most of these begin a line or stand behind a blank that nobody drew, above which nothing is raised
    firsts = page.drawings([places[number] + 1 for number in apart])
    return [
        ends[number]
        for number, first in zip(apart, firsts, strict=True)
        if first != lasts[number] or befores[number] is not None
    ]


def with_raised_digits(words: str, first: int, apart: Sequence[int], page: PdfPage) -> str:
    """A line's words with raised numbers in raised digits.

    They have as many characters as before. first: index of the first character on the page. apart: the ends of the
    numbers that may be raised.
    """
    found = None
    for match in _NUMBER.finditer(words):
        begin, end = match.span()
        if first + end - 1 not in apart:
            continue
        size, baseline = measure(page, first + end - 1)
        # backwards over what is as small and as high, to the character that it is raised above
        at = end - 1
        before, line = measure(page, first + at - 1)
        while at > begin and before == size and line == baseline:
            at -= 1
            before, line = measure(page, first + at - 1)
        is_raised = size <= MAX_RAISED_SIZE * before and baseline - line >= MIN_RISE * before
        # a blank that nobody drew has neither the size nor the place of its text
        if at and is_raised and not page.is_added(first + at - 1):
            found = found or list(words)
            found[at:end] = words[at:end].translate(_RAISED)
    return "".join(found) if found else words


def is_slanted(a: float, b: float) -> bool:
    """Whether a character stands neither upright nor on a side.

    It is given by two numbers of its matrix."""
    # most characters stand upright, and trigonometry takes its time
    return b != 0 and MIN_SLANT < abs(math.atan2(b, a)) % (math.pi / 2) < MAX_SLANT


def slanted_end(words: str, last: int, page: PdfPage) -> int:
    """How many characters at a line's end are slanted, with blanks."""
    count = min(len(words), MAX_WATERMARK_CHARS)
    matrices = page.matrices(range(last, last - count, -1))
    for at, (a, b) in enumerate(zip(matrices.a, matrices.b, strict=True)):
        if not is_slanted(a, b) and not words[-1 - at].isspace():
            return at
    return count


def without_watermarks(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without slanted lines that are large, or repeated."""
    slanted = [{line.text for line in page if line.is_slanted} for page in pages]
    if not any(slanted):
        return [list(page) for page in pages]
    usual = median([line.size for page in pages for line in page if not line.is_slanted] or [1.0])

    def is_mark(line: Line) -> bool:
        return line.is_slanted and (
            line.size > WATERMARK_SIZES * usual or sum(line.text in texts for texts in slanted) > 1
        )

    return [[line for line in page if not is_mark(line)] for page in pages]
