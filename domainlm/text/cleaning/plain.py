"""Rules that a person can check by eye: length, letters, repetition.

In: a normalised text, the section `clean_shards`. Out: the rule that it fails, with value and threshold. They are
always on, unlike the published sets (`quality.py`): those are tuned for web crawls, reject most ontology terms, and
take ten times as long. Lines that are code, data or marks are not said again where they stand again (`prose.py`), and a
character that stands for a syllable or a word is not one letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import letter_share, words
from domainlm.text.cleaning.prose import prose_lines

MIN_WORDS_FOR_TOP_WORD = 20
# characters of which each says as much as two letters or more: kana, Han, Hangul. Of translated sentences a Korean or Japanese
# text has half as many characters as the English one, a Chinese one less than a third (benchmarks/text/dense_characters.py)
DENSE_WEIGHT = 2
_DENSE = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Failure:
    """The rule that a document fails.

    It is named after the section's key, except for `empty`.
    """

    reason: str
    value: float | str
    threshold: float | str


EMPTY = Failure("empty", 0, 1)


def weighted_length(text: str) -> int:
    """Characters, of which kana, Han and Hangul count twice."""
    return len(text) if text.isascii() else len(text) + (DENSE_WEIGHT - 1) * len(_DENSE.findall(text))


def repeated_line_share(lines: Sequence[str]) -> float:
    """Share of the lines that repeat an earlier one."""
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
    if len(text) < config.min_chars and (length := weighted_length(text)) < config.min_chars:
        return Failure("min_chars", length, config.min_chars)
    if len(text) > config.max_chars:
        return Failure("max_chars", len(text), config.max_chars)
    return None


def _first_failure(text: str, lines: Sequence[str], config: CleanShards) -> Failure | None:
    if (share := letter_share(text)) < config.min_letter_share:
        return Failure("min_letter_share", round(share, 4), config.min_letter_share)
    if (share := repeated_line_share(lines)) > config.max_repeated_line_share:
        return Failure("max_repeated_line_share", round(share, 4), config.max_repeated_line_share)
    if (share := top_word_share(text)) > config.max_top_word_share:
        return Failure("max_top_word_share", round(share, 4), config.max_top_word_share)
    return None


def plain_failure(text: str, config: CleanShards) -> Failure | None:
    """The first rule that a text fails; None if it is kept.

    A text that fails as a whole is judged by its lines of prose, if they alone are long enough; repeated lines of a
    text that is all code are none.
    """
    if (failure := length_failure(text, config)) is not None:
        return failure
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    failure = _first_failure(text, lines, config)
    if failure is None:
        return None
    lines = prose_lines(text)
    prose = "\n".join(lines)
    if lines and weighted_length(prose) >= config.min_chars:
        return _first_failure(prose, lines, config)
    is_repeated = failure.reason == "max_repeated_line_share"
    return _first_failure(text, lines, config) if is_repeated else failure
