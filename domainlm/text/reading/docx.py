"""Sections of a Word document.

In: the bytes of a .docx file. Out: sections at headings; list items and table rows are lines, foot- and endnotes
follow the body. Text that tracked changes delete, field codes and comments are removed; text that they insert stays.
The XML is walked directly, because python-docx's paragraphs miss text in content controls, text boxes and tracked
insertions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.pieces import Section
from domainlm.text.reading.zipped import Parts, attribute, local_name, parts_of

_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre|título|заголовок) ?([1-9])", re.IGNORECASE)
_TITLE_LEVEL = 0
# a table of contents repeats the headings
_CONTENTS = re.compile(r"(?:toc|目录|目錄) ?(?:[1-9]|heading)|table of figures", re.IGNORECASE)
_CONTENTS_LEVEL = -1
_LIST_LEVEL = -2
# deleted or moved-away text, codes of fields, comments, and the older copy of what a newer Word shows
_DROPPED = frozenset(
    ("del", "moveFrom", "instrText", "delText", "commentReference", "Fallback", "pPr", "rPr", "rt", "annotationRef")
)
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}


def _document_part(parts: Parts) -> str:
    """Name of the main part, by the package's relations."""
    if parts.has("_rels/.rels"):
        for relation in parts.xml("_rels/.rels"):
            if (attribute(relation, "Type") or "").endswith("/officeDocument"):
                return (attribute(relation, "Target") or "").lstrip("/")
    return "word/document.xml"


def _levels(parts: Parts, folder: str) -> dict[str, int]:
    """Level of each paragraph style that structures the text.

    Such a style is a heading, a list or a table of contents: by its name, by its outline level, or by the style that
    it is based on.
    """
    if not parts.has(f"{folder}styles.xml"):
        return {}
    levels: dict[str, int] = {}
    based_on: dict[str, str] = {}
    for style in parts.xml(f"{folder}styles.xml"):
        name = attribute(style, "styleId")
        if local_name(style) != "style" or name is None:
            continue
        for element in style.iter():
            tag, value = local_name(element), attribute(element, "val") or ""
            if tag == "name" and (match := _HEADING.fullmatch(value)):
                levels[name] = int(match[1])
            elif tag == "name" and value.lower() in ("title", "标题", "標題"):
                levels[name] = _TITLE_LEVEL
            elif tag == "name" and _CONTENTS.fullmatch(value):
                levels[name] = _CONTENTS_LEVEL
            elif tag == "outlineLvl" and value in tuple("012345678"):
                levels[name] = max(levels.get(name, 0), int(value) + 1)
            elif tag == "numPr":
                # headings may be numbered too
                levels.setdefault(name, _LIST_LEVEL)
            elif tag == "basedOn":
                based_on[name] = value
    for name in based_on:
        chain = [name]
        while chain[-1] not in levels and (above := based_on.get(chain[-1])) is not None and above not in chain:
            chain.append(above)
        if chain[-1] in levels:
            levels[name] = levels[chain[-1]]
    return levels


def _properties(paragraph: Element) -> dict[str, str]:
    """style, outlineLvl and whether it is a list item, of a paragraph."""
    found = {}
    for element in next((child for child in paragraph if local_name(child) == "pPr"), ()):
        tag = local_name(element)
        if tag in ("pStyle", "outlineLvl"):
            found[tag] = attribute(element, "val") or ""
        elif tag == "numPr":
            number = next((attribute(each, "val") for each in element if local_name(each) == "numId"), None)
            # number 0 takes a paragraph out of the list that its style puts it in
            if number != "0":
                found["list"] = ""
    return found


def _is_hidden(run: Element) -> bool:
    properties = next((child for child in run if local_name(child) == "rPr"), ())
    found = next((each for each in properties if local_name(each) == "vanish"), None)
    return found is not None and attribute(found, "val") not in ("0", "false")


