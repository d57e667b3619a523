"""Sections of a PDF file: its text layer.

In: bytes of a file. Out: sections at its bookmarks (one section if it has none) in reading order, with the page of
each stretch of text; unreadable parts as rejections: scanned pages, pages in fonts without Unicode, pages that cannot
be loaded. The library is pypdfium2, which finds lines well and costs 8 ms a page: its geometry is read by line, not
by character, so that the layout (`page_layout`, `paragraphs`) costs little beside the text. pdfplumber and pdfminer
are 20 times slower. There is no OCR: a scan is named, and its text can be added as a separate file.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.headings import Heading, sections_of
from domainlm.text.reading.line_numbers import without_line_numbers
from domainlm.text.reading.page_layout import MIN_GUTTER_LINES, Line, gutter_of, in_reading_order
from domainlm.text.reading.paragraphs import Flow, flow_of
from domainlm.text.reading.pdf_characters import (
    is_slanted,
    measure_of,
    slanted_end,
    with_raised_digits,
    without_watermarks,
)
from domainlm.text.reading.pieces import Rejection, Section
from domainlm.text.reading.running_lines import without_running_lines

# PDFium's mark for a hyphen at the end of a line, after which it continues without a line end
_HYPHEN_MARK = "\ufffe"
# stands for it while lines are parted; a private character that no text has
_HYPHEN = "\uf8fe"
_HAS_DIGIT = re.compile("[0-9]")
# what PDFium gives for a glyph without a Unicode value
_UNMAPPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd\uffff]")
MAX_UNMAPPED_SHARE = 0.3
# a page with fewer characters is one without a text layer: scanners and publishers stamp a line or two
MIN_PAGE_CHARS = 16
MIN_IMAGE_SHARE = 0.4
SAMPLED_LINES = 4
# a font of no size is a fault of the file's
MIN_SIZE = 0.1
MAX_BOOKMARKS = 20_000
# of a heading's number ("Appendix 12.3.4") before the title that its bookmark gives
MAX_NUMBER_CHARS = 16
_END_OF_FILE = b"%%EOF"
# writers and mail gateways put a few bytes after it
TAIL_BYTES = 4096


def _page_ranges(numbers: list[int]) -> str:
    """1, 2, 3, 7 as "1-3, 7"."""
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{found[0]}-{found[-1]}" if len(found) > 1 else str(found[0]) for found in ranges)


def _lines(text_page: Any) -> list[Line]:
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
    return [line._replace(is_row=True) if line in parted else line for line in lines]


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


def _is_scanned(page: Any) -> bool:
    """Whether images cover much of a page."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    covered = 0.0
    for image in itertools.islice(page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3), 100):
        try:
            left, bottom, right, top = image.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        covered += abs(right - left) * abs(top - bottom)
    return bool(covered > MIN_IMAGE_SHARE * width * height)


def _is_title(text: str, wanted: str) -> bool:
    """Whether a line is a title, except for whitespace and numbering.

    The title is given without whitespace.
    """
    found = "".join(text.split())
    return found.endswith(wanted) and len(found) <= len(wanted) + MAX_NUMBER_CHARS


def _headings(document: Any, flow: Flow) -> list[Heading]:
    """The bookmarks whose title is on the page that they lead to.

    The title is one line or two. Bookmarks of pages and figures are no headings.
    """
    found: list[Heading] = []
    at = 0
    for bookmark in itertools.islice(document.get_toc(), MAX_BOOKMARKS):
        target = bookmark.get_dest()
        try:
            wanted = "".join(bookmark.get_title().split())
        except UnicodeDecodeError:
            continue
        page = target.get_index() if target is not None else None
        if page is None or len(wanted) < 2:
            continue
        lines = flow.lines.get(page + 1, [])
        for index, (start, end, text) in enumerate(lines):
            if start < at:
                continue
            if text[-1] != wanted[-1] or not _is_title(text, wanted):
                _, next_end, next_text = lines[index + 1] if index + 1 < len(lines) else (0, 0, " ")
                # the title begins in this line, or it is all in the next one
                is_whole = next_text[-1] != wanted[-1] or _is_title(next_text, wanted)
                if is_whole or not _is_title(f"{text} {next_text}", wanted):
                    continue
                text, end = f"{text} {next_text}", next_end
            # as it stands there: a bookmark's title may lack the number
            found.append(Heading(start, end, bookmark.level + 1, single_line(text)))
            at = end
            break
    return found


def _sections(document: Any, pages: list[list[Line]]) -> Iterator[Section]:
    pages = without_line_numbers(without_running_lines(without_watermarks(pages)))
    flow = flow_of([in_reading_order(page) for page in pages])
    starts = [start for start, _ in flow.pages]
    for section in sections_of(flow.text, _headings(document, flow), lambda text: text):
        begin = section.end - len(section.body)
        first = max(bisect_right(starts, begin) - 1, 0)
        places = tuple((max(start - begin, 0), number) for start, number in flow.pages[first:] if start < section.end)
        yield replace(section, start=0, end=-1, pages=places)


def _opened(data: bytes) -> Any:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = pdfium.FPDF_GetLastError()
        if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise Unreadable("encrypted", "it needs a password; save it without one") from error
        if _END_OF_FILE not in data[-TAIL_BYTES:]:
            raise Unreadable("truncated", f"{len(data)} bytes without the mark of a PDF's end") from error
        raise Unreadable("damaged", "PDFium finds no document in it") from error


def read_pdf(data: bytes) -> list[Section | Rejection]:
    """The text of all pages, and the faults of some.

    Raises Unreadable.
    """
    import pypdfium2

    document = _opened(data)
    pages: list[list[Line]] = []
    scanned, unmapped, damaged = [], [], []
    for number in range(1, len(document) + 1):
        lines: list[Line] = []
        try:
            page = document[number - 1]
            text_page = page.get_textpage()
            lines = _lines(text_page)
            text = "".join([line.text for line in lines])
            # the first answer is quick and nearly always enough
            is_mapped = text.isprintable() and "\ufffd" not in text
            chars, unknown = len(text), 0 if is_mapped else len(_UNMAPPED.findall(text))
            if chars < MIN_PAGE_CHARS and _is_scanned(page):
                scanned.append(number)
            elif unknown > MAX_UNMAPPED_SHARE * chars:
                unmapped.append(number)
                lines = []
            text_page.close()
            page.close()
        except pypdfium2.PdfiumError:
            damaged.append(number)
        pages.append(lines)
    found: list[Section | Rejection] = []
    for whole, part, numbers in (
        ("scanned", "scanned_pages", scanned),
        ("unmapped_fonts", "unmapped_pages", unmapped),
        ("damaged", "damaged_pages", damaged),
    ):
        if numbers and len(numbers) == len(pages):
            raise Unreadable(whole, f"all {len(pages)} pages")
        if numbers:
            found.append(Rejection(part, f"pages {_page_ranges(numbers)} of {len(pages)}"))
    if _END_OF_FILE not in data[-TAIL_BYTES:]:
        detail = f"no mark of a PDF's end: {len(pages)} pages were found, others may be lost"
        found.append(Rejection("truncated", detail))
    found += _sections(document, pages)
    document.close()
    return found
