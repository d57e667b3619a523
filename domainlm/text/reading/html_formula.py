"""A formula within a page, as a line of text.

In: a `math` element. Out: its source in TeX if the page holds it, as with MediaWiki, KaTeX, LaTeXML and pandoc; else
its symbols in order, with marks if their positions carried meaning: `1/2` and `x^2`, not `12` and `x2`. A full
translation of MathML into TeX would not be worth it for the few formulas without a source.
"""

from __future__ import annotations

import re
from typing import Any

from domainlm.text.characters import single_line

_STYLED = re.compile(r"\{\\(?:display|text)style (.*)\}", re.DOTALL)
# media types and names that writers use for a source in TeX
_SOURCES = frozenset(("application/x-tex", "tex", "latex", "text/x-latex"))
# the same formula once more, in another notation
_SAID_AGAIN = frozenset(("annotation", "annotation-xml"))
_TABLES = frozenset(("mtable", "mtr", "mlabeledtr"))
# elements whose children count by their place
_STRUCTURES = _TABLES | frozenset(("mroot", "mmultiscripts", "mfenced"))
_DIGITS = frozenset("0123456789")
# marks between the parts of an element
_BETWEEN = {"mfrac": "/", "msub": "_", "msup": "^", "msubsup": "_^", "munder": "_", "munderover": "_^"}


def _parts(node: Any) -> list[Any]:
    return [child for child in node.iter(include_text=True) if child.tag != "-comment" and child.tag not in _SAID_AGAIN]


def _words(node: Any) -> str:
    """Text within a formula, with spaces that separate it from symbols."""
    text: str = node.text()
    return " " * text[:1].isspace() + single_line(text) + " " * (text[-1:].isspace() and not text.isspace())


def _attribute(node: Any, name: str, default: str) -> str:
    value = node.attributes.get(name)
    return default if value is None else value


def _scripts(parts: list[Any]) -> list[Any]:
    """Parts of `mmultiscripts`, in the order in which they are read."""
    tags = [part.tag for part in parts]
    split = tags.index("mprescripts") if "mprescripts" in tags else len(parts)
    before, after = parts[split + 1 :], parts[1:split]

    def marked(scripts: list[Any]) -> list[Any]:
        found: list[Any] = []
        for index, part in enumerate(scripts):
            if part.tag != "none" and part.first_child is not None:
                found += ["_^"[index % 2], part]
        return found

    return [*marked(before), *parts[:1], *marked(after)]


def _items(node: Any) -> list[Any]:
    """Parts of an element: elements, marks, None where a number ends."""
    tag, parts = node.tag, _parts(node)
    marks = _BETWEEN.get(tag, "")
    if marks or tag in _STRUCTURES:
        parts = [part for part in parts if part.tag != "-text"]
    if tag == "msqrt":
        return ["√(", *parts, ")"]
    if tag == "mroot" and len(parts) > 1:
        return ["√[", parts[1], "](", parts[0], ")"]
    if tag == "mmultiscripts":
        return _scripts(parts)
    if tag == "mfenced":
        separators = _attribute(node, "separators", ",").replace(" ", "") or " "
        between = [separators[min(index, len(separators) - 1)] for index in range(len(parts))]
        items = [each for part, mark in zip(parts, between, strict=True) for each in (part, mark)][:-1]
        return [_attribute(node, "open", "("), *items, _attribute(node, "close", ")")]
    items = []
    for index, part in enumerate(parts):
        if index:
            items += [" "] if tag in _TABLES else [marks[index - 1]] if index <= len(marks) else []
        is_compound = part.tag == "mfrac" or (
            part.tag == "mrow" and sum(each.tag != "-text" for each in _parts(part)) > 1
        )
        items += ["(", part, ")"] if marks and is_compound else [part]
    # 3½ is not 31/2, nor is x² 3 the power 23
    return [None, *items, None] if marks else items


def _symbols(formula: Any) -> str:
    """The symbols of a formula in order.

    The walk is iterative, because a formula may nest deeper than Python's stack.
    """
    found: list[str] = []
    stack: list[Any] = [formula]
    is_apart = False
    while stack:
        item = stack.pop()
        if item is None:
            is_apart = True
            continue
        if isinstance(item, str) or item.tag == "-text":
            text = item if isinstance(item, str) else single_line(item.text_content or "")
            if text:
                is_number = is_apart and text[0] in _DIGITS and bool(found) and found[-1][-1:] in _DIGITS
                found.append(f" {text}" if is_number else text)
                is_apart = False
        elif item.tag == "mtext":
            found.append(_words(item))
        elif item.tag != "mphantom":
            stack += reversed(_items(item))
    return "".join(found)


def formula_of(node: Any) -> str:
    sources = (each for each in node.css("annotation") if (each.attributes.get("encoding") or "").lower() in _SOURCES)
    source = next(sources, None)
    written = source.text() if source is not None else node.attributes.get("alttext")
    if not written:
        return _symbols(node)
    line = single_line(written)
    styled = _STYLED.fullmatch(line)
    return styled[1].strip() if styled else line
