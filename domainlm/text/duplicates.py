"""Finding exact duplicates, near-duplicates, and text of evaluation sets.

In: texts in canonical order. Out: for each, the earlier text that it repeats. Near-duplicates: MinHash over shingles of
words, candidates from locality-sensitive hashing (datasketch), confirmed by the estimated Jaccard similarity (standard
error 0.04 at 112 permutations and similarity 0.8). The first of a set of duplicates stays, and only kept texts are
compared with, so the result is that of the order alone. Memory: about 6 kB a kept document, nearly all of it the index.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from domainlm.text.characters import words

# a shorter question shares half of its shingles with any text that uses the same turn of phrase
MIN_CONTAINED_SHINGLES = 8
CANDIDATE_RECALL = 0.95


@dataclass(frozen=True)
class Repeat:
    """What a document repeats: `exact`, `near` or `evaluation`."""

    duplicate_of: str
    kind: str
    similarity: float


def shingles(text: str, shingle_words: int) -> frozenset[int]:
    """32-bit hashes of every run of shingle_words words; of all words where there are fewer. Equal to datasketch's hash."""
    found = words(text)
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

    def repeated(self, identifier: str, found: frozenset[int]) -> Repeat | None:
        """The kept text most similar to this one, at or above the threshold; where there is none, this one is kept."""
        signature = self._blank.copy()
        # sorted only so that the work, like its result, is the same in every run
        signature.update_batch(sorted(found))
        best: tuple[float, int] | None = None
        for position in self._index.query(signature):
            similarity = signature.jaccard(self._kept[position][1])
            if similarity >= self._threshold and (best is None or (-similarity, position) < best):
                best = (-similarity, position)
        if best is not None:
            return Repeat(self._kept[best[1]][0], "near", round(-best[0], 4))
        self._index.insert(len(self._kept), signature, check_duplication=False)
        self._kept.append((identifier, signature))
        return None


class EvaluationTexts:
    """Shingles of the evaluation sets, and which of their documents has each."""

    def __init__(self, threshold: float, shingle_words: int) -> None:
        self._threshold = threshold
        self._shingle_words = shingle_words
        self._documents: list[tuple[str, int]] = []
        self._holders: dict[int, list[int]] = {}

    def add(self, identifier: str, text: str) -> None:
        found = shingles(text, self._shingle_words)
        for shingle in found:
            self._holders.setdefault(shingle, []).append(len(self._documents))
        self._documents.append((identifier, len(found)))

    def overlapping(self, found: frozenset[int]) -> Repeat | None:
        """The evaluation text that a document repeats: much of the document is in the sets, or much of one text in it."""
        counts: dict[int, int] = {}
        hits = 0
        for shingle in found:
            holders = self._holders.get(shingle)
            if holders:
                hits += 1
                for position in holders:
                    counts[position] = counts.get(position, 0) + 1
        if not hits:
            return None
        share = hits / len(found)
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


class RepeatFinder:
    """What of one role's documents repeats something, in canonical order."""

    def __init__(self, permutations: int, threshold: float, shingle_words: int, evaluation: EvaluationTexts) -> None:
        self._near = NearDuplicates(permutations, threshold)
        self._shingle_words = shingle_words
        self._evaluation = evaluation
        self._exact: dict[bytes, str] = {}

    def repeated(self, identifier: str, text: str) -> Repeat | None:
        """What a text repeats; where it repeats nothing, it is kept to compare with."""
        found = shingles(text, self._shingle_words)
        overlap = self._evaluation.overlapping(found)
        if overlap is not None:
            return overlap
        same = self.exactly_repeated(identifier, text)
        if same is not None or not found:
            return same
        return self._near.repeated(identifier, found)

    def repeated_evaluation(self, text: str) -> Repeat | None:
        """The evaluation text that a text repeats."""
        return self._evaluation.overlapping(shingles(text, self._shingle_words))

    def exactly_repeated(self, identifier: str, text: str) -> Repeat | None:
        """The earlier text equal to this one but for blanks."""
        digest = hashlib.sha256(" ".join(text.split()).encode()).digest()[:16]
        first = self._exact.setdefault(digest, identifier)
        return None if first == identifier else Repeat(first, "exact", 1.0)
