from __future__ import annotations

import pypdfium2
import pytest

from domainlm.text.reading.pdf_bookmarks import MAX_DEPTH, Bookmark, bookmarks_of


def outlined(*bookmarks: str) -> bytes:
    """A PDF of one page; object 9 is the tree's root, and the bookmarks are the objects from 10 on."""
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/Outlines 9 0 R>>",
        2: "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
        9: "<</First 10 0 R>>",
        **dict(enumerate((f"<</Parent 9 0 R {bookmark}>>" for bookmark in bookmarks), 10)),
    }
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in objects.items())
    return f"%PDF-1.4\n{body}trailer<</Size 99/Root 1 0 R>>\n%%EOF".encode()


def by_library(document: pypdfium2.PdfDocument) -> list[Bookmark]:
    """What pypdfium2's own way gives."""
    found = []
    for bookmark in document.get_toc():
        target = bookmark.get_dest()
        index = target.get_index() if target is not None else None
        found.append(Bookmark(bookmark.level, bookmark.get_title(), -1 if index is None else index))
    return found


HERE = "/Dest[3 0 R/Fit]"
CHAIN = [f"/Title({number}) {HERE} /First {number + 11} 0 R" for number in range(MAX_DEPTH + 5)]


@pytest.mark.parametrize(
    ("bookmarks", "count"),
    [
        ([f"/Title(One) {HERE} /Next 11 0 R", f"/Title(Two) {HERE}"], 2),
        ([f"/Title(One) {HERE} /First 11 0 R /Next 12 0 R", f"/Title(In it) {HERE}", "/Title(Nowhere)"], 3),
        ([f"/Title({'long ' * 200}) {HERE}"], 1),
        ([f"/Title<FEFF4E2D65870000> {HERE} /Next 11 0 R", f"{HERE}"], 2),
        # a bookmark that is its own sibling, its own child, the child of its sibling
        ([f"/Title(One) {HERE} /Next 10 0 R"], 1),
        ([f"/Title(One) {HERE} /First 10 0 R"], 1),
        ([f"/Title(One) {HERE} /Next 11 0 R", f"/Title(Two) {HERE} /First 10 0 R /Next 12 0 R", "/Title(3)"], 3),
        (CHAIN, MAX_DEPTH),
        ([], 0),
    ],
)
def test_bookmarks_are_those_that_the_library_gives(bookmarks: list[str], count: int) -> None:
    document = pypdfium2.PdfDocument(outlined(*bookmarks))
    found = list(bookmarks_of(document))
    assert found == by_library(document)
    assert len(found) == count


def test_a_title_that_is_no_text_is_none() -> None:
    document = pypdfium2.PdfDocument(outlined(f"/Title<FEFFD800> {HERE} /Next 11 0 R", f"/Title(Two) {HERE}"))
    assert [bookmark.title for bookmark in bookmarks_of(document)][1:] == ["Two"]
