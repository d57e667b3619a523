"""Bookmarks of a PDF file: the tree of its contents.

In: an open document. Out: each bookmark with its level, title and page. They are asked for as a page's characters are
(`pdf_page`), because a manual has a thousand, and pypdfium2's own way took four times as long.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from domainlm.text.reading.pdf_page import address_of, direct_call

# a tree that is deeper is a fault of the file's
MAX_DEPTH = 15
# of most titles, in UTF-16 with the zero at the end
TITLE_BYTES = 512


class Bookmark(NamedTuple):
    """A bookmark.

    level: 0 is the outermost. title: None if it is no text. page: from 0; -1 if it leads to none."""

    level: int
    title: str | None
    page: int


class _Calls(NamedTuple):
    """PDFium's functions."""

    child: Any
    sibling: Any
    target: Any
    page: Any
    title: Any


@cache
def _calls() -> _Calls:
    import pypdfium2.raw as pdfium

    address = ctypes.c_void_p
    return _Calls(
        child=direct_call(pdfium.FPDFBookmark_GetFirstChild, address, address),
        sibling=direct_call(pdfium.FPDFBookmark_GetNextSibling, address, address),
        target=direct_call(pdfium.FPDFBookmark_GetDest, address, address),
        page=direct_call(pdfium.FPDFDest_GetDestPageIndex, ctypes.c_int, address),
        title=direct_call(pdfium.FPDFBookmark_GetTitle, ctypes.c_ulong, address, ctypes.c_ulong),
    )


def _title(bookmark: int, memory: bytearray) -> str | None:
    count = _calls().title(bookmark, address_of(memory), len(memory))
    if count > len(memory):
        return _title(bookmark, bytearray(count))
    try:
        return memory[: max(count - 2, 0)].decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def bookmarks_of(document: Any) -> Iterator[Bookmark]:
    """All bookmarks in the order of the contents.

    A bookmark that is its own ancestor or sibling ends its list.
    """
    calls, memory = _calls(), bytearray(TITLE_BYTES)
    whole = ctypes.cast(document.raw, ctypes.c_void_p).value
    seen: set[int] = set()
    above: list[int] = []
    mark = calls.child(whole, None)
    while mark or above:
        if not mark or mark in seen:
            mark = calls.sibling(whole, above.pop()) if above else None
            continue
        seen.add(mark)
        target = calls.target(whole, mark)
        yield Bookmark(len(above), _title(mark, memory), calls.page(whole, target) if target else -1)
        if len(above) < MAX_DEPTH - 1:
            above.append(mark)
            mark = calls.child(whole, mark)
        else:
            mark = calls.sibling(whole, mark)
