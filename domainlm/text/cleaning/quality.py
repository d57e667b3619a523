"""Published quality rules: the kept lines, and the rule that fails.

In: a normalised text, its language (ISO 639-1, or "und"), the section `clean_shards`. Out: the text without the lines
that C4 removes, and the first rule that it fails, by name, value and threshold. Lines are removed first, so that
every rule judges the text that would be kept; in FineWeb's order (Gopher before C4) the judged text is not the kept
one. Rule sets run in one order whatever the order in the configuration: cheap ones first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import cjk_count, letter_count
from domainlm.text.cleaning import c4, chinese, fineweb, gopher
from domainlm.text.cleaning.conventions import CHINESE, ENGLISH, Conventions
from domainlm.text.cleaning.gopher import Limits
from domainlm.text.cleaning.parts import Parts
from domainlm.text.cleaning.plain import EMPTY, Failure

UNSPACED_LANGUAGES = ("zh", "ja")
UNKNOWN_LANGUAGES = ("", "und")
STOP_WORD_LANGUAGES = ("en", "zh", *UNKNOWN_LANGUAGES)


def _conventions_of(text: str, language: str) -> Conventions:
    if language in UNKNOWN_LANGUAGES:
        return CHINESE if 2 * cjk_count(text) > letter_count(text) else ENGLISH
    return CHINESE if language in UNSPACED_LANGUAGES else ENGLISH


def _limits_of(conventions: Conventions, language: str, config: CleanShards) -> Limits:
    """Thresholds in force: published ones, replaced by the domain's.

    Rules that are off have none.
    """
    has_stop_words = language in STOP_WORD_LANGUAGES
    return _limits(conventions is CHINESE, has_stop_words, tuple(config.quality_thresholds.items()))


# a tenth of the time of a short document
@lru_cache(maxsize=64)
def _limits(is_chinese: bool, has_stop_words: bool, replaced: tuple[tuple[str, float | None], ...]) -> Limits:
    limits: dict[str, float | None] = dict((CHINESE if is_chinese else ENGLISH).thresholds)
    limits.update(replaced)
    if not has_stop_words:
        limits["gopher_min_stop_words"] = None
    return {rule: limit for rule, limit in limits.items() if limit is not None}


def kept_lines(text: str, language: str, config: CleanShards) -> str:
    """The text without the lines and citation marks that C4 removes.

    It is unchanged if `c4` is not chosen.
    """
    if "c4" not in config.quality:
        return text
    conventions = _conventions_of(text, language)
    return c4.lines_kept(text, conventions, _limits_of(conventions, language, config))


def _measures(
    text: str, language: str, conventions: Conventions, limits: Limits, config: CleanShards
) -> Iterator[tuple[str, float]]:
    parts = Parts(text)
    if "c4" in config.quality:
        yield from c4.document_measures(text, conventions, limits)
    if "fineweb" in config.quality:
        yield from fineweb.measures(parts, conventions)
    if "chinese" in config.quality and conventions is CHINESE and language != "ja":
        yield from chinese.measures(parts)
    if "gopher_quality" in config.quality:
        yield from gopher.quality_measures(parts, conventions, limits)
    if "gopher_repetition" in config.quality:
        yield from gopher.repetition_measures(parts, conventions, limits)


def quality_failures(text: str, language: str, config: CleanShards) -> Iterator[Failure]:
    """Every rule that a text fails, lazily, cheap rules first."""
    if not config.quality:
        return
    conventions = _conventions_of(text, language)
    limits = _limits_of(conventions, language, config)
    if not text.strip():
        yield EMPTY
        return
    for rule, value in _measures(text, language, conventions, limits, config):
        limit = limits.get(rule)
        if limit is not None and (value < limit if "_min_" in rule else value > limit):
            yield Failure(rule, round(value, 4), limit)


def quality_failure(text: str, language: str, config: CleanShards) -> Failure | None:
    """The first rule that a text fails; None if it is kept.

    The text must be the result of `kept_lines`.
    """
    return next(quality_failures(text, language, config), None)
