"""Places in a text: what personal data, secrets and word lists find, and how they are masked.

In: a text and the places found in it. Out: the text with `[kind]` in their place. A name of the kind and not asterisks:
the model then learns that an address stood there, and a person can see what was taken out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """text[start:end] is of this kind."""

    kind: str
    start: int
    end: int


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """In order of place; of spans that overlap, the one given first stays."""
    chosen: list[Span] = []
    for span in spans:
        at = bisect_left(chosen, span.start, key=lambda other: other.start)
        if (at == 0 or chosen[at - 1].end <= span.start) and (at == len(chosen) or span.end <= chosen[at].start):
            chosen.insert(at, span)
    return chosen


def masked(text: str, spans: Iterable[Span]) -> str:
    """The text with each of these spans, which do not overlap and are in order, as `[kind]`."""
    parts = []
    at = 0
    for span in spans:
        parts += [text[at : span.start], f"[{span.kind}]"]
        at = span.end
    return "".join([*parts, text[at:]])
