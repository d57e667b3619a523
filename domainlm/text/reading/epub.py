"""Sections of a book in EPUB.

In: the bytes of an .epub file. Out: the sections of its chapters in reading order, below the book's title. Chapters
are pages, read as such; the table of contents and parts outside the reading order are not text. EbookLib was not
chosen: its licence (AGPL) would become that of everyone who builds with this project.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from domainlm.raw.charset import decode
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.html import read_html
from domainlm.text.reading.pieces import Section
from domainlm.text.reading.zipped import Parts, attribute, local_name, parts_of

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def _package_name(parts: Parts) -> str:
    """Name of the part that lists the book's parts."""
    for element in parts.xml(_CONTAINER).iter():
        if local_name(element) == "rootfile" and (path := attribute(element, "full-path")):
            return path
    raise Unreadable("malformed", f"no epub: {_CONTAINER} names no package")


def _chapters(package: Element, folder: str) -> list[str]:
    """Names of the parts in reading order, without the table of contents."""
    items: dict[str, str] = {}
    for element in package.iter():
        if local_name(element) == "item" and attribute(element, "media-type") in _PAGES:
            is_contents = "nav" in (attribute(element, "properties") or "").split()
            name, target = attribute(element, "id"), attribute(element, "href")
            if name and target and not is_contents:
                items[name] = posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))
    order = [attribute(element, "idref") or "" for element in package.iter() if local_name(element) == "itemref"]
    return [items[name] for name in dict.fromkeys(order) if name in items]


def _locked(parts: Parts) -> set[str]:
    """Names of the encrypted parts.

    Fonts often are encrypted, by a scheme that is no protection; encrypted chapters mean a bought book.
    """
    if not parts.has(_ENCRYPTION):
        return set()
    found = (
        attribute(element, "URI")
        for element in parts.xml(_ENCRYPTION).iter()
        if local_name(element) == "CipherReference"
    )
    return {unquote(name).lower() for name in found if name}


def read_epub(data: bytes) -> list[Section]:
    """Sections of a book.

    Offsets are unknown: the end is -1. Raises Unreadable.
    """
    parts = parts_of(data, "epub")
    if not parts.has(_CONTAINER):
        raise Unreadable("malformed", f"no epub: it has no {_CONTAINER}")
    name = _package_name(parts)
    package = parts.xml(name)
    named = next((each.text for each in package.iter() if local_name(each) == "title" and each.text), "")
    book = single_line(named or "")
    chapters = _chapters(package, posixpath.dirname(name))
    if locked := _locked(parts).intersection(chapter.lower() for chapter in chapters):
        raise Unreadable("encrypted", f"{len(locked)} of {len(chapters)} chapters are locked (DRM)")
    found: list[Section] = []
    for chapter in chapters:
        if not parts.has(chapter):
            raise Unreadable("malformed", f"chapter {chapter!r} is listed but not in the file (truncated?)")
        for section in read_html(decode(parts.read(chapter), 0.0, is_html=True).text):
            path = (book, *section.path) if book and section.path[:1] != (book,) else section.path
            found.append(replace(section, path=path, title=section.title or book, start=0, end=-1))
    return found
