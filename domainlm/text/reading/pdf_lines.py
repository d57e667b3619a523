"""Lines of a PDF's page, with their positions.

In: a page's text as PDFium gives it. Out: its lines in the order of the content, or in reading order where a line holds two
columns. Geometry is read by line, not by character, because each question to PDFium takes as long as a tenth of a line.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

from domainlm.text.reading.page_layout import MIN_GUTTER_LINES, Line, gutter_of, in_reading_order
from domainlm.text.reading.pdf_characters import (
    drawn_apart,
    is_slanted,
    measure,
    slanted_end,
    with_raised_digits,
)
from domainlm.text.reading.pdf_page import Matrices, PdfPage

# PDFium's mark for a hyphen at the end of a line, after which it continues without a line end
_HYPHEN_MARK = "\ufffe"
# stands for it while lines are parted; a private character that no text has
_HYPHEN = "\uf8fe"
SAMPLED_LINES = 4
# a font of no size is a fault of the file's
MIN_SIZE = 0.1

# a line of a page's text: its words, its first and its last character, whether it ends in the middle of a word
Piece = tuple[str, int, int, bool]


def _pieces(text: str) -> list[Piece]:
    """The lines of a page's text that have words.

    Their characters are those of the text.
    """
    found = []
    start = 0
    for whole in text.replace(_HYPHEN_MARK, f"{_HYPHEN}\r\n").split("\r\n"):
        is_cut = whole[-1:] == _HYPHEN
        line = whole.rstrip()
        words = line.lstrip()
        if words and words != _HYPHEN:
            end = start + len(line)
            found.append((words, end - len(words), end - 1 - is_cut, is_cut))
        # the mark is one character, and so are it and the line end that stand for it here
        start += len(whole) + (0 if is_cut else 2)
    return found


def _placed(pieces: Sequence[Piece], text: str, page: PdfPage) -> list[Piece]:
    """Lines with the characters of PDFium's list.

    The list also has some that the text has not."""
    import pypdfium2.raw as pdfium

    def place(at: int) -> int:
        # PDFium counts units of UTF-16
        units = len(text[:at].encode("utf-16-le")) // 2
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(page.handle, units))

    return [(words, place(first), place(last), is_cut) for words, first, last, is_cut in pieces]


def _by_character(
    pieces: list[Piece], slanted: Sequence[bool], text: str, page: PdfPage
) -> tuple[list[Piece], dict[int, str]]:
    """Lines with raised digits as such, and without slanted ends.

    Those are given by the line's number.

    A watermark at the end of a page's content is joined to its last line. slanted: which lines begin so.
    """
    apart = drawn_apart(text, page)
    ends = page.matrices([last for _, _, last, _ in pieces])
    tails: dict[int, str] = {}
    # most pages have neither
    if not apart and not any(ends.b):
        return pieces, tails
    found = list(pieces)
    firsts = [first for _, first, _, _ in pieces]
    for number in {bisect_right(firsts, at) - 1 for at in apart}:
        words, first, last, is_cut = pieces[number]
        if not slanted[number]:
            found[number] = with_raised_digits(words, first, apart, page), first, last, is_cut
    for number, (a, b) in enumerate(zip(ends.a, ends.b, strict=True)):
        if is_slanted(a, b) and not slanted[number]:
            words, first, last, is_cut = found[number]
            count = slanted_end(words, last, page)
            if 0 < count < len(words):
                found[number] = words[:-count], first, last - count, is_cut
                tails[number] = words[-count:].lstrip()
    return found, tails


def _tail_line(tail: str, last: int, right: float, page: PdfPage) -> Line:
    """The line of a slanted end, whose last character is given."""
    first = last - len(tail) + 1
    size, baseline = measure(page, first)
    return Line(tail, right, right, baseline, size, first, last, is_slanted=True)


def _with_cut_ends(pieces: Sequence[Piece], tails: Mapping[int, str]) -> list[str]:
    """The words of lines, with "-" for PDFium's mark of a hyphen."""
    return [
        f"{words[:-1]}-" if is_cut and number not in tails else words
        for number, (words, _, _, is_cut) in enumerate(pieces)
    ]


def _turns(matrices: Matrices) -> int:
    """The right angles by which most lines are turned, or 0."""
    turned = [0, 0, 0, 0]
    for a, b in zip(matrices.a, matrices.b, strict=True):
        if (b or a < 0) and math.isfinite(a + b):
            turned[round(math.atan2(b, a) / (math.pi / 2)) % 4] += 1
    usual = turned.index(max(turned))
    return usual if turned[usual] > len(matrices.a) / 2 else 0


