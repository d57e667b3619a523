"""The automatic numbers of paragraphs in a Word document.

In: the parts `numbering.xml` and `styles.xml`, then the paragraphs in order. Out: the label of each, as Word shows it:
`1.2`, `(a)`, `第三条`. The text of a contract says "clause 1.2", so its numbers must be in it; they are nowhere in the
paragraphs, but counted by levels (ISO/IEC 29500-1, 17.9). Lists that share one definition go on counting where the other
stopped, unless one of them says where it starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from domainlm.text.reading.number_words import in_format
from domainlm.text.reading.zipped import Parts, attribute, local_name

LEVELS = 9
_PLACE = re.compile("%([1-9])")


@dataclass(frozen=True)
class Level:
    """A level of a list.

    text: the label, with %1 for the number of the outermost level. restart: the level whose numbers start this one again
    (None: any above; 0: none). style: the paragraph style that is on this level.
    """

    start: int = 1
    number_format: str = "decimal"
    text: str = ""
    restart: int | None = None
    is_legal: bool = False
    is_joined: bool = False
    style: str = ""


@dataclass(frozen=True)
class _List:
    """A list: its definition, its levels, and where it starts anew."""

    definition: str
    levels: dict[int, Level]
    starts: dict[int, int]


@dataclass
class Numbering:
    """The lists of a document, and how far they have counted.

    styles: (list, level or None) by paragraph style.
    """

    lists: dict[str, _List] = field(default_factory=dict)
    styles: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)

    def label(self, style: str, number: str | None, level: int | None) -> str | None:
        """The label of the next paragraph, or None outside of lists.

        It is `1.2 `, say, and `- ` for a bullet. number, level: by the paragraph itself; number 0 takes it out of its style's list.
        """
        of_style = self.styles.get(style)
        if number is None and of_style is not None:
            number, level = of_style[0], of_style[1] if level is None else level
        found = self.lists.get(number or "0")
        if number == "0" or found is None:
            return None
        if level is None:
            level = next((at for at, each in found.levels.items() if style and each.style == style), 0)
        counts = self._counted(number or "", found, level)
        here = found.levels.get(level, Level())
        if here.number_format == "bullet":
            return "- "
        if here.number_format == "none" and not _PLACE.search(here.text):
            return f"{here.text} " if here.text.strip() else ""

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            its = found.levels.get(at, Level())
            number_format = "decimal" if here.is_legal and at != level else its.number_format
            return in_format(counts.get(at, its.start), number_format)

        text = _PLACE.sub(shown, here.text)
        return text + ("" if here.is_joined or not text else " ")

    def _counted(self, number: str, found: _List, level: int) -> dict[int, int]:
        counts = self._counts.setdefault(found.definition, {})
        if level in found.starts and (number, level) not in self._begun:
            self._begun.add((number, level))
            counts[level] = found.starts[level] - 1
        counts[level] = counts.get(level, found.levels.get(level, Level()).start - 1) + 1
        for below in [at for at in counts if at > level]:
            restart = found.levels.get(below, Level()).restart
            if restart is None or level < restart:
                del counts[below]
        return counts


def _whole(value: str | None, default: int) -> int:
    # a number of 20 digits is a fault of the file's
    return int(value) if value is not None and re.fullmatch("-?[0-9]{1,9}", value, re.ASCII) else default


def _is_on(element: Element) -> bool:
    return attribute(element, "val") not in ("0", "false", "off")


def _level_of(element: Element) -> Level:
    found = Level()
    for child in element:
        tag, value = local_name(child), attribute(child, "val")
        if tag == "start":
            found = replace(found, start=_whole(value, 1))
        elif tag == "numFmt":
            found = replace(found, number_format=value or "decimal")
        elif tag == "lvlText":
            found = replace(found, text=value or "")
        elif tag == "lvlRestart":
            found = replace(found, restart=_whole(value, 0))
        elif tag == "isLgl":
            found = replace(found, is_legal=_is_on(child))
        elif tag == "suff":
            found = replace(found, is_joined=value == "nothing")
        elif tag == "pStyle":
            found = replace(found, style=value or "")
    return found


def _levels_of(element: Element) -> dict[int, Level]:
    return {_whole(attribute(each, "ilvl"), 0): _level_of(each) for each in element if local_name(each) == "lvl"}


def _of_name(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if local_name(child) == name)


def _value_of(element: Element, name: str) -> str | None:
    return next((attribute(child, "val") for child in _of_name(element, name)), None)


def number_of(properties: Element) -> tuple[str | None, int | None]:
    """(list, level) of a paragraph's or a style's properties."""
    for numbers in _of_name(properties, "numPr"):
        level = _value_of(numbers, "ilvl")
        return _value_of(numbers, "numId"), min(_whole(level, 0), LEVELS - 1) if level is not None else None
    return None, None


def _style_numbers(styles: Element) -> dict[str, tuple[str, int | None]]:
    """(list, level) of each style, its own or an inherited one."""
    own: dict[str, tuple[str | None, int | None]] = {}
    based_on: dict[str, str] = {}
    for style in _of_name(styles, "style"):
        name = attribute(style, "styleId") or ""
        own[name] = next((number_of(each) for each in _of_name(style, "pPr")), (None, None))
        based_on[name] = _value_of(style, "basedOn") or ""
    found: dict[str, tuple[str, int | None]] = {}
    for name in own:
        number, level = own[name]
        seen, above = {name}, based_on[name]
        while number is None and above in own and above not in seen:
            seen.add(above)
            number = own[above][0]
            level = own[above][1] if level is None else level
            above = based_on[above]
        if number is not None:
            found[name] = number, level
    return found


def numbering_of(parts: Parts, folder: str) -> Numbering:
    """The lists that a document defines, and its styles' places in them."""
    if not parts.has(f"{folder}numbering.xml"):
        return Numbering()
    root = parts.xml(f"{folder}numbering.xml")
    styles = _style_numbers(parts.xml(f"{folder}styles.xml")) if parts.has(f"{folder}styles.xml") else {}
    definitions: dict[str, dict[int, Level]] = {}
    links: dict[str, str] = {}
    for each in _of_name(root, "abstractNum"):
        name = attribute(each, "abstractNumId") or ""
        definitions[name] = _levels_of(each)
        if (link := _value_of(each, "numStyleLink")) is not None:
            links[name] = link
    numbers = {
        attribute(each, "numId") or "": (_value_of(each, "abstractNumId") or "", each) for each in _of_name(root, "num")
    }
    lists: dict[str, _List] = {}
    for number, (definition, element) in numbers.items():
        # a definition may be that of a style's list
        linked = styles.get(links.get(definition, ""), ("", None))[0]
        definition = numbers[linked][0] if linked in numbers else definition
        levels, starts = dict(definitions.get(definition, {})), {}
        for override in _of_name(element, "lvlOverride"):
            level = _whole(attribute(override, "ilvl"), 0)
            for its in _levels_of(override).values():
                levels[level] = its
            if (start := _value_of(override, "startOverride")) is not None:
                starts[level] = _whole(start, 1)
        lists[number] = _List(definition, levels, starts)
    return Numbering(lists, styles)
