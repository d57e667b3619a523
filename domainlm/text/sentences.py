"""Where sentences end, and the first whole sentences of a text.

In: prose. Out: the offsets after its sentences; its leading sentences within a number of characters, or nothing: an
answer is never cut in the middle, because a model that learns from cut answers stops there. Rules and tables of
abbreviations were chosen and not a trained splitter: none of the locked libraries brings a model with it. No cut may
fall after an abbreviation, an initial or inside a number, while a missed border makes an answer longer or drops it,
never wrong; so what is doubtful is no border.
"""

from __future__ import annotations

import re

from domainlm.text.abbreviations import (
    BEFORE_NUMBER,
    CLOSING,
    CONTINUING,
    DATES,
    STARTERS,
    TIMES,
    all_of,
)
from domainlm.text.characters import letter_share, single_line, words

_CLOSERS = "\"'”’»)\\]」』）】》〉"
# Latin marks end a sentence before whitespace; those of Chinese, Japanese, the scripts of India and others anywhere
_WIDE = "。！？｡।॥။።។։۔؟"
_BORDER = re.compile(rf"[.!?]+[{_CLOSERS}]*(?=\s|\Z)|[{_WIDE}]+[{_CLOSERS}]*")
_NEXT = re.compile(r"\s+[\"'“‘«(\[]*([^\s,;:!?)\]”’»\"]*)")
_OPENERS = "([{\"'“‘«/–—-"
_MAX_WORD = 24
_BLANKS = re.compile(r"\s*")
# at the beginning of a sentence: 1. Open the file.
_ENUMERATOR = re.compile(r"[(]?(?:[0-9]{1,3}|[A-Za-z]|[ivxIVX]{1,5})\Z")
# am 5. Mai, im 19. Jahrhundert
_GERMAN_ORDINAL = re.compile(
    r"(?:^|\s)(?:[AaIi]m|[Vv]om|[Zz]um|[Dd]e[rmns]|[Bb]is|[Ss]eit|[Dd]ie|[Dd]as|und) [0-9]{1,2}\Z"
)
# “好！”他说
_SPEECH = re.compile("[^，。！？；：“”「」]{0,6}(?:说|道|问|喊|叫|答|笑|想|写)")
_ROMAN = re.compile(r"[IVXLC]+\b", re.ASCII)
_CONTINUING, _BEFORE_NUMBER, _CLOSING, _STARTERS, _DATES = (
    all_of(table) for table in (CONTINUING, BEFORE_NUMBER, CLOSING, STARTERS, DATES)
)
# z. B., u. a.: abbreviations of two letters, written apart
_PAIRS = r"(?:e\. ?g|i\. ?e|z\. ?B|d\. ?h|u\. ?a|p\. ?ex|p\. ?ej|т\. ?е)\."
_PAIR_AHEAD, _PAIR_BEHIND = re.compile(_PAIRS), re.compile(rf"(?:^|[\s(\[]){_PAIRS}\Z")
# classes of fixed characters, because Python versions differ on what a letter is
_LOWER = re.compile("[a-z\xdf-\xf6\xf8-\xff\u03b1-\u03c9\u0430-\u045f]")
_LETTER = "[A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff\u0400-\u04ff]"
_ONE_LETTER = re.compile(rf"{_LETTER}\Z")
# U.S, p.m, D.C
_LETTERS = re.compile(rf"(?:{_LETTER}\.)+{_LETTER}\Z")
# a piece as short as `At 5 a.m.` has no verb yet
_MIN_WORDS_BEFORE_TIME = 4
MIN_WORDS = 3
MIN_LETTER_SHARE = 0.6


def _word_before(text: str, at: int) -> str:
    """The word before a full stop, without what opens it."""
    part = text[max(0, at - _MAX_WORD) : at]
    return (part.split() or [""])[-1].lstrip(_OPENERS) if not part[-1:].isspace() else ""


def _is_capital(text: str) -> bool:
    return text[:1] != text[:1].lower()


def _is_abbreviation(text: str, begin: int, at: int, after: str) -> bool:
    """Whether the full stop at a place belongs to an abbreviation.

    begin: of the sentence. after: the next word, empty at the end of the text.
    """
    word = _word_before(text, at)
    is_pair = _PAIR_AHEAD.match(text, at - 1) or _PAIR_BEHIND.search(text[max(0, at - 7) : at + 1])
    if is_pair or word in _CONTINUING or _ENUMERATOR.match(text, begin, at):
        return True
    if not after:
        return False
    is_number = "0" <= after[0] <= "9"
    if _GERMAN_ORDINAL.search(text[max(begin, at - _MAX_WORD) : at]) and not is_number:
        return True
    if word in _BEFORE_NUMBER and (is_number or _ROMAN.match(after)):
        return True
    first = after.rstrip(".")
    if word in TIMES:
        is_begun = len(text[begin:at].split()) >= _MIN_WORDS_BEFORE_TIME
        return first in _DATES or not is_begun or not _is_capital(after)
    if _ONE_LETTER.match(word):
        # an initial; a quantity x ends a sentence before a capital
        return first not in _STARTERS if _is_capital(word) else not _is_capital(after)
    return (word in _CLOSING or bool(_LETTERS.match(word))) and first not in _STARTERS


def sentence_ends(text: str) -> list[int]:
    """Character offsets just after each sentence.

    The text after the last one is not a whole sentence.
    """
    ends: list[int] = []
    begin = 0
    for match in _BORDER.finditer(text):
        end = match.end()
        if match[0][0] in _WIDE:
            is_border = match[0][-1] in _WIDE or not _SPEECH.match(text, end)
        else:
            found = _NEXT.match(text, end)
            after = found[1] if found else ""
            is_border = not _LOWER.match(after)
            if is_border and match[0][0] == "." and not match[0].startswith(".."):
                is_border = not _is_abbreviation(text, begin, match.start(), after)
        if is_border:
            ends.append(end)
            blanks = _BLANKS.match(text, end)
            begin = blanks.end() if blanks else end
    return ends


def sentences_of(text: str) -> list[str]:
    """The whole sentences of prose, in order, on one line each."""
    line = single_line(text)
    ends = sentence_ends(line)
    return [line[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]


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