def lines_of_page(page: PdfPage) -> list[Line]:
    """Lines of a page from PDFium, in content order, with positions."""
    text = page.text()
    pieces = _pieces(text)
    is_plain = len(text) == page.count
    if not is_plain:
        pieces = _placed(pieces, text, page)
    if not pieces:
        return []
    firsts, ends = [first for _, first, _, _ in pieces], [last for _, _, last, _ in pieces]
    matrices = page.matrices(firsts)
    # by kind of value and not by line: a page has many lines, and most questions have one answer for all of them
    is_upright = not any(matrices.b) and min(matrices.a) >= 0
    slanted = [False] * len(pieces) if is_upright else list(map(is_slanted, matrices.a, matrices.b))
    tails: dict[int, str] = {}
    if is_plain:
        pieces, tails = _by_character(pieces, slanted, text, page)
    _, _, lasts, cuts = zip(*pieces, strict=True)
    words = _with_cut_ends(pieces, tails) if any(cuts) else [words for words, _, _, _ in pieces]
    lefts, rights, baselines = page.boxes(firsts).left, page.boxes(lasts).right, matrices.f
    lengths = map(math.hypot, matrices.c, matrices.d)
    sizes = [abs(units) * length for units, length in zip(page.sizes(firsts), lengths, strict=True)]
    if not math.isfinite(sum(lefts) + sum(rights) + sum(baselines) + sum(sizes)):
        # a broken matrix: the text is still worth having
        places = zip(lefts, rights, baselines, sizes, strict=True)
        found = [place if math.isfinite(sum(place)) else (0.0, 0.0, 0.0, 0.0) for place in places]
        lefts, rights, baselines, sizes = map(list, zip(*found, strict=True))
    sizes = [size if size > MIN_SIZE else 1.0 for size in sizes]
    no = repeat(False)
    values = zip(words, lefts, map(max, lefts, rights), baselines, sizes, firsts, lasts, cuts, no, no, no, strict=False)
    # as its own constructor does, which is one of Python and takes three times as long
    lines: list[Line] = list(map(tuple.__new__, repeat(Line), values))
    if not is_upright:
        lines = [line._replace(is_slanted=is_so) for line, is_so in zip(lines, slanted, strict=True)]
    for number in sorted(tails, reverse=True):
        lines.insert(number + 1, _tail_line(tails[number], ends[number], rights[number], page))
    turns = 0 if is_upright else _turns(matrices)
    if turns:
        return [_turned(page, line, turns) for line in lines]
    return _split_columns(page, lines) if is_plain else lines


def _turned(page: PdfPage, line: Line, turns: int) -> Line:
    """A rotated line, on the page turned until it runs right.

    turns: 1 for a line that runs upwards, 2 to the left, 3 downwards.
    """
    boxes = page.boxes([line.first, line.last])
    places: list[float] = []
    for left, top, right, bottom in zip(*boxes, strict=True):
        places += {1: (bottom, top), 2: (-right, -left), 3: (-top, -bottom)}[turns]
    # of the last character
    height = {1: -boxes.right[1], 2: -boxes.top[1], 3: boxes.left[1]}[turns]
    return line._replace(left=min(places), right=max(places), bottom=height)


def _gaps(page: PdfPage, line: Line) -> list[tuple[float, float, float]]:
    """(width, left, right) of each wide gap in a line.

    The gap is wider than the line's letters, between two runs of characters. PDFium puts a blank there if none is drawn.
    """
    if " " not in line.text:
        return []
    lefts, rights = page.runs(line.first, line.last)
    size = line.size
    return [(begin - end, end, begin) for begin, end in zip(lefts[1:], rights, strict=False) if begin - end > size]


def _has_cells(line: Line, gaps_of: Callable[[Line], list[tuple[float, float, float]]]) -> bool:
    """Whether a row's gap is not only the one behind a number."""
    digits = len(line.text) - len(line.text.lstrip("0123456789"))
    return not digits or any(left - line.left > digits * line.size for _, left, _ in gaps_of(line))


def _split_columns(page: PdfPage, lines: list[Line]) -> list[Line]:
    """Lines with rows of two columns separated, in reading order.

    Other pages are unchanged, with a table's rows marked.
    """
    width = max([line.right for line in lines]) - min([line.left for line in lines])
    wide = [line for line in lines if line.right - line.left > width / 2]
    if len(wide) < MIN_GUTTER_LINES:
        return lines

    asked: dict[int, list[tuple[float, float, float]]] = {}

    def gaps_of(line: Line) -> list[tuple[float, float, float]]:
        if line.first not in asked:
            asked[line.first] = _gaps(page, line)
        return asked[line.first]

    # a few lines tell whether it is worth asking about all; one of them may be a title
    step = -(-len(wide) // SAMPLED_LINES)
    rows: list[tuple[Line, float, float]] = []
    lacking = 0
    for line in wide[step // 2 :: step]:
        gaps = gaps_of(line)
        if gaps:
            rows.append((line, *max(gaps)[1:]))
        lacking += not gaps
        if lacking > 1:
            return lines
    if gutter_of(rows, len(rows)) is not None:
        rows = [(line, *max(gaps)[1:]) for line in wide if (gaps := gaps_of(line))]
        gutter = gutter_of(rows, len(wide))
        if gutter is not None:
            return _in_columns(page, lines, rows, gutter)
    parted = {line.first for line in wide if not lacking or gaps_of(line)}
    return [_as_row(line, _has_cells(line, gaps_of)) if line.first in parted else line for line in lines]


def _as_row(line: Line, has_cells: bool) -> Line:
    # without names, which take three times as long
    return Line(*line[:8], True, line.is_slanted, has_cells)


def _in_columns(
    page: PdfPage, lines: list[Line], rows: Sequence[tuple[Line, float, float]], gutter: float
) -> list[Line]:
    """The lines of two columns in reading order.

    rows: the lines that hold both; gutter: the place of their gap.
    """

    def left_of(index: int) -> float:
        return page.boxes([index]).left[0]

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
