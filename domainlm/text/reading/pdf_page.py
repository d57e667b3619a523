"""A PDF's page as PDFium has it.

In: an open document. Out: a page's text, and values of its characters by index (places, sizes), many in one call. The way
from Python to PDFium takes longer than its answer. So the way is short (plain numbers and addresses, whose kinds nothing
checks, and a page without what pypdfium2 adds to it), and the loop over characters is one of C, into one piece of memory.
What PDFium does not answer is 0.
"""

from __future__ import annotations

import ctypes
from array import array
from collections import deque
from collections.abc import Sequence
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple


class _Calls(NamedTuple):
    """PDFium's functions.

    A run is a stretch of characters that were drawn by one operator."""

    count: Any
    place: Any
    text: Any
    matrix: Any
    box: Any
    size: Any
    drawing: Any
    is_added: Any
    count_runs: Any
    run: Any


def direct_call(function: Any, result: Any, *arguments: Any) -> Any:
    """A function of PDFium for plain numbers and addresses.

    Its first argument is an address; the kinds of the others and of the result are given. Python's lock is held, because the
    answer comes sooner than the lock could be let go.
    """
    kind = ctypes.PYFUNCTYPE(result, ctypes.c_void_p, *arguments)
    return kind(ctypes.cast(function, ctypes.c_void_p).value or 0)


def address_of(memory: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


@cache
def _calls() -> _Calls:
    import pypdfium2.raw as pdfium

    call, address, number = direct_call, ctypes.c_void_p, ctypes.c_int
    return _Calls(
        count=call(pdfium.FPDFText_CountChars, number),
        place=call(pdfium.FPDFText_GetTextIndexFromCharIndex, number, number),
        text=call(pdfium.FPDFText_GetText, number, number, number, address),
        matrix=call(pdfium.FPDFText_GetMatrix, number, number, address),
        box=call(pdfium.FPDFText_GetLooseCharBox, number, number, address),
        size=call(pdfium.FPDFText_GetFontSize, ctypes.c_double, number),
        drawing=call(pdfium.FPDFText_GetTextObject, address, number),
        is_added=call(pdfium.FPDFText_IsGenerated, number, number),
        count_runs=call(pdfium.FPDFText_CountRects, number, number, number),
        run=call(pdfium.FPDFText_GetRect, number, number, address, address, address, address),
    )


class Matrices(NamedTuple):
    """The way from the font's units to the page.

    PDF's numbers of some characters, by name; f is the baseline's height."""

    a: list[float]
    b: list[float]
    c: list[float]
    d: list[float]
    f: list[float]


class Boxes(NamedTuple):
    """Rectangles of some characters."""

    left: list[float]
    top: list[float]
    right: list[float]
    bottom: list[float]


class PdfPage:
    """A page that is open inside `with`."""

    def __init__(self, document: Any, index: int) -> None:
        """index: from 0.

        Raises PdfiumError where the page cannot be loaded.
        """
        import pypdfium2
        import pypdfium2.raw as pdfium

        self._document, self._index = document, index
        self._calls = _calls()
        self._page = pdfium.FPDF_LoadPage(document.raw, index)
        self.handle = pdfium.FPDFText_LoadPage(self._page) if self._page else None
        if not self.handle:
            self.close()
            raise pypdfium2.PdfiumError(f"page {index + 1} cannot be loaded")
        self._address = ctypes.cast(self.handle, ctypes.c_void_p).value
        self.count = self._calls.count(self._address)

    def __enter__(self) -> PdfPage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        import pypdfium2.raw as pdfium

        if self.handle:
            pdfium.FPDFText_ClosePage(self.handle)
        if self._page:
            pdfium.FPDF_ClosePage(self._page)
        self.handle = self._page = None

    def text(self) -> str:
        """Its text, which may have less characters than PDFium's list."""
        last = self._calls.place(self._address, self.count - 1)
        if self._calls.place(self._address, 0) != 0 or last < 0:
            # the list begins or ends with what no text has
            page = self._document[self._index]
            text = str(page.get_textpage().get_text_range())
            page.close()
            return text
        memory = bytearray(2 * (last + 2))
        # with the zero at the end
        written = self._calls.text(self._address, 0, self.count, address_of(memory))
        return memory[: 2 * (written - 1)].decode("utf-16-le", errors="ignore")

    def _values(self, call: Any, indices: Sequence[int], width: int) -> list[float]:
        if not indices:
            return []
        memory = bytearray(4 * width * len(indices))
        begin = address_of(memory)
        deque(map(call, repeat(self._address), indices, range(begin, begin + len(memory), 4 * width)), maxlen=0)
        return array("f", memory).tolist()

    def matrices(self, indices: Sequence[int]) -> Matrices:
        values = self._values(self._calls.matrix, indices, 6)
        return Matrices(values[::6], values[1::6], values[2::6], values[3::6], values[5::6])

    def boxes(self, indices: Sequence[int]) -> Boxes:
        """They are as high as the font, not as the glyphs."""
        values = self._values(self._calls.box, indices, 4)
        return Boxes(values[::4], values[1::4], values[2::4], values[3::4])

    def sizes(self, indices: Sequence[int]) -> list[float]:
        """In the font's units."""
        return list(map(self._calls.size, repeat(self._address), indices))

    def drawings(self, indices: Sequence[int]) -> list[int | None]:
        """What drew each character.

        None for a line end, and for a blank between two drawings.

        Characters of one drawing have one size and one baseline.
        """
        return list(map(self._calls.drawing, repeat(self._address), indices))

    def is_added(self, index: int) -> bool:
        """Whether PDFium put in a character: a blank, a line end."""
        return bool(self._calls.is_added(self._address, index) == 1)

    def runs(self, first: int, last: int) -> tuple[list[float], list[float]]:
        """The left and the right ends of the runs of a stretch.

        Nothing if it is one run."""
        count = self._calls.count_runs(self._address, first, last - first + 1)
        if count < 2:
            return [], []
        memory = bytearray(16 * (count + 1))
        begin = address_of(memory)
        height, end = repeat(begin), begin + len(memory)
        lefts, rights = range(begin + 16, end, 16), range(begin + 24, end, 16)
        deque(map(self._calls.run, repeat(self._address), range(count), lefts, height, rights, height), maxlen=0)
        values = array("d", memory).tolist()
        return values[2::2], values[3::2]
