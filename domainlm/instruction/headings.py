"""How a question names the section that it is about.

In: a document with its chain of headings. Out: its own heading, with the heading above in brackets; the chain of headings
where its own one does not name a subject (Description, Parameters, 参数说明); and the file's name where no heading does.
A heading is judged by its words, not by how often it occurs in the corpus: a question then depends on its document only,
so that a new file changes no question about the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domainlm.instruction.heading_words import CHINESE_GENERIC, GENERIC, SMALL
from domainlm.text.characters import cjk_count, has_letter, words
from domainlm.text.document import Document

_CHINESE = re.compile(
    "(?:" + "|".join(sorted(CHINESE_GENERIC, key=lambda word: (-len(word), word))) + "|[0-9.、，\\s])+"
)
# 2.7.4. Updates; Chapter 9. Tips; 第 2 章 软件包; Appendix A: Tables
_NUMBER = re.compile(
    r"(?:(?:chapter|part|section|appendix|annex|lesson|unit|kapitel|teil|abschnitt|chapitre|capítulo)\s+(?:[0-9]+(?:\.[0-9]+)*|[ivxlc]+|[a-z])"
    r"(?:[.:]\s*|\s+[-–—]\s+|\s+(?=[^\s-]))|第\s*[0-9一二三四五六七八九十百]+\s*[章节節部分篇讲课]\s*[：:、.]?\s*|附录\s*[a-z0-9]\s*[.：:、]?\s*"
    r"|(?:§+\s*)?(?:[a-z]\.)?[0-9]+(?:\.[0-9]+)*[.)]\s+|(?:§+\s*)?(?:[a-z]\.)?[0-9]+(?:\.[0-9]+)+\s+(?=[A-Za-z\x80-\uffff])|[一二三四五六七八九十]+、\s*)",
    re.IGNORECASE | re.ASCII,
)
_OPTION = re.compile("(?:-{1,2}|/)[A-Za-z0-9?]|[^0-9A-Za-z\x80-\uffff]")
_SEPARATOR = " > "
MAX_NAME_CHARS, MIN_NAME_CHARS = 120, 2


@dataclass(frozen=True)
class Place:
    """What a section is called.

    name: its own heading. text: with the heading above or the file, and quotation marks.
    """

    name: str
    text: str
    is_specific: bool


def without_number(heading: str) -> str:
    """A heading without its number.

    It is whole if nothing else is in it.
    """
    rest = heading[found.end() :] if (found := _NUMBER.match(heading)) else heading
    return rest.strip(" ¶") or heading.strip()


def is_specific(heading: str) -> bool:
    """Whether a heading names a subject.

    It does not if all its words are those of a form that every document has, or if it is a bare option or sign.
    """
    name = without_number(heading)
    if _OPTION.match(name) and name[:1] not in "\"'“‘«《(（`.":
        return False
    found = [word for word in words(name) if has_letter(word) and word not in SMALL]
    if not found:
        return False
    if cjk_count(name):
        return not _CHINESE.fullmatch(name.strip("：:。.（）() "))
    return any(word not in GENERIC for word in found) and len(max(found, key=len)) > 1


def _is_plain(heading: str) -> bool:
    """Whether a heading is one word.

    It may then be the heading of another file, too.
    """
    chinese = cjk_count(heading)
    return chinese <= 2 if chinese else len(words(heading)) < 2


def chain_of(document: Document) -> list[str]:
    """The headings down to a document's own, without numbers.

    The section of a record is its place in the file, so only its title counts.
    """
    raw = [part.strip() for part in document.section.split(_SEPARATOR) if part.strip()]
    if document.title.strip() and (not raw or raw[-1] != document.title.strip()):
        raw = [document.title]
    parts = [without_number(part) for part in raw]
    return [part for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]


def _file_of(document: Document) -> str:
    """The file's name.

    It is empty for a record or an article of a larger file.
    """
    return document.path.rsplit("/", 1)[-1] if document.group == document.path else ""


def _quoted(name: str, language: str) -> str:
    return f"“{name}”" if language == "zh" or '"' in name else f'"{name}"'


def _in_file(quoted: str, file: str, language: str) -> str:
    return f"文件“{file}”中的{quoted}" if language == "zh" else f'{quoted} in the file "{file}"'


def place_of(document: Document, language: str) -> Place | None:
    """The name of a document's section; None where nothing names it."""
    chain = chain_of(document)
    if not chain or len(chain[-1]) > MAX_NAME_CHARS or len(chain[-1]) < MIN_NAME_CHARS:
        return None
    name, file = chain[-1], _file_of(document)
    above = [index for index, part in enumerate(chain[:-1]) if is_specific(part) and len(part) <= MAX_NAME_CHARS]
    if is_specific(name):
        quoted = _quoted(name, language)
        if above:
            return Place(
                name, f"{quoted}（{chain[above[-1]]}）" if language == "zh" else f"{quoted} ({chain[above[-1]]})", True
            )
        if _is_plain(name) and file and file.rsplit(".", 1)[0].lower() != name.lower():
            return Place(name, _in_file(quoted, file, language), True)
        return Place(name, quoted, True)
    quoted = _quoted(_SEPARATOR.join(chain[above[-1] :] if above else chain), language)
    if above:
        return Place(name, quoted, False)
    return Place(name, _in_file(quoted, file, language), False) if file else None
