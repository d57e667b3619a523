from __future__ import annotations

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.text.cleaning.plain import plain_failure, repeated_line_share, top_word_share

PROSE = "The lung is an organ of the chest. It takes up oxygen from the air and gives off carbon dioxide."


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
    failure = plain_failure(text, CleanShards())
    assert (failure.reason if failure else None) == reason
    if failure is not None and reason != "empty":
        assert failure.threshold == getattr(CleanShards(), failure.reason)


def test_shares() -> None:
    assert repeated_line_share("a\nb\n\na\n a") == 0.5
    assert top_word_share("one two three") == 0.0
    assert top_word_share("The the " * 10) == 1.0
