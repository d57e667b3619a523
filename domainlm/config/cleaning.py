"""The section of clean_shards, and the names of its parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.config.section import Name, Share, Slice, Strict, derived, own
from domainlm.config.sources import PolicyRule

PresetName = Literal["crawl", "manual", "statute", "dialogue"]
QualitySet = Literal["gopher_repetition", "gopher_quality", "c4", "fineweb", "chinese"]
# fmt: off
QualityRule = Literal[
    "gopher_max_duplicate_line_share", "gopher_max_duplicate_line_char_share", "gopher_max_duplicate_paragraph_share",
    "gopher_max_duplicate_paragraph_char_share", "gopher_max_top_2gram_share", "gopher_max_top_3gram_share",
    "gopher_max_top_4gram_share", "gopher_max_duplicate_5gram_share", "gopher_max_duplicate_6gram_share",
    "gopher_max_duplicate_7gram_share", "gopher_max_duplicate_8gram_share", "gopher_max_duplicate_9gram_share",
    "gopher_max_duplicate_10gram_share", "gopher_min_words", "gopher_max_words", "gopher_min_mean_word_chars",
    "gopher_max_mean_word_chars", "gopher_max_hash_share", "gopher_max_ellipsis_share", "gopher_max_bullet_line_share",
    "gopher_max_ellipsis_line_share", "gopher_min_alphabetic_word_share", "gopher_min_stop_words", "c4_min_line_end_marks",
    "c4_min_line_words", "c4_max_word_chars", "c4_max_line_javascript", "c4_max_line_policy", "c4_max_lorem_ipsum",
    "c4_max_curly_brackets", "c4_min_sentences", "fineweb_min_line_end_share", "fineweb_max_short_line_share",
    "fineweb_max_duplicate_line_char_share", "fineweb_max_lines_per_word", "chinese_min_function_share",
    "chinese_max_exclamation_share", "chinese_max_symbol_share", "chinese_max_spaced_share",
]
# fmt: on


# keep: count the find only; mask: replace it by the name of its kind; drop: reject the document
Treatment = Literal["keep", "mask", "drop"]


class PersonalData(Strict):
    email: Treatment = Field("keep", description="e-mail addresses")
    phone: Treatment = Field("keep", description="phone numbers, international and of China and North America")
    ip: Treatment = Field("keep", description="public IP addresses")
    chinese_id: Treatment = Field(
        "keep", description="Chinese identity numbers of 18 characters, with a valid check digit"
    )
    mobile: Treatment = Field("keep", description="Chinese mobile numbers")
    bank_card: Treatment = Field("keep", description="bank card numbers, with a valid check digit")


class WordList(Strict):
    """Words of a domain, and the consequence of their presence.

    The resolver replaces a file's name by its words.
    """

    file: str | None = Field(
        None,
        description="UTF-8 text file, relative to the project: one word or phrase a line, # begins a comment",
        json_schema_extra={"format": "path"},
    )
    words: list[str] = Field([], description="words or phrases, in addition to those of the file")
    treatment: Treatment = Field("drop", description="keep (count only), mask, or drop the document")
    min_matches: int = Field(1, ge=1, description="drop: minimum number of matches in a document")


class CleanShards(Strict):
    min_chars: int = Field(
        40, ge=0, description="shorter documents are rejected, in characters, of which kana, Han and Hangul count twice"
    )
    max_chars: int = Field(200_000, ge=1, description="longer documents are rejected, in characters")
    min_letter_share: Share = Field(
        0.5, description="minimum share of letters among visible characters, of the text or of its prose"
    )
    max_repeated_line_share: Share = Field(0.3, description="maximum share of duplicate lines, code and data apart")
    max_top_word_share: Share = Field(0.3, description="maximum share of one word among all words (from 20 words on)")
    preset: PresetName | None = Field(
        None,
        description="quality rules for one kind of text: crawl, manual, statute, dialogue (null: the rule sets of quality)",
    )
    source_presets: dict[Name, PresetName] = Field(
        {}, description="presets of single sources, by the source's name; the others have preset, or quality"
    )
    quality: list[QualitySet] = Field(
        [],
        description="rule sets: gopher_repetition, gopher_quality, c4, fineweb (as published); chinese (written for domainlm)",
    )
    quality_thresholds: dict[QualityRule, float | None] = Field(
        {}, description="thresholds that replace the published ones, by rule (null: the rule is off)"
    )
    is_mojibake_repaired: bool = Field(True, description="repair lines that were decoded by the wrong character set")
    has_ascii_width: bool = Field(
        False, description="convert full-width letters, digits and signs to ASCII (not Chinese punctuation)"
    )
    script: Literal["keep", "simplified", "traditional"] = Field(
        "keep", description="script that Chinese text is converted to"
    )
    repeated_lines: Literal["keep", "drop"] = Field(
        "keep", description="treatment of lines and blocks that repeat earlier ones of the document: keep, drop"
    )
    languages: list[Annotated[str, Field(pattern=r"^([a-z]{2}|und)$")]] = Field(
        [], description="languages to keep, ISO 639-1; und: not detected ([]: all)"
    )
    min_han_share: Share = Field(0.0, description="minimum share of Han characters among the letters")
    max_han_share: Share = Field(1.0, description="maximum share of Han characters among the letters")
    personal_data: PersonalData = Field(
        PersonalData(), description="treatment of personal data, by kind: keep, mask, drop"
    )
    secrets: Treatment = Field("keep", description="treatment of keys, tokens and passwords: keep, mask, drop")
    word_lists: dict[Name, WordList] = Field({}, description="word lists by which documents are dropped or masked")

    @model_validator(mode="after")
    def _thresholds_of_chosen_sets(self) -> CleanShards:
        if self.preset is not None and self.quality:
            raise ValueError(
                f"preset {self.preset} names rule sets, and so does quality {list(self.quality)}; remove one of them, or give the "
                "preset to single sources by source_presets"
            )
        for rule in self.quality_thresholds if not (self.preset or self.source_presets) else ():
            if not any(name.startswith(rule.split("_")[0]) for name in self.quality):
                raise ValueError(
                    f"{rule} in quality_thresholds is of a rule set that is not in quality; add the set there"
                )
        return self


class CleanShardsSlice(Slice):
    section: CleanShards
    policy: list[PolicyRule] = own("policy")
    has_corpus: bool = derived("sources", True)
    min_instruction_share: float = own("documents.min_instruction_share", 0.0)


class CleanShardsShardSlice(Slice):
    """The values of one shard.

    Nothing is cleaned again where only what stops a build changes.
    """

    section: CleanShards
    policy: list[PolicyRule] = own("policy")
