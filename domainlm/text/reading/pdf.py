"""Sections of a PDF file: its text layer.

In: bytes of a file. Out: sections at its bookmarks (one section if it has none) in reading order, with the page of
each stretch of text; unreadable parts as rejections: scanned pages, pages in fonts without Unicode, pages that cannot
be loaded. The library is pypdfium2, which finds lines well and costs 8 ms a page: its geometry is read by line, not
by character, so that the layout (`page_layout`, `paragraphs`) costs little beside the text. pdfplumber and pdfminer
are 20 times slower. There is no OCR: a scan is named, and its text can be added as a separate file.
"""

from __future__ import annotations

import gc
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import itemgetter
from typing import Any

from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.headings import Heading, sections_of
from domainlm.text.reading.line_numbers import without_line_numbers
from domainlm.text.reading.page_layout import Line, in_reading_order
from domainlm.text.reading.paragraphs import Flow, flow_of
from domainlm.text.reading.pdf_bookmarks import bookmarks_of
from domainlm.text.reading.pdf_characters import without_watermarks
from domainlm.text.reading.pdf_lines import lines_of_page
from domainlm.text.reading.pdf_page import PdfPage
from domainlm.text.reading.pieces import Rejection, Section
from domainlm.text.reading.running_lines import without_running_lines

# what PDFium gives for a glyph without a Unicode value
_UNMAPPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd\uffff]")
MAX_UNMAPPED_SHARE = 0.3
# a page with fewer characters is one without a text layer: scanners and publishers stamp a line or two
MIN_PAGE_CHARS = 16
MIN_IMAGE_SHARE = 0.4
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


def _is_scanned(page: Any) -> bool:
    """Whether images cover much of a page, which is closed then."""
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
    page.close()
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
    # most lines of a page do not end as the title does
    ends = {number: "".join([text[-1] for _, _, text in lines]) for number, lines in flow.lines.items()}
    at = 0
    for level, title, page in itertools.islice(bookmarks_of(document), MAX_BOOKMARKS):
        wanted = "".join((title or "").split())
        if page < 0 or len(wanted) < 2:
            continue
        lines, its_ends = flow.lines.get(page + 1, []), ends.get(page + 1, "")
        first = bisect_left(lines, at, key=itemgetter(0))
        index = its_ends.find(wanted[-1], first)
        while index >= 0:
            start, end, text = lines[index]
            is_whole = _is_title(text, wanted)
            if not is_whole and index > first:
                start, _, before = lines[index - 1]
                text = f"{before} {text}"
            if is_whole or _is_title(text, wanted):
                # as it stands there: a bookmark's title may lack the number
                found.append(Heading(start, end, level + 1, single_line(text)))
                at = end
                break
            index = its_ends.find(wanted[-1], index + 1)
    return found


def _sections(document: Any, pages: list[list[Line]]) -> Iterator[Section]:
    pages = without_line_numbers(without_running_lines(without_watermarks(pages)))
    flow = flow_of([in_reading_order(page) for page in pages])
    starts = [start for start, _ in flow.pages]
    for section in sections_of(flow.text, _headings(document, flow), lambda text: text):
        begin = section.end - len(section.body)
        first = max(bisect_right(starts, begin) - 1, 0)
        pages_of_it = flow.pages[first : bisect_left(starts, section.end)]
        places = tuple([(max(start - begin, 0), number) for start, number in pages_of_it])
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


@contextmanager
def _without_collector() -> Iterator[None]:
    """Leave out the search for unreachable cycles for a while.

    Lines are many, live to the end and are in no cycle, so looking at them again and again finds nothing: it took 5 % of
    the time of reading.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_pdf(data: bytes) -> list[Section | Rejection]:
    """The text of all pages, and the faults of some.

    Raises Unreadable.
    """
    with _without_collector():
        return _read(data)


def _read(data: bytes) -> list[Section | Rejection]:
    import pypdfium2

    document = _opened(data)
    pages: list[list[Line]] = []
    scanned, unmapped, damaged = [], [], []
    for number in range(1, len(document) + 1):
        lines: list[Line] = []
        try:
            with PdfPage(document, number - 1) as page:
                lines = lines_of_page(page)
            text = "".join([line.text for line in lines])
            # the first answer is quick and nearly always enough
            is_mapped = text.isprintable() and "\ufffd" not in text
            chars, unknown = len(text), 0 if is_mapped else len(_UNMAPPED.findall(text))
            if chars < MIN_PAGE_CHARS and _is_scanned(document[number - 1]):
                scanned.append(number)
            elif unknown > MAX_UNMAPPED_SHARE * chars:
                unmapped.append(number)
                lines = []
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
