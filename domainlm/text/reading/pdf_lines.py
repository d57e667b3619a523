"""Lines of a PDF's page, with their positions.

In: a page's text as PDFium gives it. Out: its lines in the order of the content, or in reading order where a line holds two
columns. Geometry is read by line, not by character, because each question to PDFium takes as long as a tenth of a line.
"""

from __future__ import annotations

import ctypes
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from domainlm.text.reading.page_layout import MIN_GUTTER_LINES, Line, gutter_of, in_reading_order
from domainlm.text.reading.pdf_characters import is_slanted, measure_of, slanted_end, with_raised_digits

# PDFium's mark for a hyphen at the end of a line, after which it continues without a line end
_HYPHEN_MARK = "\ufffe"
# stands for it while lines are parted; a private character that no text has
_HYPHEN = "\uf8fe"
_HAS_DIGIT = re.compile("[0-9]")
SAMPLED_LINES = 4
# a font of no size is a fault of the file's
MIN_SIZE = 0.1


def lines_of_page(text_page: Any) -> list[Line]:
    """Lines of a page from PDFium, in content order, with positions."""
    import pypdfium2.raw as pdfium

    text = text_page.get_text_range()
    handle = text_page.raw
    # PDFium counts units of UTF-16; where its list also has characters that the text has not, it is asked for the place
    is_plain = len(text) == pdfium.FPDFText_CountChars(handle)
    box, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
    box_pointer, matrix_pointer = ctypes.pointer(box), ctypes.pointer(matrix)
    # asked for each line, and a module's name takes as long to look up as PDFium to answer
    get_matrix, get_box, get_size = (
        pdfium.FPDFText_GetMatrix,
        pdfium.FPDFText_GetLooseCharBox,
        pdfium.FPDFText_GetFontSize,
    )
    measure = measure_of(handle)
    found: list[Line] = []
    turned = [0, 0, 0, 0]
    start = 0
    for whole in text.replace(_HYPHEN_MARK, f"{_HYPHEN}\r\n").split("\r\n"):
        is_cut = whole[-1:] == _HYPHEN
        line = whole.rstrip()
        words = line.lstrip()
        if words and words != _HYPHEN:
            first, last = start + len(line) - len(words), start + len(line) - 1 - is_cut
            if not is_plain:
                first, last = (len(text[:at].encode("utf-16-le")) // 2 for at in (first, last))
                first = pdfium.FPDFText_GetCharIndexFromTextIndex(handle, first)
                last = pdfium.FPDFText_GetCharIndexFromTextIndex(handle, last)
            get_matrix(handle, first, matrix_pointer)
            if matrix.b or matrix.a < 0:
                turned[round(math.atan2(matrix.b, matrix.a) / (math.pi / 2)) % 4] += 1
            slanted = is_slanted(matrix)
            get_box(handle, first, box_pointer)
            left = box.left
            size = abs(get_size(handle, first)) * math.hypot(matrix.c, matrix.d)
            baseline = matrix.f
            tail = ""
            if is_plain and not slanted:
                get_matrix(handle, last, matrix_pointer)
                # a watermark at the end of a page's content is joined to its last line
                if is_slanted(matrix) and 0 < (count := slanted_end(handle, words, last)) < len(words):
                    words, tail = words[:-count], words[-count:].lstrip()
                    last, begin = last - count, last - len(tail) + 1
                if _HAS_DIGIT.search(words):
                    words = with_raised_digits(words, first, measure)
            get_box(handle, last, box_pointer)
            words = f"{words[:-1]}-" if is_cut and not tail else words
            right = box.right
            if not math.isfinite(left + right + baseline + size):
                # a broken matrix: the text is still worth having
                left = right = baseline = size = 0.0
            size = size if size > MIN_SIZE else 1.0
            found.append(Line(words, left, max(left, right), baseline, size, first, last, is_cut, is_slanted=slanted))
            if tail:
                its_size, its_baseline = measure(begin)
                place = Line(tail, right, right, its_baseline, its_size, begin, begin + len(tail) - 1)
                found.append(place._replace(is_slanted=True))
        # the mark is one character, and so are it and the line end that stand for it here
        start += len(whole) + (0 if is_cut else 2)
    usual = turned.index(max(turned))
    if usual and turned[usual] > len(found) / 2:
        return [_turned(handle, line, usual) for line in found]
    return _split_columns(handle, found) if is_plain and found else found


def _turned(handle: Any, line: Line, turns: int) -> Line:
    """A rotated line, on the page turned until it runs right.

    turns: 1 for a line that runs upwards, 2 to the left, 3 downwards.
    """
    import pypdfium2.raw as pdfium

    places: list[float] = []
    box = pdfium.FS_RECTF()
    for index in (line.first, line.last):
        pdfium.FPDFText_GetLooseCharBox(handle, index, box)
        places += {1: (box.bottom, box.top), 2: (-box.right, -box.left), 3: (-box.top, -box.bottom)}[turns]
    bottom = {1: -box.right, 2: -box.top, 3: box.left}[turns]
    return line._replace(left=min(places), right=max(places), bottom=bottom)


def _gaps(handle: Any, line: Line, corners: Sequence[Any]) -> Iterator[tuple[float, float, float]]:
    """(width, left, right) of each wide gap in a line.

    The gap is wider than the line's letters, between two runs of characters. corners: four numbers that PDFium writes
    to, made once a page.
    """
    import pypdfium2.raw as pdfium

    left, top, right, bottom = corners
    before = math.inf
    for index in range(pdfium.FPDFText_CountRects(handle, line.first, line.last - line.first + 1)):
        pdfium.FPDFText_GetRect(handle, index, left, top, right, bottom)
        if left.value - before > line.size:
            yield left.value - before, before, left.value
        before = right.value


def _has_cells(handle: Any, line: Line, corners: Sequence[Any]) -> bool:
    """Whether a row's gap is not only the one behind a number."""
    digits = len(line.text) - len(line.text.lstrip("0123456789"))
    return not digits or any(left - line.left > digits * line.size for _, left, _ in _gaps(handle, line, corners))


def _split_columns(handle: Any, lines: list[Line]) -> list[Line]:
    """Lines with rows of two columns separated, in reading order.

    Other pages are unchanged, with a table's rows marked.
    """
    width = max([line.right for line in lines]) - min([line.left for line in lines])
    wide = [line for line in lines if line.right - line.left > width / 2]
    if len(wide) < MIN_GUTTER_LINES:
        return lines
    corners = [ctypes.c_double() for _ in range(4)]
    # a few lines tell whether it is worth asking about all; one of them may be a title
    step = -(-len(wide) // SAMPLED_LINES)
    rows: list[tuple[Line, float, float]] = []
    lacking = 0
    for line in wide[step // 2 :: step]:
        widest = max(_gaps(handle, line, corners), default=None)
        if widest is not None:
            rows.append((line, *widest[1:]))
        lacking += widest is None
        if lacking > 1:
            return lines
    if gutter_of(rows, len(rows)) is not None:
        found = [(line, max(_gaps(handle, line, corners), default=None)) for line in wide]
        rows = [(line, *widest[1:]) for line, widest in found if widest is not None]
        gutter = gutter_of(rows, len(wide))
        if gutter is not None:
            return _in_columns(handle, lines, rows, gutter)
    parted = {line for line in wide if not lacking or any(_gaps(handle, line, corners))}
    return [
        line._replace(is_row=True, has_cells=_has_cells(handle, line, corners)) if line in parted else line
        for line in lines
    ]


def _in_columns(handle: Any, lines: list[Line], rows: Sequence[tuple[Line, float, float]], gutter: float) -> list[Line]:
    """The lines of two columns in reading order.

    rows: the lines that hold both; gutter: the place of their gap.
    """
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()

    def left_of(index: int) -> float:
        pdfium.FPDFText_GetLooseCharBox(handle, index, box)
        return float(box.left)

    begins = {line: (left, right) for line, left, right in rows if left <= gutter <= right}
    found = []
    for line in lines:
        if line not in begins:
            found.append(line)
            continue
        left, right = begins[line]
        cut = bisect_left(range(line.first, line.last + 1), right - line.size / 2, key=left_of)
        found.append(line._replace(text=line.text[:cut].rstrip(), right=left, is_cut=False))
        found.append(line._replace(text=line.text[cut:].lstrip(), left=right))
    return in_reading_order([line for line in found if line.text], is_split=True)
