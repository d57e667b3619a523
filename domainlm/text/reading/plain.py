"""The one section of a plain text file.

In: text. Out: one section. Its title is a first line that is followed by a blank line, is short and does not end like
a sentence, as articles, contracts and chapters are usually stored; the file's name is not a title, because it is
rarely prose.
"""

from __future__ import annotations

from domainlm.text.characters import single_line
from domainlm.text.reading.pieces import Section

MAX_TITLE_CHARS = 120
_SENTENCE_ENDS = (".", ",", ";", ":", "!", "?", "。", "，", "；", "：", "！", "？")


def read_plain(text: str) -> list[Section]:
    """One section, with a title if the first line is one.

    Offsets count characters.
    """
    body = text.replace("\r\n", "\n").lstrip("\ufeff\n\t ")
    first, _, rest = body.partition("\n")
    title = single_line(first)
    is_title = rest.startswith("\n") and bool(rest.strip()) and len(title) <= MAX_TITLE_CHARS
    if not is_title or title.endswith(_SENTENCE_ENDS):
        return [Section((), "", body, 0, len(text))]
    return [Section((title,), title, rest, 0, len(text))]
