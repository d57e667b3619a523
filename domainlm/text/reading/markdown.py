"""Sections of a Markdown file.

In: text. Out: sections at headings (`#` and underlined); front matter and HTML comments are left out. The markup of the
body stays: models read Markdown, and a list or a table without its marks is harder to read than with them.
"""

from __future__ import annotations

import re

from domainlm.text.characters import single_line
from domainlm.text.reading.headings import Heading, numbered_lines, sections_of
from domainlm.text.reading.pieces import Section

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*\Z")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_INLINE_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ANCHOR = re.compile(r"[ \t]*\{#[^}]*\}[ \t]*\Z")
_NOT_A_PARAGRAPH = re.compile(r" {0,3}(?:[>#|]|[-*+][ \t]|\d+[.)][ \t])|[ \t]{4,}|\t")


def _title(source: str) -> str:
    source = _INLINE_LINK.sub(r"\1", _ANCHOR.sub("", source))
    return single_line(source.replace("`", "").replace("**", "").replace("__", ""))


def without_comments(text: str) -> str:
    """Text without HTML comments; one that never ends is kept. Linear, as a lazy regular expression is not."""
    kept = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin)) >= 0:
        kept.append(text[at:begin])
        at = end + len("-->")
    return "".join(kept) + text[at:]


def headings_of(text: str) -> list[Heading]:
    found: list[Heading] = []
    fence = ""
    previous: tuple[int, str] | None = None
    for start, line in numbered_lines(text):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            previous = None
            continue
        if mark:
            fence, previous = mark[1], None
            continue
        atx, setext = _ATX.match(line), _SETEXT.match(line)
        after = min(start + len(line) + 1, len(text))
        if atx:
            if atx[2] and _title(atx[2]):
                found.append(Heading(start, after, len(atx[1]), _title(atx[2])))
            previous = None
        elif setext and previous is not None and _title(previous[1]):
            level = 1 if setext[1][0] == "=" else 2
            found.append(Heading(previous[0], after, level, _title(previous[1])))
            previous = None
        else:
            is_paragraph = bool(line.strip()) and not _NOT_A_PARAGRAPH.match(line)
            previous = (start, line) if is_paragraph else None
    return found


def read_markdown(text: str) -> list[Section]:
    """Sections of a Markdown text; offsets count characters."""
    front = _FRONT_MATTER.match(text)
    # blanked, not cut: offsets stay those of the file
    if front:
        text = " " * front.end() + text[front.end() :]
    return sections_of(text, headings_of(text), lambda body: without_comments(body).strip("\r\n"))
