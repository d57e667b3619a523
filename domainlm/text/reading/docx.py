"""Sections of a Word document.

In: the bytes of a .docx file. Out: sections at headings; list items and table rows are lines, foot- and endnotes
follow the body. Automatic numbers are written out (`docx_numbering`), and so are powers, formulas (`docx_formula`) and
characters of symbol fonts (`docx_symbols`). Text that tracked changes delete, field codes and comments are removed; text
that they insert stays.
The XML is walked directly, because python-docx's paragraphs miss text in content controls, text boxes and tracked
insertions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree.ElementTree import Element

from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.docx_formula import formula_of
from domainlm.text.reading.docx_numbering import Numbering, number_of, numbering_of
from domainlm.text.reading.docx_symbols import in_font, symbol
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
# powers and numbers of notes; what is raised otherwise is an ending or a charge: 1st, Na+, Ca2+
_POWER = re.compile(r"[-−+]?[0-9]+(?:[.,/][0-9]+)*")
_POWER_OF_LETTERS = re.compile(r"[-−+]?(?:[0-9]*[a-zA-Zα-ω]|[0-9a-zA-Zα-ω]+(?:[-−+/][0-9a-zA-Zα-ω]+)+)")
# of 1er, 1o and 1a; a letter raised beside a digit is an exponent otherwise
_ENDING_LETTERS = frozenset("aeodrsth")
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
    properties = next((child for child in paragraph if local_name(child) == "pPr"), None)
    for element in () if properties is None else properties:
        tag = local_name(element)
        if tag in ("pStyle", "outlineLvl"):
            found[tag] = attribute(element, "val") or ""
        # number 0 takes a paragraph out of the list that its style puts it in
        elif tag == "numPr" and properties is not None and number_of(properties)[0] != "0":
            found["list"] = ""
    return found


def _label(paragraph: Element, numbering: Numbering) -> str | None:
    """The automatic number of a paragraph, thereby counted, or None."""
    if not numbering.lists:
        return None
    properties = next((child for child in paragraph if local_name(child) == "pPr"), None)
    if properties is None:
        return None
    style = next((attribute(each, "val") or "" for each in properties if local_name(each) == "pStyle"), "")
    return numbering.label(style, *number_of(properties))


def _run_properties(run: Element) -> tuple[bool, str, bool]:
    """Whether a run is hidden; its font; whether it is raised."""
    is_hidden = is_raised = False
    font = ""
    for each in next((child for child in run if local_name(child) == "rPr"), ()):
        tag = local_name(each)
        if tag == "vanish":
            is_hidden = attribute(each, "val") not in ("0", "false")
        elif tag == "rFonts":
            font = attribute(each, "ascii") or attribute(each, "hAnsi") or ""
        elif tag == "vertAlign":
            is_raised = attribute(each, "val") == "superscript"
    return is_hidden, font, is_raised


def _raised(text: str, before: str) -> str:
    """Raised text, with a mark where it is a power."""
    word = text.strip()
    if not before or before[-1:].isspace() or not word:
        return text
    is_power = _POWER.fullmatch(word)
    if not is_power and _POWER_OF_LETTERS.fullmatch(word):
        is_power = None if len(word) == 1 and word in _ENDING_LETTERS else _POWER_OF_LETTERS.fullmatch(word)
    if not is_power:
        return text
    is_one = word.lstrip("-−+").isalnum()
    return text.replace(word, f"^{word}" if is_one else f"^({word})", 1)


def _joined(words: list[tuple[str, bool]]) -> str:
    """The text of runs, with marks for powers."""
    if not any(is_raised for _, is_raised in words):
        return "".join(text for text, _ in words)
    found: list[str] = []
    before = ""
    for is_raised, group in groupby(words, key=lambda word: word[1]):
        text = "".join(each for each, _ in group)
        text = _raised(text, before) if is_raised else text
        found.append(text)
        before = text or before
    return "".join(found)


def _text(paragraph: Element) -> tuple[str, list[Element]]:
    """Text of a paragraph, and the text boxes in it.

    The boxes' own paragraphs follow. The walk is iterative, because files nest without limit.
    """
    words: list[tuple[str, bool]] = []
    boxes: list[Element] = []
    stack = [(paragraph, "", False)]
    while stack:
        element, font, is_raised = stack.pop()
        tag = local_name(element)
        if tag in _DROPPED:
            continue
        if tag == "r":
            is_hidden, font, is_raised = _run_properties(element)
            if is_hidden:
                continue
        if tag == "t":
            words.append((in_font(element.text or "", font), is_raised))
        elif tag == "sym":
            words.append((_symbol(element), is_raised))
        elif tag == "oMath":
            words.append((formula_of(element), False))
        elif tag in _MARKS:
            words.append((_MARKS[tag], is_raised))
        elif tag == "txbxContent":
            boxes.append(element)
        else:
            stack.extend((child, font, is_raised) for child in reversed(element))
    return _joined(words), boxes


def _symbol(element: Element) -> str:
    code = attribute(element, "char") or ""
    return symbol(int(code, 16), attribute(element, "font") or "") if re.fullmatch("[0-9A-Fa-f]{1,6}", code) else ""


def _line_of(root: Element, numbering: Numbering) -> str:
    """The paragraphs in a table cell or a note as one line.

    Those of their text boxes come last.
    """
    found: list[str] = []
    waiting = [root]
    for holder in waiting:
        for paragraph in _blocks(holder, "p"):
            text, boxes = _text(paragraph)
            label = _label(paragraph, numbering) or ""
            # a bullet has no meaning within a line
            found.append(single_line(text if label == "- " else label + text))
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


def _lines(body: Element, levels: dict[str, int], numbering: Numbering) -> Iterator[tuple[int | None, str]]:
    """(heading level or None, text) of each paragraph and table row.

    An empty text ends a paragraph, a list or a table.
    """
    previous = ""
    for block in _blocks(body, "p", "tbl"):
        if local_name(block) == "tbl":
            yield None, ""
            for row in _blocks(block, "tr"):
                cells = [_line_of(cell, numbering) for cell in _blocks(row, "tc")]
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
        label = _label(block, numbering)
        is_item = level == _LIST_LEVEL or (level is None and "list" in found)
        level = None if level == _LIST_LEVEL else level
        kind = "list" if is_item else "p"
        if kind == "p" or previous != "list":
            yield None, ""
        if kind == "list":
            text = f"{'- ' if label is None else label}{single_line(text)}" if text.strip() else ""
        elif label not in (None, "- ") and text.strip():
            text = f"{label}{text.strip()}"
        yield level, text.strip()
        previous = kind
        # a text box may hold further ones
        for box in boxes:
            for paragraph in _blocks(box, "p"):
                text, within = _text(paragraph)
                boxes += within
                yield None, ""
                yield None, text.strip()


def _notes(parts: Parts, folder: str, numbering: Numbering) -> str:
    """Texts of foot- and endnotes, one a line."""
    found = []
    for name in ("footnotes", "endnotes"):
        if parts.has(f"{folder}{name}.xml"):
            for note in parts.xml(f"{folder}{name}.xml"):
                # separators have a type
                text = "" if attribute(note, "type") else _line_of(note, numbering)
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

    numbering = numbering_of(parts, folder)
    for level, text in _lines(body, _levels(parts, folder), numbering):
        if level is None or not text:
            lines.append(text)
            continue
        close()
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, single_line(text)))
    if notes := _notes(parts, folder, numbering):
        lines += ["", notes]
    close()
    return sections
