"""XHTML, made ready for a parser of HTML.

In: the source of a page. Out: the same source, with what XML writes in its own way written as HTML: empty elements
closed (`<title/>`), CDATA sections as text, the internal subset of the document type left out, prefixes of MathML and
XHTML removed. Only pages that say that they are XML are changed, because a browser reads `<div/>` of any other page as
an opened element. The pages are not given to an XML parser, because one fault would cost the whole chapter; so the
parser of HTML is the one way, and no second way is needed for pages with faults.
"""

from __future__ import annotations

import html
import re

# before the body: the declaration, the document type, the root element
_HEAD_CHARS = 2_000
_IS_XML = re.compile(
    r"""(?i)\A\s*<\?xml\s|<!DOCTYPE[^>]*//DTD XHTML|"""
    r"""<(?:[\w-]+:)?html\b[^>]*\sxmlns(?::[\w-]+)?\s*=\s*["']http://www\.w3\.org/1999/xhtml""",
    re.ASCII,
)
_PREFIX = re.compile(
    r"""\sxmlns:([A-Za-z_][\w.-]*)\s*=\s*["']http://www\.w3\.org/(?:1998/Math/MathML|1999/xhtml)["']""",
    re.ASCII,
)
_SUBSET = re.compile(r"(<!DOCTYPE[^>\[]*)\[(?:[^\]\"']|\"[^\"]*\"|'[^']*')*\]", re.IGNORECASE)
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
))  # fmt: skip
# most pages close nothing but these, and are left as they are
_CLOSED = re.compile(rf"<(?!(?:{'|'.join(sorted(_VOID))})[\s/])[a-z][^<>]*/>|<!\[CDATA\[", re.IGNORECASE)
# what is no markup comes first, so that nothing within it is taken for an element. What is not closed reaches to the end,
# and a tag holds no "<": so each character is looked at a few times at most
_MARKUP = re.compile(
    r"(?is)<!--.*?(?:-->|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)"
    r"|<(script|style)\b(?>(?:[^<>\"'/]++|\"[^\"<]*+\"|'[^'<]*+'|/(?!>))*)>.*?(?:</\2\s*>|\Z)"
    r"|<([A-Za-z_][\w:.-]*+)((?>(?:[^<>\"'/]++|\"[^\"<]*+\"|'[^'<]*+'|/(?!>))*))/>",
    re.ASCII,
)
# `<a href=/x/>`, which is no XML, is an opened element
_BARE_VALUE = re.compile(r"=[^\s\"'=]+\Z")


def is_xhtml(source: str) -> bool:
    """Whether a page says that it is XML."""
    return _IS_XML.search(source, 0, _HEAD_CHARS) is not None


def _as_html(found: re.Match[str]) -> str:
    if found[3] is not None:
        is_open = found[3].lower() in _VOID or _BARE_VALUE.search(found[4][-100:]) is not None
        return found[0] if is_open else f"<{found[3]}{found[4]}></{found[3]}>"
    return html.escape(found[1], quote=False) if found[1] is not None else found[0]


def as_html(source: str) -> str:
    """The source of an XHTML page, for a parser of HTML."""
    head = source[:_HEAD_CHARS]
    if "[" in head:
        source = _SUBSET.sub(r"\1", head, count=1) + source[_HEAD_CHARS:]
    for prefix in sorted({found[1] for found in _PREFIX.finditer(head)}):
        source = re.sub(rf"(</?){re.escape(prefix)}:(?=[A-Za-z])", r"\1", source)
    return _MARKUP.sub(_as_html, source) if _CLOSED.search(source) else source
