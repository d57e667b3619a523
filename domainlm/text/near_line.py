"""The documents nearest to a threshold, for a person to read.

In: rows with their distance. Out: those with the smallest distances, just kept and just rejected, by value. Ties are
broken by id, so the same rows are shown whatever the order in which they come. Memory: those rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

SHOWN_ROWS = 60


class _Farthest:
    """The order of a heap that has the farthest row on top.

    That row is dropped next.
    """

    def __init__(self, distance: float, identifier: str, row: Mapping[str, Any]) -> None:
        self.place = (distance, identifier)
        self.row = row

    def __lt__(self, other: _Farthest) -> bool:
        return self.place > other.place


class NearLine:
    """At most SHOWN_ROWS rows, the nearest so far."""

    def __init__(self) -> None:
        self._heap: list[_Farthest] = []

    def add(self, distance: float, identifier: str, row: Mapping[str, Any]) -> None:
        entry = _Farthest(distance, identifier, row)
        if len(self._heap) < SHOWN_ROWS:
            heapq.heappush(self._heap, entry)
        elif self._heap[0] < entry:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[Mapping[str, Any]]:
        """Rows by falling value."""
        return sorted((entry.row for entry in self._heap), key=lambda row: (-row["value"], row["id"]))
