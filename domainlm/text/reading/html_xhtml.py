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
from collections.abc import Iterator

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
_VOID_NAMES = "|".join(sorted(_VOID))
# most pages close nothing but void elements, and are left as they are
_CLOSED_ROUGHLY = re.compile(rf"<(?!(?:{_VOID_NAMES})[\s/])[a-z][^<>]*+(?<=/)", re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[", re.IGNORECASE)
# a tag holds no "<": so each character is looked at a few times at most
_ATTRIBUTES = r"(?>(?:[^<>\"'/]++|\"[^\"<]*+\"|'[^'<]*+'|/(?!>))*)"
_CLOSED = re.compile(rf"(?i)<(?!(?:{_VOID_NAMES})(?![\w:.-]))([a-z_][\w:.-]*+)({_ATTRIBUTES})/>", re.ASCII)
# what is no markup, so that nothing within it is taken for an element; what is not closed reaches to the end
_NO_MARKUP = re.compile(
    r"(?is)<!--.*?(?:-->|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)"
    rf"|<(script|style)\b{_ATTRIBUTES}>.*?(?:</\2\s*>|\Z)",
    re.ASCII,
)
# `<a href=/x/>`, which is no XML, is an opened element
_BARE_VALUE = re.compile(r"=[^\s\"'=]+\Z")


def is_xhtml(source: str) -> bool:
    """Whether a page says that it is XML."""
    return _IS_XML.search(source, 0, _HEAD_CHARS) is not None


def _closed(source: str) -> Iterator[tuple[int, int]]:
    """Where tags may begin that end with "/>", and where these do.

    It looks for the ends, because most tags have none.
    """
    past, end = 0, source.find("/>")
    while end >= 0:
        start = source.rfind("<", past, end)
        if start >= 0:
            yield start, end
        past = end + 2
        end = source.find("/>", past)


def _with_end_tags(markup: str) -> str:
    parts, past = [], 0
    for start, _ in _closed(markup):
        found = _CLOSED.match(markup, start)
        if found is not None and not _BARE_VALUE.search(found[2][-100:]):
            parts.append(f"{markup[past : found.end() - 2]}></{found[1]}>")
            past = found.end()
    return "".join((*parts, markup[past:]))


def as_html(source: str) -> str:
    """The source of an XHTML page, for a parser of HTML."""
    head = source[:_HEAD_CHARS]
    if "[" in head:
        source = _SUBSET.sub(r"\1", head, count=1) + source[_HEAD_CHARS:]
    for prefix in sorted({found[1] for found in _PREFIX.finditer(head)}):
        source = re.sub(rf"(</?){re.escape(prefix)}:(?=[A-Za-z])", r"\1", source)
    if not any(_CLOSED_ROUGHLY.fullmatch(source, start, end + 1) for start, end in _closed(source)) and not (
        "<![" in source and _CDATA.search(source)
    ):
        return source
    parts, past = [], 0
    for found in _NO_MARKUP.finditer(source):
        parts.append(_with_end_tags(source[past : found.start()]))
        parts.append(found[0] if found[1] is None else html.escape(found[1], quote=False))
        past = found.end()
    return "".join((*parts, _with_end_tags(source[past:])))
