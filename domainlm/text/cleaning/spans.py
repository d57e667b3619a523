"""Findings in a text as spans, and their masking.

In: a text and the places of personal data, secrets and listed words in it. Out: the text with `[kind]` in their
place. The mask names the kind instead of asterisks: the model then learns that an address was there, and a person can
see the kind of the removed text.
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
    """Spans in order of place; of overlapping ones, the first given stays."""
    chosen: list[Span] = []
    for span in spans:
        at = bisect_left(chosen, span.start, key=lambda other: other.start)
        if (at == 0 or chosen[at - 1].end <= span.start) and (at == len(chosen) or span.end <= chosen[at].start):
            chosen.insert(at, span)
    return chosen


def masked(text: str, spans: Iterable[Span]) -> str:
    """The text with each of these spans as `[kind]`.

    The spans are in order and do not overlap.
    """
    parts = []
    at = 0
    for span in spans:
        parts += [text[at : span.start], f"[{span.kind}]"]
        at = span.end
    return "".join([*parts, text[at:]])
