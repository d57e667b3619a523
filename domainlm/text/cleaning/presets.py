"""Named choices of quality rules, one for each kind of text.

In: the section `clean_shards`, the name of a source. Out: the rule sets and thresholds that its documents are judged
by. The published sets were made for crawls: C4 removes every line that does not end as a sentence does, hence headings,
commands and code of a manual, clauses of a statute and half of a dialogue, and refuses what has fewer than five
sentences. The rule sets of the other kinds have only what is bad in that kind, too: text that repeats itself, marks
instead of words. Of a manual the lines of prose are judged (`prose.py`), and the code stays. What each of them keeps
and rejects: benchmarks/text/cleaning_presets.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.config.cleaning import CleanShards, PresetName, QualityRule, QualitySet

_SHORT: dict[QualityRule, float | None] = {
    # sections, clauses and turns may be short; a run of words is a large share of a short text, said once or twice
    "gopher_min_words": None,
    "gopher_min_stop_words": None,
    "gopher_max_top_2gram_share": None,
    "gopher_max_top_3gram_share": None,
    "gopher_max_top_4gram_share": None,
    # lists, options, numbered clauses, ruled lines
    "gopher_max_bullet_line_share": None,
    "gopher_min_alphabetic_word_share": 0.4,
    "gopher_min_mean_word_chars": 2,
    "gopher_max_mean_word_chars": 12,
    "chinese_min_function_share": 0.03,
    "chinese_max_symbol_share": 0.15,
    "chinese_max_spaced_share": 0.15,
}
# twice the published share: terms of law, options of commands and the names of speakers recur word for word
_FORMULAIC: dict[QualityRule, float | None] = {
    "gopher_max_duplicate_5gram_share": 0.30,
    "gopher_max_duplicate_6gram_share": 0.28,
    "gopher_max_duplicate_7gram_share": 0.26,
    "gopher_max_duplicate_8gram_share": 0.24,
    "gopher_max_duplicate_9gram_share": 0.22,
    "gopher_max_duplicate_10gram_share": 0.20,
}
_OWN_SETS: tuple[QualitySet, ...] = ("gopher_repetition", "gopher_quality", "chinese")


@dataclass(frozen=True)
class Preset:
    """Rule sets, and the thresholds that replace theirs.

    is_prose_judged: the rules look at the lines of prose only.
    """

    sets: tuple[QualitySet, ...]
    thresholds: Mapping[QualityRule, float | None]
    is_prose_judged: bool = False


PRESETS: dict[PresetName, Preset] = {
    "crawl": Preset(("gopher_repetition", "gopher_quality", "c4", "fineweb", "chinese"), {}),
    "manual": Preset(_OWN_SETS, {**_SHORT, **_FORMULAIC, "gopher_max_hash_share": None}, is_prose_judged=True),
    "statute": Preset(_OWN_SETS, {**_SHORT, **_FORMULAIC}),
    "dialogue": Preset(
        _OWN_SETS,
        {
            **_SHORT,
            **_FORMULAIC,
            # short answers, and pauses
            "gopher_max_duplicate_line_share": None,
            "gopher_max_duplicate_paragraph_share": None,
            "gopher_max_ellipsis_line_share": None,
            "chinese_max_exclamation_share": 0.1,
        },
    ),
}


@dataclass(frozen=True)
class Judged:
    """The section with the quality rules of one source."""

    section: CleanShards
    is_prose_judged: bool


def judged_by(config: CleanShards, source: str) -> Judged:
    """How the documents of a source are judged.

    Thresholds of the configuration replace those of a preset.
    """
    name = config.source_presets.get(source, config.preset)
    if name is None:
        return Judged(config, False)
    preset = PRESETS[name]
    thresholds = {**preset.thresholds, **config.quality_thresholds}
    section = config.model_copy(update={"quality": list(preset.sets), "quality_thresholds": thresholds})
    return Judged(section, preset.is_prose_judged)
