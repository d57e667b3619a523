"""What single characters of a PDF's lines say: raised digits, slanted text.

In: PDFium's page and a line as PDFium gives it. Out: its words with raised digits as such (10⁵, not 105), and where the line
goes over into slanted text. PDFium joins what stands close together, whatever its size and direction. It is asked about
single characters only where a digit follows a letter or another digit, and at a line's end, because each answer takes as long
as a tenth of a line.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from domainlm.text.reading.page_layout import Line

_RAISED = str.maketrans("0123456789+-−–", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
# a number in a line, with what it may be raised above
_NUMBER = re.compile(r"(?<=[0-9A-Za-z\u00b5\u03b1-\u03c9)\]%])[-+−–]?[0-9]+|(?<![0-9])[0-9]{2,}")
# of a raised digit: at most this share of the size before it, and so much of it higher
MAX_RAISED_SIZE, MIN_RISE = 0.85, 0.15
MIN_SLANT, MAX_SLANT = 0.09, 1.48
# a slanted line so much larger than most is a watermark
WATERMARK_SIZES = 1.8
MAX_WATERMARK_CHARS = 100

# (size, baseline) of the character of an index
Measure = Callable[[int], tuple[float, float]]


def measure_of(handle: Any) -> Measure:
    """Size and baseline of a page's characters."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    pointer = ctypes.pointer(matrix)
    get_matrix, get_size = pdfium.FPDFText_GetMatrix, pdfium.FPDFText_GetFontSize

    def measure(index: int) -> tuple[float, float]:
        get_matrix(handle, index, pointer)
        return abs(get_size(handle, index)) * math.hypot(matrix.c, matrix.d), matrix.f

    return measure


def with_raised_digits(words: str, first: int, measure: Measure) -> str:
    """A line's words with raised numbers in raised digits.

    They have as many characters as before. first: index of the first character on the page.
    """
    found = None
    for match in _NUMBER.finditer(words):
        begin, end = match.span()
        size, baseline = measure(first + end - 1)
        # backwards over what is as small and as high, to the character that it is raised above
        at = end - 1
        before, line = measure(first + at - 1)
        while at > begin and before == size and line == baseline:
            at -= 1
            before, line = measure(first + at - 1)
        if at and size <= MAX_RAISED_SIZE * before and baseline - line >= MIN_RISE * before:
            found = found or list(words)
            found[at:end] = words[at:end].translate(_RAISED)
    return "".join(found) if found else words


def is_slanted(matrix: Any) -> bool:
    """Whether a character stands neither upright nor on a side."""
    # most characters stand upright, and trigonometry takes its time
    if not matrix.b:
        return False
    angle = abs(math.atan2(matrix.b, matrix.a)) % (math.pi / 2)
    return MIN_SLANT < angle < MAX_SLANT


def slanted_end(handle: Any, words: str, last: int) -> int:
    """How many characters at a line's end are slanted, with blanks."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    count = 0
    while count < min(len(words), MAX_WATERMARK_CHARS):
        pdfium.FPDFText_GetMatrix(handle, last - count, matrix)
        if not is_slanted(matrix) and not words[-1 - count].isspace():
            break
        count += 1
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
