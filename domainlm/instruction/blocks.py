"""The body of a section as blocks.

In: a section's text as the readers write it (paragraphs between blank lines, Markdown's marks for lists, tables and
code). Out: its blocks in order: prose, lists, labels, and what is neither. Nothing is asked about code, tables, captions
and references, so these only have to be told from prose: what is doubtful is `other`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from domainlm.instruction.asked import word_set
from domainlm.text.characters import letter_share, single_line, words
from domainlm.text.sentences import sentence_ends

Kind = Literal["prose", "list", "label", "other"]

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_ITEM = re.compile(
    r"[ \t]*(?:[-*+•·–‣◦]|[0-9]{1,3}[.)、]|\(?[a-z0-9]{1,2}\)|（[0-9一二三四五六七八九十]+）|#\.)[ \t]+(?=\S)"
)
_CAPTION = re.compile(
    r"(?:table|figure|fig\.|listing|example|algorithm|box|chart|plate|exhibit|equation|abb\.|abbildung|tabelle|tableau|表|图|圖|代码清单|清单|例|示例)"
    r"\s*[A-Za-z]?[0-9IVX]+(?:[.\-–][0-9]+)*(?![0-9A-Za-z])\s*[.:：—–-]?\s*(?!\s*(?:shows?|gives?|lists?|is|are|illustrates?|contains?|示|显示|列出|给出|是))",
    re.IGNORECASE | re.ASCII,
)
_CODE = re.compile(
    r"(?:>>>|\.\.\. |[$#%>] |\$\(|[{}<]|//|/\*|@\w+[( ]|(?:import|from|def|class|const|let|var|function|return|sudo|#include)\s)"
)
_CODE_MARKS = re.compile(r"[{}=;<>\\|]|\w\(|\]\[|->|::")
_TABLE = re.compile(r"[ \t]*(?:\||\+[-=+]{3}|[-=]{3,}[ \t]+[-=]{3,})")
_SETEXT = re.compile(r"[=~^\"'#*+.-]{3,}\s*\Z")
_REFERENCE_ENTRY = re.compile(r"(?:\[[^\]]{1,30}\]|\^|\.\. \[)\s*:?\s*\S")
_LINK = re.compile(r"!?\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)?)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\[\]]*\])")
_IMAGE = re.compile(r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])")
_BOLD = re.compile(r"(\*\*|__)(?=\S)")
_ENDS_OF_BOLD = {"**": re.compile(r"(?<=\S)(?=\*\*)"), "__": re.compile(r"(?<=\S)(?=__)")}
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TABLE_CAPTION = re.compile(
    r"(?:table|tabelle|tableau|tabla|表|listing|代码清单|清单)\s*[A-Za-z]?[0-9IVX]+[.:：\-–0-9 ]", re.IGNORECASE
)
_OPTION = re.compile(r"-{1,2}[A-Za-z0-9?]")
MAX_LABEL_CHARS = 80
# words of the boxes that interrupt a text
ADMONITIONS = word_set(
    "note notes tip tips hint hints caution warning warnings important attention danger error remark info information see "
    "seealso example examples todo 注意 提示 小心 警告 重要 备注 说明 注 技巧 危险 提醒 示例 例子 例"
)


@dataclass(frozen=True)
class Block:
    """A part of a section.

    text: of prose on one line, of a list its items as lines. items: of a list.
    """

    kind: Kind
    text: str
    items: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Text without the marks of Markdown's links, images and bold type."""
    if "[" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    return "\n".join(map(_without_bold, text.split("\n"))) if "**" in text or "__" in text else text


def _without_bold(line: str) -> str:
    """A line without marks of bold type that end in it.

    The ends are found once: a pattern looks for one from each of a thousand marks that have none.
    """
    ends = {mark: [found.start() for found in pattern.finditer(line)] for mark, pattern in _ENDS_OF_BOLD.items()}
    parts: list[str] = []
    done = at = 0
    while (opening := _BOLD.search(line, at)) is not None:
        own = ends[opening[1]]
        # a character stands between the two
        place = bisect_left(own, opening.end() + 1)
        if place == len(own):
            at = opening.start() + 1
            continue
        parts += [line[done : opening.start()], line[opening.end() : own[place]]]
        done = at = own[place] + len(opening[1])
    return "".join([*parts, line[done:]])


