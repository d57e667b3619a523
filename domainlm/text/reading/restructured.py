"""Sections of a reStructuredText file, as prose.

In: text. Out: sections at underlined headings; labels, comments, and directives without prose are removed, other
directives keep their content, roles keep their text. docutils was not chosen: it knows none of Sphinx's directives
and roles, and turns each of them into an error message in the middle of the text.
"""

from __future__ import annotations

import re

from domainlm.text.characters import single_line
from domainlm.text.reading.headings import Heading, numbered_lines, sections_of
from domainlm.text.reading.pieces import Section

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*\Z")
_DIRECTIVE = re.compile(r"([ \t]*)\.\. (?:\|[^|]+\| )?([A-Za-z][\w:+.-]*?)::(?:[ \t]+(.*))?\Z", re.ASCII)
_EXPLICIT = re.compile(r"([ \t]*)\.\.(?:[ \t]+.*)?\Z")
_FOOTNOTE = re.compile("([ \\t]*)\\.\\. \\[(#?[0-9A-Za-z_\x80-\U0010ffff]+)\\] (.*)\\Z")
_FIELD = re.compile(r"[ \t]*:[A-Za-z][\w -]*:(?:[ \t]|\Z)", re.ASCII)
# fmt: off
_WITHOUT_PROSE = frozenset((
    "autoclass", "autodata", "autoexception", "autofunction", "automethod", "automodule", "autosummary",
    "bibliography", "class", "contents", "currentmodule", "default-role", "figure", "grid-item-card", "highlight",
    "image", "include", "index", "literalinclude", "meta", "module", "plot", "raw", "rst-class", "sectionauthor",
    "tabularcolumns", "testcleanup", "testsetup", "toctree", "unicode",
))
# fmt: on
# possessive, and a longest name, because a lazy search takes quadratic time on long runs of whitespace and colons
_ROLE = re.compile(r":[A-Za-z][\w:+.-]{0,99}:`(~|!)?([^`<]++)(<[^`>]*+>)?`", re.ASCII)
_LINK = re.compile(r"(?<!`)`([^`<]++)<[^`>]*+>`(?!`)_{0,2}")
_MARK = re.compile(r"\|(\w[\w -]*)\||(\[#?\w+\])_(?!\w)", re.ASCII)
_REFERENCE = re.compile(r"(?<!`)`([^`]+)`_{1,2}(?!\w)", re.ASCII)


def _width(line: str) -> int:
    return len(single_line(line))


def headings_of(text: str) -> list[Heading]:
    lines = list(numbered_lines(text))
    found: list[Heading] = []
    levels: dict[tuple[str, bool], int] = {}
    index = 1
    while index < len(lines):
        (start, title), (rule_start, rule) = lines[index - 1], lines[index]
        is_rule = bool(_RULE.match(rule)) and len(rule.strip()) >= min(4, _width(title))
        if not is_rule or not title.strip() or _RULE.match(title):
            index += 1
            continue
        above = lines[index - 2] if index >= 2 else None
        is_overlined = above is not None and above[1].strip() == rule.strip()
        is_free = above is None or not above[1].strip()
        if not is_overlined and (not is_free or title[0] in " \t"):
            index += 1
            continue
        level = levels.setdefault((rule[0], is_overlined), len(levels) + 1)
        if is_overlined and above is not None:
            start = above[0]
        body = min(rule_start + len(rule) + 1, len(text))
        found.append(Heading(start, body, level, single_line(plain_inline(title))))
        index += 2
    return found


def plain_inline(text: str) -> str:
    """Roles and links as the words that a reader sees.

    :class:`~a.B` becomes B.
    """

    def role(match: re.Match[str]) -> str:
        words = match[2].rstrip(" \t\n") if match[3] else match[2]
        return words.rsplit(".", 1)[-1] if match[1] == "~" else words

    text = _LINK.sub(lambda match: match[1].rstrip(), _ROLE.sub(role, text))
    return _MARK.sub(lambda match: match[1] or match[2], _REFERENCE.sub(r"\1", text))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def plain_body(source: str) -> str:
    """A section's source as prose."""
    kept: list[str] = []
    lines = [line for _, line in numbered_lines(source)]
    dropped_above = -1
    in_options = False
    for line in lines:
        if dropped_above >= 0:
            if not line.strip() or _indent(line) > dropped_above:
                continue
            dropped_above = -1
        if in_options and _FIELD.match(line):
            continue
        in_options = False
        directive, footnote = _DIRECTIVE.match(line), _FOOTNOTE.match(line)
        if directive:
            name = directive[2].rsplit(":", 1)[-1]
            if name in _WITHOUT_PROSE or "|" in line.split("::")[0]:
                dropped_above = len(directive[1])
            else:
                in_options = True
                kept.append(directive[1] + (directive[3] or "") if name != "code-block" else "")
        elif footnote:
            kept.append(f"{footnote[1]}[{footnote[2]}] {footnote[3]}")
        elif _EXPLICIT.match(line):
            dropped_above = _indent(line)
        else:
            kept.append(re.sub(r"(?<=\S)::\Z", ":", line) if line.strip() != "::" else "")
    return plain_inline("\n".join(kept)).strip("\n")


def read_restructured(text: str) -> list[Section]:
    """Sections of a reStructuredText; offsets count characters."""
    return sections_of(text, headings_of(text), plain_body)
