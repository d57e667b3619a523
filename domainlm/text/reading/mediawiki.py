"""Articles of a MediaWiki XML dump, plain or bz2.

In: an open dump. Out: pieces of its articles; redirects and pages outside the main namespace are rejections. The dump
is parsed as it is unpacked: memory is one page. The parser is expat and not ElementTree, because expat reports where
in the (unpacked) dump a page begins, and this orders the documents without holding them. A truncated dump gives the
articles before its end.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from domainlm.text.characters import single_line
from domainlm.text.reading.pieces import Piece, Rejection, titled_parts
from domainlm.text.reading.wikitext import prose_of

CHUNK_BYTES = 1 << 16
# a packed chunk may hold a gigabyte of whitespace
MAX_UNPACKED_BYTES = 1 << 20
# MediaWiki itself stores no page of more than 2 MB
MAX_PAGE_CHARS = 8_000_000
# of a mark that has begun: expat holds all of it
MAX_MARK_BYTES = 8_000_000
_FIELDS = {"title": "title", "ns": "namespace", "id": "identifier", "text": "markup"}


@dataclass
class Page:
    """One page. start, end: bytes in the unpacked dump."""

    start: int
    end: int = -1
    title: str = ""
    namespace: str = ""
    identifier: str = ""
    markup: str = ""
    is_redirect: bool = False
    is_too_large: bool = False


class _Pages:
    """Pages that expat has finished, in order."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.finished: list[Page] = []
        self._page: Page | None = None
        self._text: list[str] = []
        self._chars = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "page":
            self._page = Page(self.parser.CurrentByteIndex)
            self._chars = 0
        elif name == "redirect" and self._page is not None:
            self._page.is_redirect = True
        self._text.clear()

    def _characters(self, data: str) -> None:
        if self._page is None:
            return
        self._chars += len(data)
        if self._chars > MAX_PAGE_CHARS:
            self._page.is_too_large = True
            self._text.clear()
        else:
            self._text.append(data)

    def _end(self, name: str) -> None:
        page = self._page
        if page is None:
            return
        if name == "page":
            page.end = self.parser.CurrentByteIndex + len("</page>")
            self.finished.append(page)
            self._page = None
        elif name in _FIELDS and not (name == "id" and page.identifier):
            # the first id is the page's; those of its revision and author follow
            setattr(page, _FIELDS[name], "".join(self._text))
        self._text.clear()

    def taken(self) -> list[Page]:
        pages, self.finished = self.finished, []
        return pages


def unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a dump in chunks, from any bz2 streams.

    Raises EOFError if it is truncated, ValueError if it is damaged. BZ2File would not do: its data before an error
    depend on its buffers.
    """
    is_packed = file.read(3) == b"BZh"
    file.seek(0)
    stream: bz2.BZ2Decompressor | None = None
    while chunk := file.read(CHUNK_BYTES):
        if not is_packed:
            yield chunk
            continue
        while chunk or (stream is not None and not stream.needs_input):
            stream = stream or bz2.BZ2Decompressor()
            try:
                yield stream.decompress(chunk, MAX_UNPACKED_BYTES)
            except OSError as error:
                raise ValueError("no bz2 stream") from error
            chunk = b""
            if stream.eof:
                chunk, stream = stream.unused_data, None
    if stream is not None:
        raise EOFError


def pages_of(file: BinaryIO) -> Iterator[Page | Rejection]:
    """Pages of a dump; last a rejection if it is damaged."""
    pages = _Pages()
    chunks = unpacked(file)
    damage = ""
    count = 0
    fed = 0
    is_at_end = False
    while not is_at_end:
        chunk: bytes | None = None
        try:
            chunk = next(chunks, None)
        except EOFError:
            damage = "truncated"
        except ValueError:
            damage = "damaged"
        is_at_end = chunk is None
        try:
            # the last call makes expat give every page that it has held back, also where the dump is damaged
            pages.parser.Parse(chunk or b"", is_at_end)
        except expat.ExpatError:
            damage, is_at_end = damage or "malformed_xml", True
        for page in pages.taken():
            count += 1
            yield page
        fed += len(chunk or b"")
        if not damage and fed - pages.parser.CurrentByteIndex > MAX_MARK_BYTES:
            damage, is_at_end = "malformed_xml", True
    if damage:
        yield Rejection(damage, f"after {count} pages; the rest is lost")


def pieces_of_page(page: Page, max_section_chars: int) -> Iterator[Piece | Rejection]:
    """Pieces of an article: section and group are its title."""
    title = single_line(page.title)
    if page.is_redirect or page.namespace.strip() not in ("", "0"):
        yield Rejection("redirect" if page.is_redirect else "not_an_article", title)
        return
    if page.is_too_large:
        yield Rejection("too_large", f"{title}: a page of more than {MAX_PAGE_CHARS} characters")
        return
    texts = list(titled_parts(title, prose_of(page.markup), max_section_chars))
    if not texts:
        yield Rejection("no_text", title)
    for part, text in enumerate(texts):
        yield Piece(title, f"{page.identifier}.{part}", page.start, page.end, title, text, title)


def read_mediawiki(file: BinaryIO, max_section_chars: int) -> Iterator[Piece | Rejection]:
    """Pieces of the articles of a dump."""
    for page in pages_of(file):
        if isinstance(page, Rejection):
            yield page
        else:
            yield from pieces_of_page(page, max_section_chars)