def _text(paragraph: Element) -> tuple[str, list[Element]]:
    """Text of a paragraph, and the text boxes in it.

    The boxes' own paragraphs follow. The walk is iterative, because files nest without limit.
    """
    words: list[str] = []
    boxes: list[Element] = []
    stack = [paragraph]
    while stack:
        element = stack.pop()
        tag = local_name(element)
        if tag in _DROPPED:
            continue
        if tag == "r" and _is_hidden(element):
            continue
        if tag == "t":
            words.append(element.text or "")
        elif tag in _MARKS:
            words.append(_MARKS[tag])
        elif tag == "txbxContent":
            boxes.append(element)
        else:
            stack.extend(reversed(element))
    return "".join(words), boxes


def _line_of(root: Element) -> str:
    """The paragraphs in a table cell or a note as one line.

    Those of their text boxes come last.
    """
    found: list[str] = []
    waiting = [root]
    for holder in waiting:
        for paragraph in _blocks(holder, "p"):
            text, boxes = _text(paragraph)
            found.append(single_line(text))
            waiting += boxes
    return " ".join(text for text in found if text)


def _blocks(root: Element, *tags: str) -> Iterator[Element]:
    """Outermost elements of these names, in order.

    Deleted text holds none.
    """
    stack = list(reversed(root))
    while stack:
        element = stack.pop()
        tag = local_name(element)
        if tag in tags:
            yield element
        elif tag not in _DROPPED:
            stack.extend(reversed(element))


def _lines(body: Element, levels: dict[str, int]) -> Iterator[tuple[int | None, str]]:
    """(heading level or None, text) of each paragraph and table row.

    An empty text ends a paragraph, a list or a table.
    """
    previous = ""
    for block in _blocks(body, "p", "tbl"):
        if local_name(block) == "tbl":
            yield None, ""
            for row in _blocks(block, "tr"):
                cells = [_line_of(cell) for cell in _blocks(row, "tc")]
                if any(cells):
                    yield None, " | ".join(cells)
            previous = "tbl"
            continue
        found = _properties(block)
        text, boxes = _text(block)
        outline = found.get("outlineLvl", "9")
        level = int(outline) + 1 if outline in tuple("012345678") else levels.get(found.get("pStyle", ""))
        if level == _CONTENTS_LEVEL:
            continue
        is_item = level == _LIST_LEVEL or (level is None and "list" in found)
        level = None if level == _LIST_LEVEL else level
        kind = "list" if is_item else "p"
        if kind == "p" or previous != "list":
            yield None, ""
        yield level, f"- {single_line(text)}" if kind == "list" and text.strip() else text.strip()
        previous = kind
        # a text box may hold further ones
        for box in boxes:
            for paragraph in _blocks(box, "p"):
                text, within = _text(paragraph)
                boxes += within
                yield None, ""
                yield None, text.strip()


def _notes(parts: Parts, folder: str) -> str:
    """Texts of foot- and endnotes, one a line."""
    found = []
    for name in ("footnotes", "endnotes"):
        if parts.has(f"{folder}{name}.xml"):
            for note in parts.xml(f"{folder}{name}.xml"):
                # separators have a type
                text = "" if attribute(note, "type") else _line_of(note)
                found += [text] if text else []
    return "\n".join(found)


def read_docx(data: bytes) -> list[Section]:
    """Sections of a Word document.

    Offsets are unknown: the end is -1. Raises Unreadable.
    """
    parts = parts_of(data, "docx")
    name = _document_part(parts)
    if not parts.has(name):
        raise Unreadable("malformed", "no docx: it has no main document part (a spreadsheet or another zip file?)")
    folder = name.rpartition("/")[0] + "/" if "/" in name else ""
    root = parts.xml(name)
    body = next((child for child in root if local_name(child) == "body"), None)
    if body is None:
        raise Unreadable("malformed", f"no docx: {name!r} holds a {local_name(root)!r} and no body")
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    lines: list[str] = []

    def close() -> None:
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
        path = tuple(title for _, title in above)
        if text:
            sections.append(Section(path, path[-1] if path else "", text, 0, -1))
        lines.clear()

    for level, text in _lines(body, _levels(parts, folder)):
        if level is None or not text:
            lines.append(text)
            continue
        close()
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, single_line(text)))
    if notes := _notes(parts, folder):
        lines += ["", notes]
    close()
    return sections
