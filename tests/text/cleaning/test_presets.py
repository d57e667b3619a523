from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from domainlm.config.cleaning import CleanShards, PresetName, QualityRule
from domainlm.text.cleaning.clean import Cleaned, cleaned, rules_of
from domainlm.text.cleaning.conventions import CHINESE
from domainlm.text.cleaning.presets import PRESETS, judged_by
from domainlm.text.document import Document

MANUAL = """# Retry

The client tries again three times

```c
if (q == NULL) {
    return -1;
}
if (r == NULL) {
    return -1;
}
if (s == NULL) {
    return -1;
}
```"""
STATUTE = """§ 4 Records

(1) The operator keeps a record of
(a) each test of the device;
(b) each fault of the device;
(c) each repair of the device.
(2) The record is kept for five years."""
CHINESE_STATUTE = "第四条　经营者应当建立记录制度，记录下列事项：\n（一）设备的检验情况；\n（二）设备的故障情况；\n（三）设备的维修情况。"
DIALOGUE = """Doctor: Where does it hurt?
Patient: Here, on the left.
Doctor: And when I press here?
Patient: No.
Doctor: And here?
Patient: No.
Doctor: Here?
Patient: Ow. Yes..."""
SPAM = "buy cheap pills " * 9 + "online"
MENU = "Home | About | Contact\nSign in | Register\n" * 2
SALAD = "» » 1 2 3 4 5 6 7 8 9 10 » next | prev | top | © 2014 | 12:45 | 33 | 55 | 102 | 88"
DOCUMENT = Document("1", "s", "corpus", "p", "", 0, 1, "g", "[]", "T", "", "{}", "l", "a", "s")


def verdict(text: str, source: str = "s", **section: Any) -> str:
    """The rule that a text fails; empty where it is kept as it is."""
    found = cleaned(replace(DOCUMENT, text=text, source=source), rules_of(CleanShards.model_validate(section)))
    if isinstance(found, Cleaned):
        return "" if found.document.text == text.strip() else "changed"
    return found.reason


def test_every_preset_has_rules_that_exist() -> None:
    assert set(PRESETS) == set(get_args(PresetName))
    for preset in PRESETS.values():
        assert set(preset.thresholds) <= set(get_args(QualityRule))
        assert all(rule.split("_")[0] in {name.split("_")[0] for name in preset.sets} for rule in preset.thresholds)


@pytest.mark.parametrize(
    ("text", "preset"),
    [(MANUAL, "manual"), (STATUTE, "statute"), (CHINESE_STATUTE, "statute"), (DIALOGUE, "dialogue")],
)
def test_each_kind_is_kept_by_its_own_preset_and_lost_by_that_of_crawls(text: str, preset: str) -> None:
    assert verdict(text) == ""
    assert verdict(text, preset=preset) == ""
    assert verdict(text, preset="crawl")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("text", [SPAM, MENU, SALAD])
def test_no_preset_keeps_what_is_no_text(text: str, preset: str) -> None:
    assert verdict(text, preset=preset, max_top_word_share=1.0, max_repeated_line_share=1.0, min_letter_share=0.0)


def test_of_a_manual_the_prose_is_judged_and_the_code_stays() -> None:
    prose = "The queue is read until it is empty, and the loop ends.\n\n"
    code = "```\n" + "for (;;) read(fd); if (done) break;\n" * 9 + "```"
    assert verdict(prose + code, preset="manual") == ""
    assert verdict(prose + code, preset="statute") == "gopher_max_duplicate_line_share"
    # code by itself is not judged
    assert verdict(code, preset="manual") == ""


def test_a_source_has_a_preset_of_its_own() -> None:
    section = {"source_presets": {"manuals": "manual"}, "quality": ["c4"]}
    assert verdict(MANUAL, "manuals", **section) == ""
    assert verdict(MANUAL, "pages", **section)
    assert verdict(MANUAL, "manuals", source_presets={"manuals": "manual"}, preset="crawl") == ""
    assert verdict(MANUAL, "pages", source_presets={"manuals": "manual"}, preset="crawl")


def test_thresholds_of_the_domain_replace_those_of_a_preset() -> None:
    assert verdict(STATUTE, preset="statute", quality_thresholds={"gopher_min_words": 500}) == "gopher_min_words"
    judged = judged_by(CleanShards(preset="statute"), "s")
    assert judged.section.quality_thresholds["gopher_min_words"] is None
    assert CHINESE.thresholds["gopher_min_words"] == 75


def test_a_preset_and_rule_sets_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match=r"preset manual names rule sets, and so does quality \['c4'\]"):
        CleanShards.model_validate({"preset": "manual", "quality": ["c4"]})
