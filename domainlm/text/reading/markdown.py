"""Sections of a Markdown file.

In: text. Out: sections at headings (`#` and underlined); front matter (YAML, TOML, JSON with a usual name) and HTML comments are
removed. The markup of the body stays: models read Markdown, and a list or a table without its marks is harder to read than with them.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left

from domainlm.raw.json_text import MAX_JSON_DEPTH, json_depth
from domainlm.text.characters import single_line
from domainlm.text.reading.headings import Heading, numbered_lines, sections_of
from domainlm.text.reading.pieces import Section

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|\Z)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# lines of front matter: a short name with a colon, and what may stand beside names: nothing, a comment, a value that goes on
_NAME = re.compile(r"[^\s#>*+|`!\[-]\S{0,40}?(?: \S{1,40}){0,3}? ?:(?=\s|\Z)")
_TOML_NAME = re.compile(r"[ \t]*[A-Za-z0-9_.\"'-]{1,60}[ \t]*=")
# a text may begin with JSON: front matter has one of these names
_USUAL_NAMES = frozenset(("title", "date", "tags", "draft", "layout", "author", "description", "slug"))
_BESIDE_NAMES = re.compile(r"\Z|#|[ \t]|-(?=[ \t]|\Z)|[\]}],?[ \t]*\Z")
# what begins first decides: marks of a comment within code are code, code within a comment is comment. Fences may stand
# within lists and quotations
_CODE_OR_COMMENT = re.compile(r"^[ \t>]*+(`{3,}+(?=[^`\n]*$)|~{3,}+)|(?<!\\)(`++)|<!--", re.MULTILINE)
_RUN = re.compile("`+")
MAX_TITLE_LINES, MAX_TITLE_CHARS = 3, 300
MAX_FRONT_CHARS = 20_000
_BLANK_LINE = re.compile(r"\n[ \t\r]*+\n")
_NOT_A_PARAGRAPH = re.compile(r" {0,3}(?:[>#|]|[-*+][ \t]|[0-9]+[.)][ \t])|[ \t]{4,}|\t")


def _other_front_matter_end(text: str) -> int:
    """End of front matter in TOML or JSON, or 0."""
    if text.startswith("{"):
        head = text[:MAX_FRONT_CHARS]
        try:
            value, end = json.JSONDecoder().raw_decode(head) if json_depth(head) <= MAX_JSON_DEPTH else (None, 0)
        except ValueError:
            return 0
        following = text.find("\n", end) + 1 or len(text)
        is_front = isinstance(value, dict) and not _USUAL_NAMES.isdisjoint(map(str.lower, value))
        return following if is_front and not text[end:following].strip() else 0
    lines = numbered_lines(text)
    if next(lines)[1].rstrip(" \t") != "+++":
        return 0
    has_name = False
    for start, line in lines:
        if line.rstrip(" \t") == "+++":
            return (text.find("\n", start) + 1 or len(text)) if has_name else 0
        has_name = has_name or _TOML_NAME.match(line) is not None
    return 0


def _front_matter_end(text: str) -> int:
    """End of the front matter; 0 if there is none.

    A text may begin with a rule, and have another below.
    """
    if text.startswith(("+++", "{")):
        return _other_front_matter_end(text)
    has_name = False
    lines = numbered_lines(text)
    if next(lines)[1].rstrip(" \t") != "---":
        return 0
    for start, line in lines:
        if line.rstrip(" \t") in ("---", "..."):
            return (text.find("\n", start) + 1 or len(text)) if has_name else 0
        if _NAME.match(line):
            has_name = True
        elif not _BESIDE_NAMES.match(line):
            return 0
    return 0


# the three that follow are linear, as their regular expressions are not on long runs of whitespace and brackets
def _atx_title(line: str, start: int) -> str:
    """The title of a heading, without the marks that may close it."""
    title = line[start:].strip(" \t")
    bare = title.rstrip("#")
    return bare.rstrip(" \t") if not bare or bare[-1] in " \t" else title


def _without_anchor(source: str) -> str:
    """A heading without the {#name} at its end."""
    source = source.rstrip(" \t")
    begin = source.find("{#", source.rfind("}", 0, -1) + 1) if source.endswith("}") else -1
    return source[:begin].rstrip(" \t") if begin >= 0 else source


def _without_links(source: str) -> str:
    """[words](target) as words."""
    kept = []
    at = after = 0
    while (begin := source.find("[", after)) >= 0 and (end := source.find("]", begin)) >= 0:
        after = end + 1
        if not source.startswith("(", after):
            continue
        if (close := source.find(")", after)) < 0:
            break
        kept += [source[at : begin - (begin > at and source[begin - 1] == "!")], source[begin + 1 : end]]
        at = after = close + 1
    return "".join(kept) + source[at:]


def _title(source: str) -> str:
    source = _without_links(_without_anchor(source))
    return single_line(source.replace("`", "").replace("**", "").replace("__", ""))


def _code_end(text: str, begin: int, run: str, runs: dict[int, list[int]]) -> int:
    """End of a code span whose text begins here.

    That is the next run of as many marks in its paragraph; begin if there is none.
    """
    places = runs.get(len(run), [])
    after = bisect_left(places, begin)
    if after == len(places) or _BLANK_LINE.search(text, begin, places[after]):
        return begin
    return places[after] + len(run)


def _fence_end(text: str, begin: int, fence: str) -> int:
    """End of the code block that a fence opens.

    It is the end of the text if no fence closes it.
    """
    close = re.compile(rf"^[ \t>]*+{fence[0]}{{{len(fence)},}}[ \t\r]*$", re.MULTILINE).search(text, begin)
    return close.end() if close else len(text)


def without_comments(text: str) -> str:
    """Text without HTML comments.

    One that never ends is kept, and so is one in code.
    """
    if "<!--" not in text:
        return text
    runs: dict[int, list[int]] = {}
    for mark in _RUN.finditer(text):
        runs.setdefault(len(mark[0]), []).append(mark.start())
    kept = []
    at = after = 0
    while found := _CODE_OR_COMMENT.search(text, after):
        if found[1]:
            after = _fence_end(text, found.end(), found[1])
        elif found[2]:
            after = _code_end(text, found.end(), found[2], runs)
        elif (end := text.find("-->", found.start())) >= 0:
            kept.append(text[at : found.start()])
            at = after = end + len("-->")
        else:
            break
    return "".join(kept) + text[at:]


def headings_of(text: str) -> list[Heading]:
    found: list[Heading] = []
    fence = ""
    # lines of the paragraph that may be a heading
    paragraph: list[tuple[int, str]] = []
    for start, line in numbered_lines(text):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            paragraph.clear()
            continue
        if mark:
            fence = mark[1]
            paragraph.clear()
            continue
        atx, setext = _ATX.match(line), _SETEXT.match(line)
        after = min(start + len(line) + 1, len(text))
        if atx:
            if title := _title(_atx_title(line, atx.end())):
                found.append(Heading(start, after, len(atx[1]), title))
            paragraph.clear()
        elif setext and paragraph and _title(paragraph[-1][1]):
            # all lines of a paragraph are one heading (CommonMark 0.31, 4.3); a long one is a paragraph above a rule
            whole = " ".join(text for _, text in paragraph)
            lines = paragraph if len(paragraph) <= MAX_TITLE_LINES and len(whole) <= MAX_TITLE_CHARS else paragraph[-1:]
            title = _title(" ".join(text for _, text in lines))
            found.append(Heading(lines[0][0], after, 1 if setext[1][0] == "=" else 2, title))
            paragraph.clear()
        elif line.strip() and not _NOT_A_PARAGRAPH.match(line):
            # of a long paragraph the last lines are enough
            paragraph = [*paragraph[-MAX_TITLE_LINES:], (start, line)]
        else:
            paragraph.clear()
    return found


def read_markdown(text: str) -> list[Section]:
    """Sections of a Markdown text; offsets count characters."""
    # blanked, not cut: offsets stay those of the file
    if front := _front_matter_end(text):
        text = " " * front + text[front:]
    return sections_of(text, headings_of(text), lambda body: without_comments(body).strip("\r\n"))
