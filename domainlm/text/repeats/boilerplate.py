"""Boilerplate: lines in many documents of a source (menus, notices, signatures).

In: (source, text) of all documents, which are read twice. Out: the lines in more documents of one source than a
threshold, and texts without them. Memory is bounded whatever the corpus: the first pass counts hashes of lines in a
sketch (Cormode & Muthukrishnan 2005, count-min), which can only overstate; the second counts exactly the few that the
sketch names. Such lines are removed at the head and the foot of a text at any length, and elsewhere from eight words
on: a short line between others ("else:", "Yes.") may be frequent for good reasons. A document's title stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from domainlm.text.characters import words

# 128 MiB: with 50 million different lines three share a cell, and both cells of a line must be shared to overstate it
CELL_BITS = 24
CELLS = 1 << CELL_BITS
LINES_PER_BATCH = 100_000
# their exact counts take 0.3 GiB
MAX_CANDIDATES = 2_000_000
MIN_INNER_WORDS = 8
_BLANK_LINES = re.compile(r"\n{3,}")

Texts = Callable[[], Iterable[tuple[str, str]]]


class TooManyLines(ValueError):
    """More lines are in many documents than memory allows to count.

    `count` of them were met.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} different lines")
        self.count = count


@dataclass(frozen=True)
class Boilerplate:
    """Digests of the lines in too many documents, and their document counts."""

    documents: dict[bytes, int]

    def is_frequent(self, source: str, line: str) -> bool:
        return line_digest(source, line) in self.documents

    def count(self, source: str, line: str) -> int:
        return self.documents[line_digest(source, line)]


def line_digest(source: str, line: str) -> bytes:
    """The 16 bytes by which a line of a source is counted."""
    return hashlib.blake2b(f"{source}\0{line}".encode(), digest_size=16).digest()


def _lines(source: str, text: str) -> set[bytes]:
    """Digests of the distinct lines of a text that have a word."""
    return {line_digest(source, line) for line in {line.strip() for line in text.split("\n")} if words(line)}


class _Sketch:
    """How many documents have a line, or more."""

    def __init__(self) -> None:
        import numpy as np

        self._counts = np.zeros((2, CELLS), dtype=np.uint32)
        self._waiting: list[bytes] = []

    def add(self, digests: Iterable[bytes]) -> None:
        self._waiting.extend(digests)
        if len(self._waiting) >= LINES_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        import numpy as np

        for row, cells in enumerate(_cells(self._waiting)):
            np.add.at(self._counts[row], cells, 1)
        self._waiting.clear()

    def above(self, digests: Collection[bytes], threshold: int) -> Iterator[bytes]:
        found = list(digests)
        if found:
            first, second = _cells(found)
            # a list, because indexing an array item by item makes an object each
            is_above = ((self._counts[0][first] > threshold) & (self._counts[1][second] > threshold)).tolist()
            yield from (digest for digest, flag in zip(found, is_above, strict=True) if flag)


def _cells(digests: list[bytes]) -> tuple[Any, Any]:
    """Two cells for each digest, by its two halves.

    They are little-endian on every machine.
    """
    import numpy as np

    halves = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2) % CELLS
    return halves[:, 0], halves[:, 1]


def frequent_lines(texts: Texts, max_documents: int) -> Boilerplate:
    """Lines in more than max_documents texts of one source. Raises TooManyLines."""
    sketch = _Sketch()
    for source, text in texts():
        sketch.add(_lines(source, text))
    sketch.flush()
    counts: dict[bytes, int] = {}
    for source, text in texts():
        for digest in sketch.above(_lines(source, text), max_documents):
            counts[digest] = counts.get(digest, 0) + 1
        if len(counts) > MAX_CANDIDATES:
            raise TooManyLines(len(counts))
    return Boilerplate({digest: count for digest, count in counts.items() if count > max_documents})


def without_boilerplate(source: str, title: str, text: str, found: Boilerplate) -> tuple[str, list[str]]:
    """The text without boilerplate, and the removed lines."""
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    is_taken = [bool(line) and line != title.strip() and found.is_frequent(source, line) for line in stripped]
    if not any(is_taken):
        return text, []
    # lines that can lie between two lines of a menu: whitespace, rules without words, the title
    is_empty = [line == title.strip() or not words(line) for line in stripped]
    edges: set[int] = set()
    for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
        for position in order:
            if not (is_taken[position] or is_empty[position]):
                break
            edges.add(position)
    taken = [
        position
        for position, flag in enumerate(is_taken)
        if flag and (position in edges or len(words(stripped[position])) >= MIN_INNER_WORDS)
    ]
    gone = set(taken)
    kept = "\n".join(line for position, line in enumerate(lines) if position not in gone)
    return _BLANK_LINES.sub("\n\n", kept).strip(" \t\n"), [stripped[position] for position in taken]
