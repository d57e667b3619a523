"""Rules that a person can check by eye: length, letters, lines and words said again.

In: a normalised text, the section `clean_shards`. Out: the rule that it fails, with value and threshold. They are always on, and
the published sets (`quality.py`) are not: those are tuned for web crawls, refuse most ontology terms, and take ten times as
long.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import letter_share, words

MIN_WORDS_FOR_TOP_WORD = 20


@dataclass(frozen=True)
class Failure:
    """The rule that a document fails: it is named after the section's key, but for `empty`."""

    reason: str
    value: float | str
    threshold: float | str


EMPTY = Failure("empty", 0, 1)


def repeated_line_share(text: str) -> float:
    """Share of the non-blank lines that repeat an earlier one."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return 1.0 - len(set(lines)) / len(lines) if lines else 0.0


def top_word_share(text: str) -> float:
    """Share of the most frequent word among all; 0 for texts too short to tell."""
    found = words(text)
    if len(found) < MIN_WORDS_FOR_TOP_WORD:
        return 0.0
    return max(Counter(found).values()) / len(found)


def length_failure(text: str, config: CleanShards) -> Failure | None:
    """The limit of length that a text is beyond."""
    if not text:
        return EMPTY
    if len(text) < config.min_chars:
        return Failure("min_chars", len(text), config.min_chars)
    if len(text) > config.max_chars:
        return Failure("max_chars", len(text), config.max_chars)
    return None


def plain_failure(text: str, config: CleanShards) -> Failure | None:
    """The first rule that a text fails; None where it is kept."""
    if (failure := length_failure(text, config)) is not None:
        return failure
    if (share := letter_share(text)) < config.min_letter_share:
        return Failure("min_letter_share", round(share, 4), config.min_letter_share)
    if (share := repeated_line_share(text)) > config.max_repeated_line_share:
        return Failure("max_repeated_line_share", round(share, 4), config.max_repeated_line_share)
    if (share := top_word_share(text)) > config.max_top_word_share:
        return Failure("max_top_word_share", round(share, 4), config.max_top_word_share)
    return None
