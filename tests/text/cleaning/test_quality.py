from __future__ import annotations

import random
from typing import get_args

import pytest
from pydantic import ValidationError

from domainlm.config.cleaning import CleanShards, QualityRule, QualitySet
from domainlm.text.cleaning.conventions import CHINESE, ENGLISH
from domainlm.text.cleaning.quality import kept_lines, quality_failure, quality_failures

PROSE = (
    "The lung is an organ of the chest that takes up oxygen from the air and gives off carbon dioxide. "
    "It has five lobes, three of them on the right side and two on the left. "
    "Air comes to it by the windpipe, which divides into bronchi and then into ever smaller tubes. "
    "At their ends lie the alveoli, and around these runs a net of capillaries with thin walls. "
    "Disease of these walls makes breathing hard. "
    "Physicians listen to the chest first, and then have a picture taken."
)
CHINESE_PROSE = (
    "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽和咳痰，严重的会出现呼吸困难。医生先听诊胸部，再为患者拍摄胸片。"
    "治疗以抗感染为主，同时要保证休息与饮水，对老人和儿童更应当及早就诊。轻症在门诊治疗，重症就要住院观察。"
    "多数患者在两周之内好转，但也有人因为基础疾病而恢复较慢。接种疫苗可以减少发病，是有效的预防办法。"
)
ALL = list(get_args(QualitySet))
PUBLISHED = ["gopher_repetition", "gopher_quality", "c4", "fineweb"]


def reason(text: str, *sets: str, language: str = "en", **thresholds: float | None) -> str:
    config = CleanShards.model_validate({"quality": list(sets), "quality_thresholds": thresholds})
    failure = quality_failure(text, language, config)
    return failure.reason if failure else ""


def test_every_rule_has_a_threshold() -> None:
    assert set(ENGLISH.thresholds) <= set(CHINESE.thresholds) == set(get_args(QualityRule))
    assert all(("_min_" in rule) != ("_max_" in rule) for rule in get_args(QualityRule))


@pytest.mark.parametrize(("text", "language"), [(PROSE, "en"), (CHINESE_PROSE, "zh"), (CHINESE_PROSE, "und")])
def test_prose_is_kept_as_it_is(text: str, language: str) -> None:
    config = CleanShards(quality=ALL)
    assert kept_lines(text, language, config) == text
    assert list(quality_failures(text, language, config)) == []


def test_nothing_is_judged_by_default() -> None:
    assert kept_lines("no end", "en", CleanShards()) == "no end"
    assert quality_failure("", "en", CleanShards()) is None


@pytest.mark.parametrize("language", ["en", "zh", "ja", "de", "und", ""])
@pytest.mark.parametrize("text", ["", " ", "\u3000", "。", "x", "\n\n", "…", "肺", "#", "a\n\nb", "1 2 3"])
def test_any_text_has_a_verdict(text: str, language: str) -> None:
    config = CleanShards(quality=ALL)
    assert quality_failure(kept_lines(text, language, config), language, config) is not None


def test_chinese_fails_where_it_is_judged_as_english() -> None:
    assert reason(CHINESE_PROSE, *PUBLISHED, language="en")
    assert not reason(CHINESE_PROSE, *PUBLISHED, language="zh")


def test_stop_words_are_asked_for_only_where_the_language_has_a_list() -> None:
    words = ["Lunge", "Atem", "Herz", "Blut", "Knochen", "Muskel", "Nerv", "Haut"]
    text = " ".join(random.Random(3).choices(words, k=90)) + "."
    assert reason(text, "gopher_quality", language="en") == "gopher_min_stop_words"
    assert reason(text, "gopher_quality", language="de") == ""


def test_a_threshold_is_replaced_or_a_rule_is_off() -> None:
    assert reason("The lung of the chest and the heart.", "gopher_quality") == "gopher_min_words"
    assert reason("The lung of the chest and the heart.", "gopher_quality", gopher_min_words=5) == ""
    assert reason("The lung of the chest and the heart.", "gopher_quality", gopher_min_words=None) == ""
    with pytest.raises(ValidationError, match="c4_min_sentences in quality_thresholds is of a rule set"):
        reason("x", "fineweb", c4_min_sentences=2)


def test_a_failure_says_value_and_threshold_and_the_first_one_decides() -> None:
    config = CleanShards(quality=["gopher_quality", "fineweb"])
    found = list(quality_failures("buy\nbuy\nbuy", "en", config))
    assert [(x.reason, x.value, x.threshold) for x in found[:2]] == [
        ("fineweb_min_line_end_share", 0.0, 0.12),
        ("fineweb_max_short_line_share", 1.0, 0.67),
    ]
    assert quality_failure("buy\nbuy\nbuy", "en", config) == found[0]
    assert "gopher_min_words" in {x.reason for x in found}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "text", ["." * 100_000, "[" * 100_000, "! " * 50_000, "a" * 200_000, "中a" * 50_000, "\n" * 9 + "。”" * 50_000]
)
def test_no_text_takes_long(text: str, language: str) -> None:
    # each takes below 0.3 s; quadratic work on any of them takes minutes
    config = CleanShards(quality=ALL)
    list(quality_failures(kept_lines(text, language, config) or text, language, config))
