"""Words that a line's end cut, put together.

In: a line that ends with a hyphen, the line after it, and the words of the document. Out: the line as it goes on. A hyphen that
no typesetter adds stays; which words have one, and which are whole, the document decides first. No list of words was taken:
it would be one of each language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from domainlm.text.reading.page_layout import Line

_CUT_WORD = re.compile("([A-Za-z\u00c0-\u024f]+)-\\Z")
_WORD_START = re.compile("[a-z\u00df-\u024f]+")
_WORDS = re.compile("[a-z\u00df-\u024f]+(?>(?:-[a-z\u00df-\u024f]+)*)")
# what stands before, or behind, a part of a word
_HAS_BEGUN = re.compile("[a-z\u00df-\u024f]-?\\Z")
_GOES_ON = re.compile("-?[a-z\u00df-\u024f]")
MAX_SEARCHES = 50
# before these words a hyphen stands for the rest of a compound: short- and long-term, Vor- und Nachteile. The second group ends
# many words too (don-or, buck-et), and so does the third (pota-to): they need a sign that the word before is a compound's
_SUSPENDING = re.compile(
    r"(?:(and|und|oder|sowie|bzw|beziehungsweise)|(or|et)|(to|bis|through|als|than|ou|vs|versus))(?![A-Za-z0-9_À-ɏ'’-])"
)
# "ten" is not among them: ten-or
_NUMBERS = (
    "one two three four five six seven eight nine eleven twelve twenty thirty forty fifty hundred"
    " zwei drei vier fünf sechs sieben acht neun zehn"
)
_NUMBER_WORDS = frozenset(_NUMBERS.split())
_PARTS = (
    "anti ante bi early ex extra hyper hypo inter intra intro macro micro mid mono multi non over peri poly post pre pro semi sub super"
    " supra trans uni under pré péri sur sous"
)
_FIRST_PARTS = _NUMBER_WORDS | frozenset(_PARTS.split())
_THEN_COMPOUND = re.compile(r"[a-z]+ [^\s-]+-(?=[^\s-]|\Z)")


class DocumentWords:
    """The words of a document; a line's cut end is none.

    The first that are asked for are searched in its text, since a manual in Chinese asks for ten and to list all takes as
    long as a hundred searches.
    """

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        lines = [line.text.rpartition(" ")[0] if line.text[-1] == "-" else line.text for page in pages for line in page]
        self._text = "\n".join(lines).lower()
        self._searches = 0
        self._all: frozenset[str] | None = None

    def __contains__(self, word: str) -> bool:
        if self._all is None and self._searches == MAX_SEARCHES:
            self._all = frozenset(_WORDS.findall(self._text))
        if self._all is not None:
            return word in self._all
        self._searches += 1
        return _WORDS.fullmatch(word) is not None and self._is_found(word)

    def _is_found(self, word: str) -> bool:
        begin = self._text.find(word)
        while begin >= 0:
            end = begin + len(word)
            is_whole = not _GOES_ON.match(self._text, end)
            if is_whole and not _HAS_BEGUN.search(self._text[max(begin - 2, 0) : begin]):
                return True
            begin = self._text.find(word, begin + 1)
        return False


def _is_suspended(before: str, following: str, words: Callable[[], DocumentWords]) -> bool:
    """Whether a hyphen stands for the rest of a compound.

    before: the word that it follows. What the document writes as one word elsewhere was cut.
    """
    found = _SUSPENDING.match(following)
    if found is None or not before[-1:].isalnum():
        return False
    # no typesetter cuts after one letter, after a capital one or a digit: T- or, IgA- or
    if len(before) == 1 or before[-1].isdigit() or before[-1].isupper():
        return True
    *compound, part = before.lower().split("-")
    if f"{part}{found[0]}" in words():
        return False
    if found[1] is not None or compound:
        return True
    if found[3] is not None:
        return part in _NUMBER_WORDS
    return part in _FIRST_PARTS or _THEN_COMPOUND.match(following) is not None


def joined(text: str, following: str, words: Callable[[], DocumentWords]) -> str | None:
    """A line with the whole word that its end cut, or None.

    The line ends with "-". The document decides which words have a hyphen. A hyphen that no typesetter adds stays: after
    one letter, beside a digit, in a word that has one already, before "and" if it ends no word. None if no word was cut.
    """
    cut, rest = _CUT_WORD.search(text), _WORD_START.match(following)
    word = text[text.rfind(" ") + 1 : -1]
    if _is_suspended(word.lstrip("([{\"'“‘„«"), following, words):
        return f"{text} "
    if text[-2:-1].isdigit():
        return text if following[:1].isalnum() else None
    if cut is None or rest is None:
        is_kept = following[:1].isascii() and (following[:1].isupper() or following[:1].isdigit())
        return text if cut is not None and is_kept else None
    if f"{cut[1]}-{rest[0]}".lower() in words():
        return text
    if len(word) != len(cut[1]) and word[: -len(cut[1])][-1:] in "-0123456789":
        # the part itself may be cut: well-estab-lished
        return text[:-1] if f"{cut[1]}{rest[0]}".lower() in words() else text
    return text if len(cut[1]) == 1 else text[:-1]
