"""Sections of a book in EPUB.

In: the bytes of an .epub file. Out: the sections of its chapters in reading order, below the book's title, and a
rejection for every chapter that is listed and cannot be read. Chapters are pages of XHTML, read as such; contents
pages and parts outside the reading order are not text, except the notes that the text leads to. EbookLib was not chosen:
its licence (AGPL) would become that of everyone who builds with this project.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from domainlm.raw.charset import decode
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.html import read_chapter
from domainlm.text.reading.html_names import leaves_book
from domainlm.text.reading.pieces import Coverage, Rejection, Section
from domainlm.text.reading.zipped import Parts, attribute, local_name, parts_of

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
# a contents page is little else than links; one that the book names so may also be a place in a chapter
MAX_LINK_SHARE, MAX_LINK_SHARE_OF_CONTENTS = 0.8, 0.5
# what a link leads to, and the place there
_LINKS = re.compile(r"""<a\s(?:[^<>]*?\s)?href\s*=\s*["']([^"'#]*)(#?)""", re.IGNORECASE)
# a note has a link or two back to its places in the text; a contents page has more, or leads to whole chapters
MAX_LINKS_BACK = 2


def _package_name(parts: Parts) -> str:
    """Name of the part that lists the book's parts."""
    for element in parts.xml(_CONTAINER).iter():
        if local_name(element) == "rootfile" and (path := attribute(element, "full-path")):
            return path
    raise Unreadable("malformed", f"no epub: {_CONTAINER} names no package")


def _part_name(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))


def _chapters(package: Element, folder: str) -> tuple[dict[str, bool], set[str], list[str]]:
    """Parts in reading order, contents pages, ids without a part.

    The value of a part says whether it is outside the reading order (`linear="no"`).
    """
    items: dict[str, str] = {}
    others: set[str] = set()
    for element in package.iter():
        if local_name(element) == "item":
            name, target = attribute(element, "id") or "", attribute(element, "href")
            is_contents = "nav" in (attribute(element, "properties") or "").split()
            if target and not is_contents and attribute(element, "media-type") in _PAGES:
                items[name] = _part_name(folder, target)
            else:
                others.add(name)
    contents = {
        _part_name(folder, attribute(element, "href") or "")
        for element in package.iter()
        if local_name(element) == "reference" and (attribute(element, "type") or "").lower() == "toc"
    }
    chapters: dict[str, bool] = {}
    unknown = []
    for element in package.iter():
        if local_name(element) != "itemref":
            continue
        name = attribute(element, "idref") or ""
        part = items.get(name)
        if part is None:
            unknown += [] if name in others else [name]
        else:
            chapters.setdefault(part, (attribute(element, "linear") or "").lower() == "no")
    return chapters, contents, unknown


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


def _sources(parts: Parts, chapters: dict[str, bool]) -> tuple[dict[str, str], list[Rejection]]:
    """The decoded chapters, and rejections of those that cannot be read."""
    found: dict[str, str] = {}
    rejections = []
    for chapter in chapters:
        if not parts.has(chapter):
            detail = f"chapter {chapter!r} is listed but not in the file; the other chapters are read"
            rejections.append(Rejection("missing_part", detail))
            continue
        try:
            found[chapter] = decode(parts.read(chapter), 0.0, is_html=True).text
        except Unreadable as error:
            rejections.append(Rejection(error.reason, f"chapter {chapter!r}: {error.detail}"))
    return found, rejections


def _led_to(sources: dict[str, str]) -> set[str]:
    """Parts into which others lead, as a text does to notes."""
    return {
        _part_name(posixpath.dirname(name), target)
        for name, source in sources.items()
        for target, _ in _LINKS.findall(source)
        if target and not leaves_book(target) and _part_name(posixpath.dirname(name), target) != name
    }


def _is_contents(source: str, link_share: float, is_named: bool) -> bool:
    """Whether a chapter is little else than links to others."""
    if link_share <= (MAX_LINK_SHARE_OF_CONTENTS if is_named else MAX_LINK_SHARE):
        return False
    links = [(target, mark) for target, mark in _LINKS.findall(source) if not leaves_book(target)]
    return is_named or len(links) > MAX_LINKS_BACK or any(not mark for _, mark in links)


def read_epub(data: bytes) -> list[Section | Rejection | Coverage]:
    """Sections of a book, its unreadable chapters, and what was read.

    Offsets are unknown: the end is -1. Raises Unreadable.
    """
    parts = parts_of(data, "epub")
    if not parts.has(_CONTAINER):
        raise Unreadable("malformed", f"no epub: it has no {_CONTAINER}")
    name = _package_name(parts)
    package = parts.xml(name)
    named = next((each.text for each in package.iter() if local_name(each) == "title" and each.text), "")
    book = single_line(named or "")
    chapters, contents, unknown = _chapters(package, posixpath.dirname(name))
    if locked := _locked(parts).intersection(chapter.lower() for chapter in chapters):
        raise Unreadable("encrypted", f"{len(locked)} of {len(chapters)} chapters are locked (DRM)")
    sources, rejections = _sources(parts, chapters)
    rejections += [Rejection("missing_part", f"the reading order names {each!r}, which is no part") for each in unknown]
    pages = {chapter: read_chapter(source) for chapter, source in sources.items()}
    lists = {part for part, (_, share, _) in pages.items() if _is_contents(sources[part], share, part in contents)}
    # a contents page leads to everything
    notes = _led_to({part: source for part, source in sources.items() if not chapters[part] and part not in lists})
    found: list[Section | Rejection | Coverage] = [*rejections]
    read = Coverage(0, 0, 0)
    for chapter, (sections, _, coverage) in pages.items():
        if chapters[chapter] and chapter not in notes:
            # outside the reading order: neither text nor navigation
            read += Coverage(coverage.shown, 0, coverage.removed)
            continue
        if chapter in lists:
            read += Coverage(coverage.shown, 0, coverage.shown)
            continue
        read += coverage
        for section in sections:
            path = (book, *section.path) if book and section.path[:1] != (book,) else section.path
            found.append(replace(section, path=path, title=section.title or book, start=0, end=-1))
    return [read, *found]
