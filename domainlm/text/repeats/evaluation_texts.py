"""Detection of evaluation texts, or other held-out text, in other texts.

In: the held-out texts. Out: of another text, the first of those that it repeats: much of it is in them, or much of
one of them is in it, both by shingles of words. A short question shares half of its shingles with many unrelated
texts, and is searched for as a whole instead. The similarity of two texts would not do, because a question is not
similar to a long document that contains it. Memory: 190 bytes a shingle, and 2.4 kB a short question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from domainlm.text.characters import is_of_unspaced_script
from domainlm.text.repeats.compared_words import compared_words
from domainlm.text.repeats.kinds import Repeat

# a shorter question shares half of its shingles with any text that uses the same turn of phrase
MIN_CONTAINED_SHINGLES = 8
# a text shorter than six words, or eight CJK characters or syllables, is no question but a turn of phrase ("in the latter case"): of 300
# lines of n words of Wikipedia, 24 occur in texts of other fields at n = 2, 11 at 3, 1 at 4, 2 at 5, none from 6 to 16; among
# Chinese manuals the share falls up to 8 characters and stays (there, whole sentences recur)
MIN_WHOLE_WORDS = 6
CJK_PER_WORD = 8 / 6
# of texts that are gone through in several turns
MAX_SHINGLES = 1_000_000


def shingles(found: Sequence[str], shingle_words: int) -> frozenset[int]:
    """32-bit hashes of every run of shingle_words words.

    A shorter text gives one hash, of all words. The hashes equal datasketch's.
    """
    if not found:
        return frozenset()
    runs = [found[offset:] for offset in range(min(shingle_words, len(found)))]
    sha1 = hashlib.sha1
    return frozenset(
        int.from_bytes(sha1(run.encode(), usedforsecurity=False).digest()[:4], "little")
        for run in map(" ".join, zip(*runs, strict=False))
    )


def is_telling(found: Sequence[str]) -> bool:
    """Whether a text of these words is recognised within another."""
    count = sum(map(is_of_unspaced_script, found))
    return len(found) - count + count / CJK_PER_WORD >= MIN_WHOLE_WORDS


def _run_of(found: Sequence[str]) -> str:
    """Words as a string in which only whole words match."""
    return f" {' '.join(found)} "


class EvaluationTexts:
    """Shingles of the evaluation sets with their documents, and whole short texts."""

    def __init__(self, threshold: float, shingle_words: int) -> None:
        self._threshold = threshold
        self._shingle_words = shingle_words
        self._documents: list[tuple[str, int]] = []
        self._holders: dict[int, list[int]] = {}
        # run of words -> the first document that is this run
        self._short: dict[str, str] = {}
        # documents that are too short to be searched for within others
        self.too_short = 0
        self._automaton: Any = None

    @property
    def is_full(self) -> bool:
        """Whether 200 MB are used.

        A short text takes as much as ten shingles.
        """
        return len(self._holders) + 10 * len(self._short) >= MAX_SHINGLES

    def add(self, identifier: str, text: str, parts: Iterable[str] = ()) -> None:
        """Add a text, and its parts that are long enough.

        The parts are searched for by themselves.
        """
        is_sought = self._add(identifier, compared_words(text))
        for part in parts:
            found = compared_words(part)
            if is_telling(found):
                is_sought = self._add(identifier, found)
        self.too_short += not is_sought

    def _add(self, identifier: str, found: Sequence[str]) -> bool:
        """Whether the text is searched for within others."""
        hashed = shingles(found, self._shingle_words)
        for shingle in hashed:
            self._holders.setdefault(shingle, []).append(len(self._documents))
        self._documents.append((identifier, len(hashed)))
        if len(hashed) >= MIN_CONTAINED_SHINGLES:
            return True
        if not is_telling(found):
            return False
        self._short.setdefault(_run_of(found), identifier)
        self._automaton = None
        return True

    def repeated(self, found: Sequence[str], hashed: frozenset[int]) -> Repeat | None:
        """The evaluation text that a document of these words and shingles repeats."""
        return self._overlapping(hashed) or self._within(found)

    def _overlapping(self, hashed: frozenset[int]) -> Repeat | None:
        """A repeat by overlap: much of either text is in the other."""
        counts: dict[int, int] = {}
        hits = 0
        for shingle in hashed:
            holders = self._holders.get(shingle)
            if holders:
                hits += 1
                for position in holders:
                    counts[position] = counts.get(position, 0) + 1
        if not hits:
            return None
        share = hits / len(hashed)
        contained = {
            position: count / self._documents[position][1]
            for position, count in counts.items()
            if self._documents[position][1] >= MIN_CONTAINED_SHINGLES
        }
        similarity = max(share, max(contained.values(), default=0.0))
        if similarity < self._threshold:
            return None
        best = min(counts, key=lambda position: (-contained.get(position, 0.0), -counts[position], position))
        return Repeat(self._documents[best][0], "evaluation", round(similarity, 4))

    def _within(self, found: Sequence[str]) -> Repeat | None:
        """A short text that the document contains word for word.

        If there are several, it is the first of the sets.
        """
        if not self._short:
            return None
        if self._automaton is None:
            import ahocorasick_rs

            self._automaton = ahocorasick_rs.AhoCorasick(list(self._short), store_patterns=False)
        run = _run_of(found)
        for _, start, end in self._automaton.find_matches_as_indexes(run):
            return Repeat(self._short[run[start:end]], "evaluation", 1.0)
        return None
