"""Normalising a document and deciding whether to keep it.

In: a document. Out: its normalised form, and the rule it fails, with value and threshold. Four rules that a person can
check by eye, and not the Gopher or C4 sets: those are tuned for web crawls, refuse most ontology terms, and take ten
times as long.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import letter_share, words
from domainlm.text.document import Document
from domainlm.text.policy import acting_role

MIN_WORDS_FOR_TOP_WORD = 20
# roles whose text is taken as it is: a short question or answer is not a bad one
_UNFILTERED = ("instruction", "evaluation")


@dataclass(frozen=True)
class Failure:
    """The rule that a document fails: it is named after the section's key, but for `empty`."""

    reason: str
    value: float | str
    threshold: float | str


def role_played(document: Document) -> str:
    """By its use; its own role where the policy was not asked."""
    return acting_role(document.role, document.use) if document.use else document.role


def is_filtered(document: Document) -> bool:
    """Whether rules about length, language and quality may reject it."""
    return role_played(document) not in _UNFILTERED


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _changed(item, change) for key, item in value.items()}
    return value


def with_strings(document: Document, change: Callable[[str], str], is_text_done: bool = False) -> Document:
    """The document with text, title, section and the strings in `meta` changed alike, so that each is still found in the text."""
    meta = document.meta
    if meta != "{}":
        meta = json.dumps(_changed(json.loads(meta), change), sort_keys=True, ensure_ascii=False)
    text = document.text if is_text_done else change(document.text)
    return replace(document, text=text, title=change(document.title), section=change(document.section), meta=meta)


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


def length_failure(document: Document, config: CleanShards) -> Failure | None:
    """The limit of length that a normalised document is beyond; of instruction and evaluation texts only emptiness."""
    text = document.text
    if not text:
        return Failure("empty", 0, 1)
    if not is_filtered(document):
        return None
    if len(text) < config.min_chars:
        return Failure("min_chars", len(text), config.min_chars)
    if len(text) > config.max_chars:
        return Failure("max_chars", len(text), config.max_chars)
    return None


def failure_of(document: Document, config: CleanShards) -> Failure | None:
    """The first rule that a normalised document fails; None where it is kept."""
    failure = length_failure(document, config)
    if failure is not None or not is_filtered(document):
        return failure
    text = document.text
    if (share := letter_share(text)) < config.min_letter_share:
        return Failure("min_letter_share", round(share, 4), config.min_letter_share)
    if (share := repeated_line_share(text)) > config.max_repeated_line_share:
        return Failure("max_repeated_line_share", round(share, 4), config.max_repeated_line_share)
    if (share := top_word_share(text)) > config.max_top_word_share:
        return Failure("max_top_word_share", round(share, 4), config.max_top_word_share)
    return None
