"""Token F1: the words that answer and reference share.

The measure is that of SQuAD (Rajpurkar et al. 2016). In: two texts. Out: a number from 0 to 1. Words are those of
`text.characters`, so a Chinese character counts as one. Articles stay, because the expected answer consists of the
reference's own words.
"""

from __future__ import annotations

from collections import Counter

from domainlm.text.characters import words


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over words.

    Each word counts as often as it occurs. Two empty texts: 1.
    """
    found, expected = Counter(words(answer)), Counter(words(reference))
    if not found or not expected:
        return float(found == expected)
    shared = (found & expected).total()
    return 2 * shared / (found.total() + expected.total())
