"""Rules that a person can check by eye: length, letters, repetition.

In: a normalised text, the section `clean_shards`. Out: the rule that it fails, with value and threshold. They are
always on, unlike the published sets (`quality.py`): those are tuned for web crawls, reject most ontology terms, and
take ten times as long.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import letter_share, words

MIN_WORDS_FOR_TOP_WORD = 20


@dataclass(frozen=True)
class Failure:
    """The rule that a document fails.

    It is named after the section's key, except for `empty`.
    """

    reason: str
    value: float | str
    threshold: float | str


EMPTY = Failure("empty", 0, 1)


def repeated_line_share(text: str) -> float:
    """Share of the non-blank lines that repeat an earlier one."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return 1.0 - len(set(lines)) / len(lines) if lines else 0.0


def top_word_share(text: str) -> float:
    """Share of the most frequent word; 0 for very short texts."""
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
    """The first rule that a text fails; None if it is kept."""
    if (failure := length_failure(text, config)) is not None:
        return failure
    if (share := letter_share(text)) < config.min_letter_share:
        return Failure("min_letter_share", round(share, 4), config.min_letter_share)
    if (share := repeated_line_share(text)) > config.max_repeated_line_share:
        return Failure("max_repeated_line_share", round(share, 4), config.max_repeated_line_share)
    if (share := top_word_share(text)) > config.max_top_word_share:
        return Failure("max_top_word_share", round(share, 4), config.max_top_word_share)
    return None
