"""Finding exact duplicates, near-duplicates, and text of evaluation sets.

In: texts in canonical order. Out: for each, the earlier text that it repeats. Near-duplicates: MinHash over shingles of
words, candidates from locality-sensitive hashing (datasketch), confirmed by the estimated Jaccard similarity (standard
error 0.04 at 112 permutations and similarity 0.8). The first of a set of duplicates stays, and only kept texts are
compared with, so the result is that of the order alone. A short question shares half of its shingles with much that is
not it, and is sought whole instead. Memory: about 6 kB a kept document, nearly all of it the index, and 2.4 kB a short question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from domainlm.text.characters import cjk_count, words
from domainlm.text.repeat import Repeat

# a shorter question shares half of its shingles with any text that uses the same turn of phrase
MIN_CONTAINED_SHINGLES = 8
# a text shorter than six words, or eight CJK characters, is no question but a turn of phrase ("in the latter case"): of 300
# lines of n words of Wikipedia, 24 stand in texts of other fields at n = 2, 11 at 3, 1 at 4, 2 at 5, none from 6 to 16; among
# Chinese manuals the share falls up to 8 characters and stays (there, whole sentences are said again)
MIN_WHOLE_WORDS = 6
CJK_PER_WORD = 8 / 6
CANDIDATE_RECALL = 0.95


def shingles(found: Sequence[str], shingle_words: int) -> frozenset[int]:
    """32-bit hashes of every run of shingle_words words; of all words where there are fewer. Equal to datasketch's hash."""
    if not found:
        return frozenset()
    runs = [found[offset:] for offset in range(min(shingle_words, len(found)))]
    sha1 = hashlib.sha1
    return frozenset(
        int.from_bytes(sha1(run.encode(), usedforsecurity=False).digest()[:4], "little")
        for run in map(" ".join, zip(*runs, strict=False))
    )


def bands_and_rows(permutations: int, threshold: float) -> tuple[int, int]:
    """The most rows a band with which two texts at the threshold still meet in some band 95 times of 100."""
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if 1.0 - (1.0 - threshold**rows) ** bands >= CANDIDATE_RECALL:
            return bands, rows
    return permutations, 1


def _unchanged(value: int) -> int:
    return value


def is_telling(text: str, found: Sequence[str]) -> bool:
    """Whether a text of these words is long enough to be known by standing whole within another."""
    count = cjk_count(text)
    return len(found) - count + count / CJK_PER_WORD >= MIN_WHOLE_WORDS


def _run_of(found: Sequence[str]) -> str:
    """Words as one string in which a run of them is found by its whole words only."""
    return f" {' '.join(found)} "


