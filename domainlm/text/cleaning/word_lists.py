"""Word lists of a domain: their words drop, mask or only count.

In: text, and the lists. Out: the places of their words. All words of all lists are searched for at once
(Aho-Corasick), so the cost does not grow with their number. Latin words match whole words only, in any case; Chinese
has no spaces, so that its words match anywhere. The words are converted to the form of the texts, or a list in
another script or width would find nothing. The words themselves are in the resolved configuration (the resolver reads
the files), and with it in the action key: a stage opens no file of the user's, and a comment in a list rebuilds
nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.config.cleaning import WordList
from domainlm.contract import StageError
from domainlm.text.cleaning.spans import Span

# within such characters a word continues
_INNER = re.compile("[0-9A-Za-z_\xc0-\u024f\u0370-\u052f]")


@dataclass(frozen=True)
class WordLists:
    """The lists as one automaton.

    kinds[i]: the names of the lists with pattern i.
    """

    kinds: tuple[tuple[str, ...], ...]
    automaton: Any


def _lower(text: str) -> str:
    """Lower case of the same length.

    A few letters have a longer lower case; then only ASCII is lowered.
    """
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _itself(word: str) -> tuple[str, ...]:
    return (word,)


def word_lists_of(
    lists: Mapping[str, WordList], forms_of: Callable[[str], Iterable[str]] = _itself
) -> WordLists | None:
    """The automaton of all lists; None if they have no words.

    forms_of: the form of a word in the texts. Raises StageError.
    """
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name, entry in sorted(lists.items()):
        for word in entry.words:
            for form in sorted({_lower(form) for form in forms_of(word)}):
                if not form:
                    raise StageError(f"clean_shards.word_lists.{name}: {word!r} has no visible character; remove it")
                if name not in names[form]:
                    names[form].append(name)
    if not names:
        return None
    import ahocorasick_rs

    return WordLists(tuple(map(tuple, names.values())), ahocorasick_rs.AhoCorasick(list(names)))


def _is_whole(text: str, start: int, end: int) -> bool:
    for inside, outside in ((start, start - 1), (end - 1, end)):
        if 0 <= outside < len(text) and _INNER.match(text, inside) and _INNER.match(text, outside):
            return False
    return True


def listed_words(text: str, lists: WordLists) -> list[Span]:
    """The places of listed words.

    For each list, the longest match at each place counts, without overlaps.
    """
    lower = _lower(text)
    found = [
        Span(name, start, end)
        for index, start, end in lists.automaton.find_matches_as_indexes(lower, overlapping=True)
        if _is_whole(lower, start, end)
        for name in lists.kinds[index]
    ]
    chosen: list[Span] = []
    ends: dict[str, int] = {}
    for span in sorted(found, key=lambda span: (span.start, -span.end, span.kind)):
        if span.start >= ends.get(span.kind, 0):
            chosen.append(span)
            ends[span.kind] = span.end
    return chosen
