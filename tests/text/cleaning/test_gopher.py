from __future__ import annotations

import random

import pytest

from domainlm.text.cleaning.conventions import CHINESE, ENGLISH, Conventions
from domainlm.text.cleaning.gopher import quality_measures, repetition_measures
from domainlm.text.cleaning.parts import Parts

WORDS = ["aa", "bbb", "cccc", "of", "the", "to", "dddd", "eeeee", "f", "gg", "hhh", "iiii"]


def measured(text: str, conventions: Conventions = ENGLISH) -> dict[str, float]:
    """Every measure: thresholds that nothing is within."""
    limits = dict.fromkeys(conventions.thresholds, -1.0)
    parts = Parts(text)
    return {
        **dict(quality_measures(parts, conventions, limits)),
        **dict(repetition_measures(parts, conventions, limits)),
    }


def test_repeated_lines_and_paragraphs() -> None:
    found = measured("one two\n\none two\n\nthree four\nfive")
    assert found["gopher_max_duplicate_paragraph_share"] == pytest.approx(1 / 3)
    assert found["gopher_max_duplicate_paragraph_char_share"] == pytest.approx(7 / 33)
    assert found["gopher_max_duplicate_line_share"] == pytest.approx(1 / 4)
    assert found["gopher_max_duplicate_line_char_share"] == pytest.approx(7 / 33)


def test_most_frequent_runs() -> None:
    text = "the lung of the heart of the lung of the"
    found = measured(text)
    # "of the" three times, "lung of the" twice and first among those
    assert found["gopher_max_top_2gram_share"] == pytest.approx(3 * len("of the") / len(text))
    assert found["gopher_max_top_3gram_share"] == pytest.approx(2 * len("the lung of") / len(text))
    # no run twice: the first one
    assert measured("a b c d e")["gopher_max_top_2gram_share"] == pytest.approx(3 / 9)
    assert measured("中文字没有空格", CHINESE)["gopher_max_top_2gram_share"] == pytest.approx(3 / 7)


def test_repeated_runs_are_counted_once() -> None:
    text = "a b c d e a b c d e a b c d e"
    found = measured(text)
    assert found["gopher_max_duplicate_5gram_share"] == pytest.approx(10 / len(text))
    assert found["gopher_max_duplicate_6gram_share"] == pytest.approx(6 / len(text))
    assert found["gopher_max_duplicate_10gram_share"] == pytest.approx(10 / len(text))


def naive_duplicate_share(text: str, size: int) -> float:
    words = text.split()
    seen: set[tuple[str, ...]] = set()
    chars = index = 0
    while index + size <= len(words):
        run = tuple(words[index : index + size])
        if run in seen:
            chars += sum(map(len, run))
            index += size
        else:
            seen.add(run)
            index += 1
    return chars / len(text)


def naive_top_share(text: str, size: int) -> float:
    words = text.split()
    counts: dict[str, int] = {}
    for index in range(len(words) - size + 1):
        run = " ".join(words[index : index + size])
        counts[run] = counts.get(run, 0) + 1
    most = max(counts.values(), default=0)
    return next((most * len(run) / len(text) for run, count in counts.items() if count == most), 0.0)


def test_the_bounds_change_no_verdict() -> None:
    source = random.Random(7)
    failed = {name: 0 for name in ENGLISH.thresholds}
    for _ in range(400):
        words = source.choices(WORDS, k=source.randint(1, 60))
        for _ in range(source.randint(0, 3)):
            at = source.randrange(len(words))
            words[at:at] = words[at : at + source.randint(2, 12)]
        rare = [f"x{source.random()}".replace(".", "") for _ in range(source.choice((0, 1, 3, 40, 90)))]
        text = " ".join([*words, *rare] if source.random() < 0.5 else [*rare, *words])
        found = dict(repetition_measures(Parts(text), ENGLISH, ENGLISH.thresholds))
        for size in range(2, 11):
            name = f"gopher_max_{'top' if size < 5 else 'duplicate'}_{size}gram_share"
            expected = (naive_top_share if size < 5 else naive_duplicate_share)(text, size)
            limit = ENGLISH.thresholds[name]
            assert (found.get(name, 0.0) > limit) == (expected > limit), (name, text)
            assert name not in found or found[name] == pytest.approx(expected)
            failed[name] += expected > limit
    # each rule both ways, or nothing was shown
    assert all(
        20 < failed[f"gopher_max_{kind}gram_share"] < 380 for kind in ("top_2", "top_4", "duplicate_5", "duplicate_9")
    )


def test_quality() -> None:
    text = "- The lung, of 2 lobes...\n- and # the heart…\nend"
    found = measured(text)
    assert found["gopher_min_words"] == found["gopher_max_words"] == 9
    assert found["gopher_min_mean_word_chars"] == pytest.approx(len("Thelungof2lobesandtheheartend") / 9)
    # the words, two hyphens, comma, number sign, two ellipses
    assert found["gopher_max_hash_share"] == pytest.approx(1 / 15)
    assert found["gopher_max_ellipsis_share"] == pytest.approx(2 / 15)
    assert found["gopher_max_bullet_line_share"] == pytest.approx(2 / 3)
    assert found["gopher_max_ellipsis_line_share"] == pytest.approx(2 / 3)
    assert found["gopher_min_alphabetic_word_share"] == pytest.approx(8 / 15)
    # "the" twice, "of", "and"; "The" is none
    assert found["gopher_min_stop_words"] == 3


def test_quality_in_chinese() -> None:
    found = measured("●肺是人的器官，用 apt 安装。\n他……", CHINESE)
    assert found["gopher_min_words"] == 11
    # 肺是人的器官 | 用 apt 安装 | 他
    assert found["gopher_min_mean_word_chars"] == pytest.approx(10 / 3)
    assert found["gopher_max_bullet_line_share"] == pytest.approx(1 / 2)
    assert found["gopher_max_ellipsis_line_share"] == pytest.approx(1 / 2)
    assert found["gopher_max_ellipsis_share"] == pytest.approx(1 / 15)
    assert found["gopher_min_stop_words"] == 2
