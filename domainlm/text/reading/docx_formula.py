"""A formula within a Word document, as text in one line.

In: an `oMath` element (Office Math, ISO/IEC 29500-1, 22.1). Out: its symbols in order, with marks if their positions carry
meaning, in the notation of `html_formula`: `1/2`, `r^2` and `√(2)`, not `12`, `r2` and `2`. What has several parts stands
in brackets below, above and in a root. A translation into TeX was not chosen: a third of the marks would be commands.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from domainlm.text.characters import single_line
from domainlm.text.reading.docx_symbols import symbol
from domainlm.text.reading.zipped import attribute, local_name

# letters and digits, also raised ones and those of mathematics (ℝ, ℏ, 𝑥), by ranges that every Python has
_IN_NAME = (
    "[0-9A-Za-z\xaa\xb2\xb3\xb5\xb9\xba\xbc-\xbe\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u1fff\u2070-\u2079\u207f-\u2089\u2090-\u209c"
    "\u2102-\u2138\u213c-\u213f\u2145-\u2149\u3005-\u3007\u3041-\ud7ff\uf900-\ufaff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
    "\U0001d400-\U0001d7ff\U00020000-\U0003ffff]"
)
# one number, name or sign, or what stands in brackets already
_IS_ONE = re.compile(rf"[-−+]?{_IN_NAME}+(?:[.,][0-9]+)?|.|\([^()]*\)|\[[^\[\]]*\]", re.DOTALL)
_ROOTS = {"": "√", "2": "√", "3": "∛", "4": "∜"}


def _argument(text: str) -> str:
    return text if _IS_ONE.fullmatch(text) else f"({text})"


def _property(element: Element, name: str, default: str) -> str:
    """Value of a property of an element: chr of naryPr."""
    for child in element:
        if local_name(child).endswith("Pr"):
            found = next((each for each in child if local_name(each) == name), None)
            if found is not None:
                value = attribute(found, "val")
                return default if value is None else value
    return default


def _script(mark: str, text: str) -> str:
    return mark + _argument(text) if text else ""


def _root(element: Element, degree: str, inner: str) -> str:
    if _property(element, "degHide", "0") in ("1", "on", "true"):
        degree = ""
    mark = _ROOTS.get(degree)
    return f"{mark}({inner})" if mark else f"{_argument(inner)}^(1/{degree})"


def _written(element: Element, done: dict[Element, str]) -> str:
    """An element's text, given that of its children."""
    tag = local_name(element)
    if tag == "t":
        return element.text or ""
    if tag == "sym":
        code = attribute(element, "char") or ""
        return symbol(int(code, 16), attribute(element, "font") or "") if re.fullmatch("[0-9A-Fa-f]{1,6}", code) else ""
    if tag in ("rPr", "ctrlPr") or tag.endswith("Pr"):
        return ""
    parts: dict[str, list[str]] = {}
    for child in element:
        parts.setdefault(local_name(child), []).append(done.get(child, ""))
    part = {name: texts[0].strip() for name, texts in parts.items()}
    inner, below, above = part.get("e", ""), part.get("sub", ""), part.get("sup", "")
    if tag == "f":
        mark = " over " if _property(element, "type", "bar") == "noBar" else "/"
        return f"{_argument(part.get('num', ''))}{mark}{_argument(part.get('den', ''))}"
    if tag in ("sSup", "sSub", "sSubSup"):
        return _argument(inner) + _script("_", below) + _script("^", above)
    if tag == "sPre":
        return _script("_", below) + _script("^", above) + _argument(inner)
    if tag == "rad":
        return _root(element, part.get("deg", ""), inner)
    if tag == "nary":
        return f"{_property(element, 'chr', '∫')}{_script('_', below)}{_script('^', above)} {inner}"
    if tag == "d":
        between = _property(element, "sepChr", "|")
        return (
            f"{_property(element, 'begChr', '(')}{between.join(parts.get('e', []))}{_property(element, 'endChr', ')')}"
        )
    if tag == "func":
        name = part.get("fName", "")
        return f"{name}{inner}" if inner.startswith("(") else f"{name} {inner}"
    if tag in ("limLow", "limUpp"):
        return inner + _script("_" if tag == "limLow" else "^", part.get("lim", ""))
    if tag == "mr":
        return " ".join(text.strip() for text in parts.get("e", []))
    if tag in ("m", "eqArr"):
        return "; ".join(text.strip() for text in parts.get("mr" if tag == "m" else "e", []))
    if tag == "acc":
        return inner + (_property(element, "chr", "\u0302") if len(inner) == 1 else "")
    # a run, an argument, a box, the formula: its parts in order
    return "".join(done.get(child, "") for child in element)


def formula_of(formula: Element) -> str:
    """A formula in one line.

    Parts are written before what holds them, in a loop: a formula may nest deeper than Python's stack.
    """
    done: dict[Element, str] = {}
    for element in reversed(list(formula.iter())):
        done[element] = _written(element, done)
        for child in element:
            done.pop(child, None)
    return single_line(done[formula])
