"""Detection of exact duplicates and near duplicates.

In: texts in canonical order, and the texts of the evaluation sets. Out: for each, the earlier text that it repeats.
Near duplicates: MinHash over shingles of words and telling signs (datasketch), candidates from locality-sensitive hashing, confirmed by
the estimated Jaccard similarity (standard error 0.04 at 112 permutations and similarity 0.8). The first of a set of
duplicates stays, and only kept texts are compared with, so the result depends on the order alone. Memory: about 3.7
kB a kept document, nearly all of it the index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from domainlm.text.repeats.compared_words import compared_words
from domainlm.text.repeats.evaluation_texts import EvaluationTexts, shingles
from domainlm.text.repeats.kinds import Repeat

CANDIDATE_RECALL = 0.95
# signatures of kept texts that are compared with at a time
ROWS_COMPARED = 10_000


def bands_and_rows(permutations: int, threshold: float) -> tuple[int, int]:
    """The most rows a band at which similar texts still meet.

    Two texts at the threshold meet in some band 95 times of 100.
    """
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if 1.0 - (1.0 - threshold**rows) ** bands >= CANDIDATE_RECALL:
            return bands, rows
    return permutations, 1


def _unchanged(value: int) -> int:
    return value


class NearDuplicates:
    """Texts kept so far, found by similarity.

    A text is compared with those that have the same values in some band of its signature. Not by datasketch's own index, which
    gives them one by one: forms that are filled in are all candidates of each other.
    """

    def __init__(self, permutations: int, threshold: float) -> None:
        import numpy as np
        from datasketch import MinHash

        self._threshold = threshold
        # shingles come hashed; copies share the permutations, whose making would cost more than the hashing
        self._blank = MinHash(num_perm=permutations, hashfunc=_unchanged)
        bands, self._band_length = bands_and_rows(permutations, threshold)
        # by band: its values -> positions of the kept texts that have them
        self._positions: list[dict[bytes, list[int]]] = [{} for _ in range(bands)]
        self._identifiers: list[str] = []
        # a row for each kept text, and free ones
        self._signatures = np.empty((1000, permutations), dtype=np.uint32)

    def _signature(self, found: frozenset[int]) -> Any:
        signature = self._blank.copy()
        # sorted only so that the work, like its result, is the same in every run
        signature.update_batch(sorted(found))
        # below 2 to the power of 32, in twice the bytes
        return signature.hashvalues.astype(self._signatures.dtype)

    def _bands(self, signature: Any) -> Iterator[tuple[dict[bytes, list[int]], bytes]]:
        for band, positions in enumerate(self._positions):
            first = band * self._band_length
            yield positions, signature[first : first + self._band_length].tobytes()

    def _most_similar(self, signature: Any) -> Repeat | None:
        import numpy as np

        candidates = sorted(set[int]().union(*(positions.get(key, ()) for positions, key in self._bands(signature))))
        if not candidates:
            return None
        # in parts, because taking rows copies them
        parts = np.array_split(candidates, len(candidates) // ROWS_COMPARED + 1)
        equal = np.concatenate([np.count_nonzero(self._signatures[part] == signature, axis=1) for part in parts])
        # the first of the most similar ones
        best = int(np.argmax(equal))
        similarity = int(equal[best]) / len(signature)
        if similarity < self._threshold:
            return None
        return Repeat(self._identifiers[candidates[best]], "near", round(similarity, 4))

    def most_similar(self, found: frozenset[int]) -> Repeat | None:
        """The kept text most similar to this one, at the threshold."""
        return self._most_similar(self._signature(found))

    def repeated(self, identifier: str, found: frozenset[int]) -> Repeat | None:
        """The kept text most similar to this one, at the threshold.

        If there is none, this one is kept.
        """
        signature = self._signature(found)
        repeat = self._most_similar(signature)
        if repeat is None:
            self._keep(identifier, signature)
        return repeat

    def _keep(self, identifier: str, signature: Any) -> None:
        import numpy as np

        position = len(self._identifiers)
        if position == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
        self._signatures[position] = signature
        for positions, key in self._bands(signature):
            positions.setdefault(key, []).append(position)
        self._identifiers.append(identifier)


class RepeatFinder:
    """Detection of repeats among one role's documents, in canonical order.

    before: the finder of documents that are kept in preference to these.
    """

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
        """The text that this one repeats.

        If it repeats none, it is kept for comparison.
        """
        found = compared_words(text)
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
        """The kept text that a text of these shingles repeats.

        The text itself is not kept.
        """
        first = self._exact.get(_digest(text))
        if first is not None:
            return Repeat(first, "exact", 1.0)
        return self._near.most_similar(hashed) if hashed else None

    def repeated_evaluation(self, text: str) -> Repeat | None:
        """The evaluation text that a text repeats."""
        found = compared_words(text)
        return self._evaluation.repeated(found, shingles(found, self._shingle_words))

    def exactly_repeated(self, identifier: str, text: str) -> Repeat | None:
        """The earlier text that equals this one except for whitespace."""
        first = self._exact.setdefault(_digest(text), identifier)
        return None if first == identifier else Repeat(first, "exact", 1.0)


def _digest(text: str) -> bytes:
    """A digest that ignores differences in whitespace."""
    return hashlib.sha256(" ".join(text.split()).encode()).digest()[:16]
