"""The first whole sentences of a text.

In: prose. Out: its leading sentences within a number of characters, or nothing: an answer is never cut in the middle,
because a model that learns from cut answers stops there. Rules were chosen and not a trained splitter: no cut may
fall after an abbreviation or inside a number, while a missed border makes an answer longer or drops it, never wrong.
"""

from __future__ import annotations

import re

from domainlm.text.characters import letter_share, single_line, words

_CLOSING = "\"'”’)\\]」』）"
_BORDER = re.compile(rf"[.!?][{_CLOSING}]*(?=\s|$)|[。！？][{_CLOSING}]*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:e\.g|i\.e|cf|et al|etc|vs|viz|ca|approx|resp|Fig|Figs|No|Dr|Mr|Mrs|Ms|St|Prof|[A-Za-z])\.$"
)
_LOWER_CASE_NEXT = re.compile(r"\s+[a-z]")
MIN_WORDS = 3
MIN_LETTER_SHARE = 0.6


def sentence_ends(text: str) -> list[int]:
    """Character offsets just after each sentence.

    The text after the last one is not a whole sentence.
    """
    return [
        match.end()
        for match in _BORDER.finditer(text)
        if not _ABBREVIATION.search(text[max(0, match.start() - 12) : match.start() + 1])
        and not _LOWER_CASE_NEXT.match(text, match.end())
    ]


def first_sentences(text: str, max_chars: int) -> str:
    """The leading sentences of one line of prose within `max_chars`.

    It is empty if the first sentence is longer.
    """
    line = single_line(text)
    fitting = [end for end in sentence_ends(line) if end <= max_chars]
    return line[: fitting[-1]].strip() if fitting else ""


def first_prose(body: str, max_chars: int) -> str:
    """The leading sentences of the first paragraph that is prose.

    It is empty if there is no such paragraph. Lists, code and formulas are skipped: they end without a full stop or
    hold few letters.
    """
    for paragraph in re.split(r"\n\s*\n", body):
        found = first_sentences(paragraph, max_chars)
        if found and len(words(found)) >= MIN_WORDS and letter_share(found) >= MIN_LETTER_SHARE:
            return found
    return ""
