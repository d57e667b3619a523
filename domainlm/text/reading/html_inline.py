"""What an element within a line adds to its text.

In: an element whose text alone would say something else than the page shows: raised and lowered characters, formulas
in scripts and pictures, the numbers beside code. Out: a text, or None where the element is to be read as it is.
Powers become `10^5`, not `105`; fractions `1/2`, not `12`; marks of notes `[1]`. Every look into an element is bounded,
because a page may nest a hundred thousand of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domainlm.text.characters import has_letter, is_word, single_line
from domainlm.text.reading.html_formula import formula_of

_MAX_NODES, _MAX_CHARS = 12, 40
_MAX_SHIFT_CHARS = 4
_SLASH = "/"
_FRACTION_SLASHES = ("⁄", "∕")
_NUMBER = re.compile(r"[-+−–‒]?[0-9]+(?:[.,/⁄][0-9]+)?")
_CHARGE = re.compile(r"[0-9]*[-+−–]")
_DIGITS = re.compile(r"[0-9]+")
# fixed ranges, because what Python takes for a letter depends on its version
_LETTERS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u03ff\u0400-\u04ff"
_NAME = re.compile(f"[{_LETTERS}]+")
_LAST_WORD = re.compile(f"[{_LETTERS}]+\\Z")
# endings of numbers and titles: 5th, 1er, 2a, Mme, No
_ENDINGS = frozenset(("st", "nd", "rd", "th", "tm", "sm", "er", "ère", "ème", "nde", "lle", "mes", "ter", "bis"))
_ENDINGS_OF_NUMBERS = frozenset(("a", "as", "d", "de", "e", "eme", "es", "me", "o", "os", "r", "re", "te", "º", "ª"))
_ENDINGS_OF_TITLES = frozenset(("a", "e", "gr", "me", "o", "os", "r", "t", "te"))
_TITLES = frozenset("MNDSCVn")
_NOTE = re.compile(r"[0-9]{1,3}|[a-z]|[ivx]{1,5}|[*†‡§¶]+")
# letters before a raised number that a unit or a variable has: m, cm, kg, mol, sin; what is longer is a word with a note
_MAX_UNIT_CHARS = 3
_LONG_UNITS = frozenset((
    "cosh", "feet", "inch", "inches", "kcal", "meter", "meters", "metre", "metres", "mile", "miles", "mmol", "nmol", "sinh",
    "tanh", "µmol", "μmol",
))  # fmt: skip
_HAN_UNITS = "米秒尺里升克"
_BASE_AND_BLANK = re.compile(r"(?<![0-9])10[ \xa0]\Z")
_FORMULA_SCRIPTS = ("math/tex", "math/asciimath", "math/mml")
_CDATA = re.compile(r"%?\s*(?:<!\[CDATA\[|\]\]>)")
_FORMULA_PICTURES = frozenset(
    ("latex", "tex", "math", "mathtex", "formula", "equation", "inline-formula", "display-formula")
)
_FORMULA_SERVERS = ("latex.php", "codecogs.com", "mathtex.cgi", "mimetex.cgi", "/svg.latex", "/png.latex", "/gif.latex")
_IN_FORMULAS = re.compile(r"[\\^_={}+<>]")
_ASCII_DIGITS, _CLOSING = "0123456789", ")]}|°"
_LINE_NUMBERS = re.compile(r"[0-9\s.:|]*")


def _short_text(node: Any) -> str | None:
    """The text of an element that holds little, else None."""
    found: list[str] = []
    stack, nodes, chars = [node.first_child], 0, 0
    while stack:
        child = stack.pop()
        if child is None:
            continue
        nodes += 1
        if child.tag == "-text":
            text = child.text_content or ""
            chars += len(text)
            found.append(text)
        elif child.tag in ("sup", "sub"):
            if not found:
                return None
            # a power of a power
            found.append("^" if child.tag == "sup" else "_")
        if nodes > _MAX_NODES or chars > _MAX_CHARS:
            return None
        stack += [child.next, child.first_child]
    return single_line("".join(found))


def is_short_shift(node: Any) -> bool:
    """Whether a text is short enough to be shifted by a class.

    A class called `sub` is as often a subtitle's.
    """
    text = _short_text(node)
    return bool(text) and len(text or "") <= _MAX_SHIFT_CHARS and " " not in (text or "")


def _is_link_to_a_note(node: Any) -> bool:
    """Whether a raised text leads to a note or marks one."""
    for link in (node.parent, node.first_child):
        if link is not None and link.tag == "a":
            kind = link.attributes.get("epub:type") or link.attributes.get("role") or ""
            target = link.attributes.get("href") or ""
            place = target.rpartition("#")[2].lower() if "#" in target else ""
            if "noteref" in kind or target.startswith("#") or "note" in place or "fn" in place or "ftn" in place:
                return True
    return False


def _grouped(text: str) -> str:
    """A text as one operand."""
    is_one = _NUMBER.fullmatch(text) or _NAME.fullmatch(text) or len(text) == 1 or _CHARGE.fullmatch(text)
    return text if is_one else f"({text})"


def _is_upper_part(node: Any) -> bool:
    """Whether a slash and a lowered text follow, as in ½."""
    following = node.next
    if following is None:
        return False
    if following.tag == "-text":
        text = (following.text_content or "").strip()
        lower = following.next
        return text.startswith(_FRACTION_SLASHES) or (text == _SLASH and lower is not None and lower.tag == "sub")
    return following.tag == "span" and _short_text(following) in (_SLASH, *_FRACTION_SLASHES)


def _has_ending(text: str, last: str) -> bool:
    text = text.lower().rstrip(".")
    if text in _ENDINGS:
        return True
    return text in _ENDINGS_OF_NUMBERS if last in _ASCII_DIGITS else text in _ENDINGS_OF_TITLES and last in _TITLES


def _raised_number(text: str, before: str) -> str:
    """A raised number: a power, or the mark of a note."""
    last = before[-1]
    word = _LAST_WORD.search(before)
    is_mark = (
        text == "1" or len(word[0]) > _MAX_UNIT_CHARS if word is not None else last >= "\u2e80" and has_letter(last)
    )
    is_unit = word[0].lower() in _LONG_UNITS if word is not None else last in _HAN_UNITS
    if is_mark and not is_unit and _NOTE.fullmatch(text):
        return f"[{text}]"
    return f"^{text}" if has_letter(last) or last in _ASCII_DIGITS or last in _CLOSING else text


def raised(node: Any, before: str) -> str | None:
    """A raised text as it stands behind the text before it."""
    text = _short_text(node)
    if not text:
        return None
    last = before[-1:]
    if _is_upper_part(node):
        # 3½ is not 31/2
        return f" {text}" if last and last in _ASCII_DIGITS else text
    if _is_link_to_a_note(node) and _NOTE.fullmatch(text.lower()):
        return f"[{text}]"
    if _BASE_AND_BLANK.search(before) and _NUMBER.fullmatch(text):
        return f"^{text}"
    if not last or last.isspace() or not is_word(text) or _has_ending(text, last):
        return text
    if _NUMBER.fullmatch(text):
        return _raised_number(text, before)
    if last in _ASCII_DIGITS or last in _CLOSING:
        return f"^{_grouped(text)}"
    word = _LAST_WORD.search(before)
    is_variable = word is not None and len(word[0]) <= _MAX_UNIT_CHARS
    return f"^{_grouped(text)}" if is_variable and len(text) <= 2 * _MAX_UNIT_CHARS else text


def lowered(node: Any, before: str) -> str | None:
    """A lowered text as it stands in a line: `x_i`, but `H2O`."""
    text = _short_text(node)
    last = before[-1:]
    if not text or not last:
        return text or None
    if _DIGITS.fullmatch(text):
        # the base of a number, or the atoms of a molecule
        return f"_{text}" if last in _ASCII_DIGITS else text
    is_name = (has_letter(last) or last in _ASCII_DIGITS) and is_word(text)
    return f"_{_grouped(text)}" if is_name else text


def _is_formula_script(node: Any) -> bool:
    return (node.attributes.get("type") or "").lower().strip().startswith(_FORMULA_SCRIPTS)


def formula_script(node: Any) -> str | None:
    """The formula that MathJax is to set; None for other scripts."""
    if not _is_formula_script(node):
        return None
    source = node.text() or ""
    if (node.attributes.get("type") or "").lower().strip().startswith("math/mml"):
        from selectolax.lexbor import LexborHTMLParser

        formula = LexborHTMLParser(source).css_first("math")
        return formula_of(formula) if formula is not None else None
    return single_line(_CDATA.sub("", source))


def is_formula_again(node: Any, classes: str) -> bool:
    """Whether an element shows a formula that is read from another one.

    KaTeX's and MathJax's second form follows the first; MathJax's script follows what it was set as.
    """
    if classes.startswith(("katex-html", "MJX_Assistive_MathML")):
        return node.prev is not None
    if not classes.startswith("MathJax"):
        return False
    following = node.next
    for _ in range(3):
        if following is None:
            break
        if following.tag == "script":
            return _is_formula_script(following)
        following = following.next
    return False


def mark_of_note(node: Any, attributes: Mapping[str, str | None]) -> str | None:
    """The mark of a link to a note, in brackets; else None."""
    kind = attributes.get("epub:type") or attributes.get("role") or ""
    if "noteref" not in kind and "footnote-ref" not in (attributes.get("class") or ""):
        return None
    text = _short_text(node) or ""
    return f"[{text}]" if _NOTE.fullmatch(text.lower()) else None


def formula_picture(node: Any) -> str | None:
    """The formula that a picture shows, or None for any other picture."""
    attributes = node.attributes
    written = attributes.get("alt")
    # most pictures say nothing that looks like a formula
    if not written or not _IN_FORMULAS.search(written):
        return None
    classes = (attributes.get("class") or "").lower().split()
    if classes and "mwe-math-fallback-image" in classes[0] and node.prev is not None:
        # MediaWiki has the formula before its picture
        return None
    source = (attributes.get("src") or "")[:300]
    if _FORMULA_PICTURES.isdisjoint(classes) and not any(each in source for each in _FORMULA_SERVERS):
        return None
    line = single_line(written)
    return line.strip("$").strip() if line.startswith("$") else line


def is_line_number(node: Any) -> bool:
    """Whether an element holds nothing but the numbers of lines."""
    return _LINE_NUMBERS.fullmatch(node.text() or "") is not None
