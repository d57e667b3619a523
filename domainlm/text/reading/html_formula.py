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
# marks between the parts of an element
_BETWEEN = {"mfrac": "/", "msub": "_", "msup": "^", "msubsup": "_^", "munder": "_", "munderover": "_^"}


def _parts(node: Any) -> list[Any]:
    return [child for child in node.iter(include_text=True) if child.tag != "-comment" and child.tag not in _SAID_AGAIN]


def _words(node: Any) -> str:
    """Text within a formula, with spaces that separate it from symbols."""
    text: str = node.text()
    return " " * text[:1].isspace() + single_line(text) + " " * (text[-1:].isspace() and not text.isspace())


def _symbols(formula: Any) -> str:
    """The symbols of a formula in order.

    The walk is iterative, because a formula may nest deeper than Python's stack.
    """
    found: list[str] = []
    stack: list[Any] = [formula]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
            continue
        if item.tag == "-text":
            found.append(single_line(item.text_content or ""))
            continue
        if item.tag == "mtext":
            found.append(_words(item))
            continue
        parts = _parts(item)
        marks = _BETWEEN.get(item.tag, "")
        if marks or item.tag in _TABLES:
            parts = [part for part in parts if part.tag != "-text"]
        if item.tag == "msqrt":
            found.append("√(")
            stack.append(")")
        for index in range(len(parts) - 1, -1, -1):
            part = parts[index]
            is_compound = bool(marks) and part.tag == "mrow" and sum(each.tag != "-text" for each in _parts(part)) > 1
            stack += [")", part, "("] if is_compound else [part]
            if index and item.tag in _TABLES:
                stack.append(" ")
            if 0 < index <= len(marks):
                stack.append(marks[index - 1])
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
