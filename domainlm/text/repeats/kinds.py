"""What a document repeats, and what that is called where it is counted and listed.

In: nothing. Out: the value that finding duplicates gives, and one name for each kind of it: the figure of `stats.json`, the
reason in the data card and in a trace. In a module of its own, because those who only read the names need none of the
libraries that find duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

REPEAT_REASONS = {"exact": "exact_duplicates", "near": "near_duplicates", "evaluation": "evaluation_overlaps"}


@dataclass(frozen=True)
class Repeat:
    """What a document repeats. kind: `exact`, `near` or `evaluation`."""

    duplicate_of: str
    kind: str
    similarity: float
