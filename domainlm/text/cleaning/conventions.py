"""Conventions of written English and Chinese, with each quality rule's threshold.

In: nothing. Out: one `Conventions` per way of writing. The thresholds of English are the published ones: Gopher (Rae
et al. 2021, table A1 and appendix A), C4 (Raffel et al. 2020, section 2.2, and its reference code), FineWeb (Penedo
et al. 2024). Those of Chinese are such that the same page in both languages gets the same verdict
(benchmarks/text/quality_thresholds.py, 3,800 pages): a word is 1.5 characters, a line 0.4 times as long. Three are from
labelled passages (benchmarks/text/chinese_quality.py): the shares of marks and function words, and the length of text
between marks. A segmenter of Chinese was not chosen: it takes ten times as long as all rules together, and its words
change with its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Conventions:
    """The conventions of one way of writing.

    line_ends: the ends of a line of prose for C4; line_ends_not: the exceptions among them; sentence_marks: the same
    for FineWeb; closing_marks may follow either. grams: length in tokens of a run of n words. thresholds: by rule, as
    in config.QualityRule.
    """

    is_unspaced: bool
    line_ends: tuple[str, ...]
    line_ends_not: tuple[str, ...]
    sentence_marks: tuple[str, ...]
    closing_marks: str
    ellipses: tuple[str, ...]
    bullets: tuple[str, ...]
    sentence_end: re.Pattern[str]
    spaced_word: re.Pattern[str]
    citation: re.Pattern[str]
    policy_phrases: tuple[str, ...]
    stop_words: frozenset[str]
    short_line_chars: int
    grams: Mapping[int, int]
    thresholds: Mapping[str, float]


ENGLISH = Conventions(
    is_unspaced=False,
    line_ends=(".", "?", "!", '"', "'"),
    line_ends_not=("...",),
    sentence_marks=(".", "?", "!", "。", "？", "！", "．", "｡", "‼", "⁇", "⁈", "⁉", "‽"),
    closing_marks="",
    ellipses=("...", "…", "……"),
    bullets=("•", "-"),
    # not behind a single capital: initials
    sentence_end=re.compile(r"(?<![ .][A-Z])(?<![.!?])[.!?]++[\"'”’)\]]*+(?:\s|$)"),
    spaced_word=re.compile(r"\S+"),
    citation=re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]", re.ASCII),
    policy_phrases=(
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "use of cookies",
        "use cookies",
    ),
    stop_words=frozenset(("the", "be", "to", "of", "and", "that", "have", "with")),
    short_line_chars=30,
    grams={n: n for n in range(2, 11)},
    thresholds={
        "gopher_max_duplicate_paragraph_share": 0.30,
        "gopher_max_duplicate_paragraph_char_share": 0.20,
        "gopher_max_duplicate_line_share": 0.30,
        "gopher_max_duplicate_line_char_share": 0.20,
        "gopher_max_top_2gram_share": 0.20,
        "gopher_max_top_3gram_share": 0.18,
        "gopher_max_top_4gram_share": 0.16,
        "gopher_max_duplicate_5gram_share": 0.15,
        "gopher_max_duplicate_6gram_share": 0.14,
        "gopher_max_duplicate_7gram_share": 0.13,
        "gopher_max_duplicate_8gram_share": 0.12,
        "gopher_max_duplicate_9gram_share": 0.11,
        "gopher_max_duplicate_10gram_share": 0.10,
        "gopher_min_words": 50,
        "gopher_max_words": 100_000,
        "gopher_min_mean_word_chars": 3,
        "gopher_max_mean_word_chars": 10,
        "gopher_max_hash_share": 0.1,
        "gopher_max_ellipsis_share": 0.1,
        "gopher_max_bullet_line_share": 0.9,
        "gopher_max_ellipsis_line_share": 0.3,
        "gopher_min_alphabetic_word_share": 0.8,
        "gopher_min_stop_words": 2,
        "c4_max_word_chars": 1000,
        "c4_min_line_end_marks": 1,
        "c4_min_line_words": 3,
        "c4_max_line_javascript": 0,
        "c4_max_line_policy": 0,
        "c4_max_lorem_ipsum": 0,
        "c4_max_curly_brackets": 0,
        "c4_min_sentences": 5,
        "fineweb_min_line_end_share": 0.12,
        "fineweb_max_short_line_share": 0.67,
        "fineweb_max_duplicate_line_char_share": 0.01,
        "fineweb_max_lines_per_word": 0.3,
    },
)

CHINESE = Conventions(
    is_unspaced=True,
    line_ends=("。", "！", "？", "…", "．", "｡", ".", "!", "?"),
    line_ends_not=("...",),
    sentence_marks=("。", "！", "？", "…", "．", "｡", ".", "!", "?"),
    closing_marks="\"'”’」』）)》】〕〉",
    ellipses=("...", "…", "……"),
    bullets=("•", "-", "·", "●", "○", "◆", "◇", "■", "□", "▪", "※", "★", "☆", "▲", "►", "◎"),
    sentence_end=re.compile("[。！？…｡!?]+|\\.(?:\\s|$)"),
    # a line of Chinese is no long word
    spaced_word=re.compile("[!-~]+"),
    citation=re.compile(r"\[\d*\]|\[(?:编辑|編輯|来源请求|來源請求)\]", re.ASCII),
    policy_phrases=(
        "使用条款",
        "使用條款",
        "服务条款",
        "服務條款",
        "隐私政策",
        "隱私政策",
        "隐私权政策",
        "隱私權政策",
        "cookie 政策",
        "cookie政策",
        "使用 cookie",
        "使用cookie",
    ),
    # characters of function words, in both scripts
    stop_words=frozenset("的了是在和有不这這以对對为為与與中也就而及其"),
    short_line_chars=12,
    grams={n: n * 3 // 2 for n in range(2, 11)},
    thresholds={
        **ENGLISH.thresholds,
        "gopher_min_words": 75,
        "gopher_max_words": 150_000,
        # of what stands between marks and spaces: 7 to 9 in prose
        "gopher_min_mean_word_chars": 4,
        "gopher_max_mean_word_chars": 20,
        # more marks: technical prose with quoted names goes down to 0.7
        "gopher_min_alphabetic_word_share": 0.7,
        "gopher_min_stop_words": 3,
        "c4_min_line_words": 5,
        "fineweb_max_lines_per_word": 0.2,
        # not published: those of text/cleaning/chinese.py
        "chinese_min_function_share": 0.1,
        "chinese_max_exclamation_share": 0.03,
        "chinese_max_symbol_share": 0.045,
        "chinese_max_spaced_share": 0.03,
    },
)