class NearDuplicates:
    """Texts kept so far, found by similarity."""

    def __init__(self, permutations: int, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self._threshold = threshold
        # shingles come hashed; copies share the permutations, whose making would cost more than the hashing
        self._blank = MinHash(num_perm=permutations, hashfunc=_unchanged)
        params = bands_and_rows(permutations, threshold)
        self._index = MinHashLSH(num_perm=permutations, params=params, prepickle=False)
        self._kept: list[tuple[str, Any]] = []

    def _signature(self, found: frozenset[int]) -> Any:
        signature = self._blank.copy()
        # sorted only so that the work, like its result, is the same in every run
        signature.update_batch(sorted(found))
        return signature

    def _most_similar(self, signature: Any) -> Repeat | None:
        best: tuple[float, int] | None = None
        for position in self._index.query(signature):
            similarity = signature.jaccard(self._kept[position][1])
            if similarity >= self._threshold and (best is None or (-similarity, position) < best):
                best = (-similarity, position)
        return None if best is None else Repeat(self._kept[best[1]][0], "near", round(-best[0], 4))

    def most_similar(self, found: frozenset[int]) -> Repeat | None:
        """The kept text most similar to this one, at or above the threshold."""
        return self._most_similar(self._signature(found))

    def repeated(self, identifier: str, found: frozenset[int]) -> Repeat | None:
        """The kept text most similar to this one, at or above the threshold; where there is none, this one is kept."""
        signature = self._signature(found)
        repeat = self._most_similar(signature)
        if repeat is None:
            self._index.insert(len(self._kept), signature, check_duplication=False)
            self._kept.append((identifier, signature))
        return repeat


class EvaluationTexts:
    """Shingles of the evaluation sets, which of their documents has each, and the short ones whole."""

    def __init__(self, threshold: float, shingle_words: int) -> None:
        self._threshold = threshold
        self._shingle_words = shingle_words
        self._documents: list[tuple[str, int]] = []
        self._holders: dict[int, list[int]] = {}
        # run of words -> the first document that is this run
        self._short: dict[str, str] = {}
        # documents that are too short to be sought within others
        self.too_short = 0
        self._automaton: Any = None

    def add(self, identifier: str, text: str) -> None:
        found = words(text)
        hashed = shingles(found, self._shingle_words)
        for shingle in hashed:
            self._holders.setdefault(shingle, []).append(len(self._documents))
        self._documents.append((identifier, len(hashed)))
        if len(hashed) >= MIN_CONTAINED_SHINGLES:
            return
        if not is_telling(text, found):
            self.too_short += 1
            return
        self._short.setdefault(_run_of(found), identifier)
        self._automaton = None

    def repeated(self, found: Sequence[str], hashed: frozenset[int]) -> Repeat | None:
        """The evaluation text that a document of these words and shingles repeats."""
        return self._overlapping(hashed) or self._within(found)

    def _overlapping(self, hashed: frozenset[int]) -> Repeat | None:
        """Much of the document is in the sets, or much of one text in it."""
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
        """A short text that stands in the document word for word; the first of the sets where there are several."""
        if not self._short:
            return None
        if self._automaton is None:
            import ahocorasick_rs

            self._automaton = ahocorasick_rs.AhoCorasick(list(self._short), store_patterns=False)
        run = _run_of(found)
        for _, start, end in self._automaton.find_matches_as_indexes(run):
            return Repeat(self._short[run[start:end]], "evaluation", 1.0)
        return None


class RepeatFinder:
    """What of one role's documents repeats something, in canonical order. before: finds what is kept rather than these."""

    def __init__(
        self,
        permutations: int,
        threshold: float,
        shingle_words: int,
        evaluation: EvaluationTexts,
        before: RepeatFinder | None = None,
    ) -> None:
        self._near = NearDuplicates(permutations, threshold)
        self._shingle_words = shingle_words
        self._evaluation = evaluation
        self._before = before
        self._exact: dict[bytes, str] = {}

    def repeated(self, identifier: str, text: str) -> Repeat | None:
        """What a text repeats; where it repeats nothing, it is kept to compare with."""
        found = words(text)
        hashed = shingles(found, self._shingle_words)
        overlap = self._evaluation.repeated(found, hashed)
        if overlap is not None:
            return overlap
        earlier = self._before.kept_like(text, hashed) if self._before is not None else None
        same = earlier or self.exactly_repeated(identifier, text)
        if same is not None or not found:
            return same
        return self._near.repeated(identifier, hashed)

    def kept_like(self, text: str, hashed: frozenset[int]) -> Repeat | None:
        """The kept text that a text of these shingles repeats; it is not kept itself."""
        first = self._exact.get(_digest(text))
        if first is not None:
            return Repeat(first, "exact", 1.0)
        return self._near.most_similar(hashed) if hashed else None

    def repeated_evaluation(self, text: str) -> Repeat | None:
        """The evaluation text that a text repeats."""
        found = words(text)
        return self._evaluation.repeated(found, shingles(found, self._shingle_words))

    def exactly_repeated(self, identifier: str, text: str) -> Repeat | None:
        """The earlier text equal to this one but for blanks."""
        first = self._exact.setdefault(_digest(text), identifier)
        return None if first == identifier else Repeat(first, "exact", 1.0)


def _digest(text: str) -> bytes:
    """Equal for texts that differ in blanks only."""
    return hashlib.sha256(" ".join(text.split()).encode()).digest()[:16]