def _chunks(body: str) -> list[tuple[bool, list[str]]]:
    """(whether it is fenced code, its lines) between blank lines and fences."""
    found: list[tuple[bool, list[str]]] = []
    lines: list[str] = []
    fence = ""
    for line in _COMMENT.sub("", body).split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and line.strip(" \t>") == mark[1]:
                fence = ""
        elif mark or not line.strip():
            if lines:
                found.append((False, lines))
                lines = []
            if mark:
                fence = mark[1]
                found.append((True, []))
        else:
            lines.append(line)
    if lines:
        found.append((False, lines))
    return found


def _is_code(lines: list[str]) -> bool:
    text = "\n".join(lines)
    if _CODE.match(lines[0].strip()) or all(line.startswith(("    ", "\t")) for line in lines):
        return True
    marked = sum(bool(_CODE.match(line.strip())) for line in lines)
    is_marked = len(lines) > 1 and 3 * marked >= len(lines)
    return is_marked or len(_CODE_MARKS.findall(text)) * 12 > len(text)


def _has_end(text: str) -> bool:
    return bool(sentence_ends(text))


def _kind_of(lines: list[str]) -> Kind:
    """The kind of a chunk that is no list."""
    text = single_line(" ".join(lines))
    first = lines[0].strip()
    is_table = any(_TABLE.match(line) or "\t" in line.strip() for line in lines)
    if is_table or first.startswith((">", ":", "..")) or any(_SETEXT.match(line.strip()) for line in lines):
        return "other"
    # an option and its values, above the paragraph that describes it
    if len(lines) == 1 and _OPTION.match(first) and len(text) <= MAX_LABEL_CHARS and not _has_end(text):
        return "label"
    if _CAPTION.match(text) or _REFERENCE_ENTRY.match(first) or _is_code(lines):
        return "other"
    if not _has_end(text):
        if text.endswith((":", "：")) and letter_share(text) >= 0.6:
            return "prose"
        is_label = len(lines) == 1 and len(text) <= MAX_LABEL_CHARS and not text.endswith((",", ";", "，", "；", "、"))
        return "label" if is_label else "other"
    # lines that are cut short and end nowhere are rows of a table, of a menu or of code
    ended = sum(line.rstrip().endswith((".", "!", "?", ":", "。", "！", "？", "：", ".”", '."', ")")) for line in lines)
    is_ragged = len(lines) > 3 and ended <= 1 and sum(len(line) for line in lines) < 40 * len(lines)
    return "prose" if len(words(text)) >= 3 and letter_share(text) >= 0.6 and not is_ragged else "other"


def _items_of(lines: list[str]) -> list[str]:
    """The items of list lines.

    Those of a list within an item are lines of it.
    """
    items: list[list[str]] = []
    for line in lines:
        mark = _ITEM.match(line)
        if mark and not (items and line.startswith(("  ", "\t"))):
            items.append([line[mark.end() :]])
        elif mark:
            items[-1].append(line[mark.end() :])
        elif items:
            items[-1][-1] += " " + line.strip()
    return ["\n  - ".join(single_line(plain(part)) for part in parts) for parts in items]


def blocks_of(body: str) -> list[Block]:
    """The blocks of a section's body, in order."""
    found: list[Block] = []
    items: list[str] = []
    is_broken = False

    def close() -> None:
        nonlocal items, is_broken
        if items:
            kind: Kind = "other" if is_broken else "list"
            found.append(Block(kind, "\n".join(f"- {item}" for item in items), tuple(items)))
        items, is_broken = [], False

    for is_fenced, lines in _chunks(body):
        # what is indented below an item belongs to it: an answer would have to hold it, too
        if items and (is_fenced or lines[0].startswith(("  ", "\t"))) and not (lines and _ITEM.match(lines[0])):
            is_broken = True
            continue
        if is_fenced:
            found.append(Block("other", ""))
            continue
        begin = next((index for index, line in enumerate(lines) if _ITEM.match(line)), len(lines))
        # a number or dash at the beginning of a later line of prose is no item unless the line before introduces it
        if 0 < begin < len(lines) and not lines[begin - 1].rstrip().endswith((":", "：")):
            begin = len(lines)
        if begin:
            close()
            kind = _kind_of(lines[:begin])
            # the rows of a table, below its caption
            if begin > 1 and found and _TABLE_CAPTION.match(found[-1].text):
                kind = "other"
            found.append(Block(kind, single_line(plain(" ".join(lines[:begin])))))
        if begin < len(lines):
            items += _items_of(lines[begin:])
    close()
    return found
