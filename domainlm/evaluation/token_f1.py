"""Token F1: how many words an answer shares with the reference (Rajpurkar et al. 2016, SQuAD).

In: two texts. Out: a number from 0 to 1. Words are those of `text.characters`, so a Chinese character counts as one;
articles stay, as the reference's own words are what is asked for.
"""

from __future__ import annotations

from collections import Counter

from domainlm.text.characters import words


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over words, each counted as often as it occurs. Two empty texts: 1."""
    found, expected = Counter(words(answer)), Counter(words(reference))
    if not found or not expected:
        return float(found == expected)
    shared = (found & expected).total()
    return 2 * shared / (found.total() + expected.total())
