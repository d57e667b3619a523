"""Word lists of a domain: texts that hold their words are dropped or masked, or only counted.

In: text, and the lists. Out: where their words stand. All words of all lists are sought at once (Aho-Corasick), so the cost
does not grow with their number. Latin words match whole words only, in any case; Chinese has no spaces, so that its words
match anywhere. The words themselves are in the resolved configuration (the resolver reads the files), and with it in the
action key: a stage opens no file of the user's, and a comment in a list rebuilds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.config.cleaning import WordList
from domainlm.text.cleaning.spans import Span

# within such characters a word goes on
_INNER = re.compile("[0-9A-Za-z_\xc0-\u024f\u0370-\u052f]")


@dataclass(frozen=True)
class WordLists:
    """The lists as one automaton; kinds[i] is the name of the list that pattern i is from."""

    lists: Mapping[str, WordList]
    kinds: tuple[str, ...]
    automaton: Any


def _lower(text: str) -> str:
    """Lower case of the same length: a few letters have a longer one, then only ASCII is lowered."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def word_lists_of(lists: Mapping[str, WordList]) -> WordLists | None:
    """None where there is no word to seek."""
    words: dict[str, str] = {}
    for name, entry in sorted(lists.items()):
        for word in entry.words:
            words.setdefault(_lower(word), name)
    if not words:
        return None
    import ahocorasick_rs

    return WordLists(lists, tuple(words.values()), ahocorasick_rs.AhoCorasick(list(words)))


def _is_whole(text: str, start: int, end: int) -> bool:
    for inside, outside in ((start, start - 1), (end - 1, end)):
        if 0 <= outside < len(text) and _INNER.match(text, inside) and _INNER.match(text, outside):
            return False
    return True


def listed_words(text: str, lists: WordLists) -> list[Span]:
    """Where words of the lists stand, longest first at each place, without overlaps."""
    lower = _lower(text)
    found = [
        Span(lists.kinds[index], start, end)
        for index, start, end in lists.automaton.find_matches_as_indexes(lower, overlapping=True)
        if _is_whole(lower, start, end)
    ]
    chosen: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if not chosen or span.start >= chosen[-1].end:
            chosen.append(span)
    return chosen
