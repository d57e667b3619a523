from __future__ import annotations

import json
from dataclasses import replace

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import failure_of, repeated_line_share, top_word_share, with_strings
from domainlm.text.document import Document

PROSE = "The lung is an organ of the chest. It takes up oxygen from the air and gives off carbon dioxide."
DOCUMENT = Document("1", "s", "corpus", "p", "", 0, 1, "g", "[]", "T", PROSE, "{}", "l", "a", "s")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE, None),
        ("肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰，严重者呼吸困难，治疗以抗感染为主。", None),
        ("", "empty"),
        ("Too short.", "min_chars"),
        ("word " * 50_000, "max_chars"),
        ("1.234 5.678 9.012 | 3.456 7.890 | 1.234 5.678 x", "min_letter_share"),
        ("Accept all cookies now.\n" * 6, "max_repeated_line_share"),
        ("buy " * 15 + "these five other words here and there", "max_top_word_share"),
        ("肺" * 60, "max_top_word_share"),
    ],
)
def test_rules(text: str, reason: str | None) -> None:
    failure = failure_of(replace(DOCUMENT, text=text), CleanShards())
    assert (failure.reason if failure else None) == reason
    if failure is not None and reason != "empty":
        assert failure.threshold == getattr(CleanShards(), failure.reason)


@pytest.mark.parametrize("role", ["instruction", "evaluation"])
def test_roles_that_are_taken_as_they_are(role: str) -> None:
    assert failure_of(replace(DOCUMENT, role=role, text="Yes."), CleanShards()) is None
    failure = failure_of(replace(DOCUMENT, role=role, text=""), CleanShards())
    assert failure is not None
    assert failure.reason == "empty"


def test_text_and_meta_are_normalised_alike() -> None:
    meta = json.dumps({"definition": "Cafe\u0301\u00a0au lait", "synonyms": ["a\u200bb"], "children_count": 2})
    read = replace(DOCUMENT, title="Spot\u00a0x", text="Spot\u00a0x\n\nCafe\u0301\u00a0au lait", meta=meta)
    found = with_strings(read, normalised)
    assert found.title == "Spot x"
    assert json.loads(found.meta) == {"definition": "Café au lait", "synonyms": ["ab"], "children_count": 2}
    assert json.loads(found.meta)["definition"] in found.text


def test_shares() -> None:
    assert repeated_line_share("a\nb\n\na\n a") == 0.5
    assert top_word_share("one two three") == 0.0
    assert top_word_share("The the " * 10) == 1.0
