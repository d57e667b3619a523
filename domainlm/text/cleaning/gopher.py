"""Gopher's rules (Rae et al. 2021) on repetition and likeness to prose.

In: a text as `Parts`, the conventions of its language, the thresholds in force. Out: each rule's name and measured
value, lazily, so that the first failure ends the work. If a cheap bound shows that a measure is within its threshold,
it is neither computed nor yielded: almost no document needs the six passes over its runs of 5 to 10 words. Runs are
counted as datatrove does (from left to right; a counted run is skipped), not as the union of all repeated runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from domainlm.text.characters import mean_cjk_run
from domainlm.text.cleaning.conventions import Conventions
from domainlm.text.cleaning.parts import Parts, duplicated

# by length in words
TOP_RULES = {size: f"gopher_max_top_{size}gram_share" for size in (2, 3, 4)}
DUPLICATE_RULES = {size: f"gopher_max_duplicate_{size}gram_share" for size in (5, 6, 7, 8, 9, 10)}
SHORTEST, LONGEST = min(DUPLICATE_RULES), max(DUPLICATE_RULES)
Limits = Mapping[str, float]


def repetition_measures(parts: Parts, conventions: Conventions, limits: Limits) -> Iterator[tuple[str, float]]:
    chars = len(parts.text)
    for name, pieces in (("paragraph", parts.paragraphs), ("line", parts.lines)):
        count, repeated_chars = duplicated(pieces)
        yield f"gopher_max_duplicate_{name}_share", count / len(pieces)
        yield f"gopher_max_duplicate_{name}_char_share", repeated_chars / chars
    yield from _top_shares(parts, conventions, limits)
    yield from _duplicate_shares(parts, conventions, limits)


def _top_shares(parts: Parts, conventions: Conventions, limits: Limits) -> Iterator[tuple[str, float]]:
    """Share of the characters in the most frequent run of n words.

    Of several such runs, the first counts.
    """
    tokens, chars = parts.tokens, len(parts.text)
    # Chinese has no space between words
    gap = 0 if conventions.is_unspaced else 1
    most, heaviest = 0, parts.heaviest(gap)
    for size, name in TOP_RULES.items():
        length = conventions.grams[size]
        # a run takes up no more than its words do
        if name not in limits or len(tokens) < length or length * heaviest <= limits[name] * chars:
            continue
        top = tuple(tokens[:length])
        # a longer run is no more frequent than a shorter one, and where none is there twice, the first one counts
        bound = max(most * length * (parts.longest_repeated + gap), sum(map(len, top)) + gap * (length - 1))
        if most > 1 and bound <= limits[name] * chars:
            continue
        if most != 1:
            counts = Counter(zip(*(tokens[offset:] for offset in range(length)), strict=False))
            most = max(counts.values())
            top = next(run for run, count in counts.items() if count == most)
        yield name, most * (sum(map(len, top)) + gap * (length - 1)) / chars


def _duplicate_shares(parts: Parts, conventions: Conventions, limits: Limits) -> Iterator[tuple[str, float]]:
    """Share of the characters in runs of n words that came before."""
    tokens, chars = parts.tokens, len(parts.text)
    shortest = conventions.grams[SHORTEST]
    # hashes only choose what is looked at: two runs of one hash cost time, and change nothing
    hashes = list(map(hash, zip(*(tokens[offset:] for offset in range(shortest)), strict=False)))
    repeats = len(hashes) - len(set(hashes))
    if repeats == 0:
        return
    # a longer run repeats only where its beginning does
    bound = repeats * conventions.grams[LONGEST] * parts.longest_repeated / chars
    wanted = [size for size, name in DUPLICATE_RULES.items() if name in limits and bound > limits[name]]
    if not wanted:
        return
    counts = Counter(hashes)
    starts = [index for index, value in enumerate(hashes) if counts[value] > 1]
    for size in wanted:
        length = conventions.grams[size]
        seen: set[tuple[str, ...]] = set()
        repeated_chars = free_from = 0
        for start in starts:
            if start < free_from or start + length > len(tokens):
                continue
            run = tuple(tokens[start : start + length])
            if run in seen:
                repeated_chars += sum(map(len, run))
                free_from = start + length
            else:
                seen.add(run)
        yield DUPLICATE_RULES[size], repeated_chars / chars


def quality_measures(parts: Parts, conventions: Conventions, limits: Limits) -> Iterator[tuple[str, float]]:
    text, lines = parts.text, parts.lines
    yield "gopher_min_words", parts.words
    yield "gopher_max_words", parts.words
    if "gopher_min_mean_word_chars" in limits or "gopher_max_mean_word_chars" in limits:
        # a Chinese word has no visible end: the length of what stands between marks takes its place
        mean = mean_cjk_run(text) if conventions.is_unspaced else parts.mean_word_chars
        yield "gopher_min_mean_word_chars", mean
        yield "gopher_max_mean_word_chars", mean
    count = len(parts.tokens)
    yield "gopher_max_hash_share", text.count("#") / count
    yield "gopher_max_ellipsis_share", sum(parts.counts[mark] for mark in conventions.ellipses) / count
    yield "gopher_max_bullet_line_share", sum(x.lstrip().startswith(conventions.bullets) for x in lines) / len(lines)
    yield "gopher_max_ellipsis_line_share", sum(x.endswith(conventions.ellipses) for x in lines) / len(lines)
    yield "gopher_min_alphabetic_word_share", parts.alphabetic / count
    yield "gopher_min_stop_words", sum(word in parts.counts for word in conventions.stop_words)
