"""The kinds of repeats, and their names in counts and lists.

In: nothing. Out: the value that detection gives, and one name for each kind of it: the figure of `stats.json`, the
reason in the data card and in a trace. It is a separate module, because readers of the names need none of the
libraries that detect duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

REPEAT_REASONS = {"exact": "exact_duplicates", "near": "near_duplicates", "evaluation": "evaluation_overlaps"}


@dataclass(frozen=True)
class Repeat:
    """The text that a document repeats.

    kind: `exact`, `near` or `evaluation`.
    """

    duplicate_of: str
    kind: str
    similarity: float
