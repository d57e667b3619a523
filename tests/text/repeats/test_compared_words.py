from __future__ import annotations

import pytest

from domainlm.text.characters import words
from domainlm.text.repeats.compared_words import compared_words
from domainlm.text.repeats.duplicates import RepeatFinder
from domainlm.text.repeats.evaluation_texts import EvaluationTexts

FRAME = "Rule of the ward. Call the doctor at once where it says {} here, write the value into the chart, and stop the infusion."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sodium > 120 or < 5", "sodium > 120 or < 5"),
        ("x - 3 = 7, x / 3, x * y", "x - 3 = 7 x / 3 x * y"),
        ("5·10⁻³ mol and 10^-6", "5 10 ^ - 3 mol and 10 ^ - 6"),
        ("m² and CO₂", "m ^ 2 and co2"),
        ("C++, C# and C", "c ++ c # and c"),
        ("s += x; s *= x; a != b", "s += x s *= x a != b"),
        ("+5, −5, -5 and 5", "+ 5 - 5 - 5 and 5"),
        ("Na+, (+) and CD4+", "na + + and cd4 +"),
        ("½ or ¼, 5 ‰, 5 €, ±2 ℃", "½ or ¼ 5 ‰ 5 € ± 2 ℃"),
        ("from 1-2 or 1/2, 90 / 60", "from 1 - 2 or 1 / 2 90 / 60"),
        ("if (!ready && done) -> next", "if ! ready && done -> next"),
        ("＜５ ＋", "< ５ +"),
    ],
)
def test_signs_that_tell_are_words(text: str, expected: str) -> None:
    assert compared_words(text) == expected.split(" ")


@pytest.mark.parametrize(
    "text",
    [
        "The well-known COVID-19 ward, and/or the HLA-B27 test (km/h): 50% of $5! “Yes” – no… it’s 1.5 or 1,000.",
        "# Title #\n\n- one\n* two\n+ three\n\n> **quoted** *text* `code`\n> > twice\n\n| a | b |\n|---|---|\n==========\n~~~~",
        "Smith@x.org; AT&T's [12] {see} http://a.org/b#c ~ _so_ ☆ • · ",
        "肺炎是MRI可见的。",
        "ผู้ป่วย",
        "",
    ],
)
def test_prose_and_layout_have_the_words_that_they_have_elsewhere(text: str) -> None:
    assert compared_words(text) == words(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x > 120", "x < 120"),
        ("x > 120", "x ≥ 120"),
        ("a change of +5", "a change of −5"),
        ("a change of +5", "a change of -5"),
        ("x - 3 = 7", "x + 3 = 7"),
        ("x - 3 = 7", "x / 3 = 7"),
        ("x * y = 7", "x - y = 7"),
        ("5·10⁻³ mol", "5·10⁻⁶ mol"),
        ("10^3 cells", "10^-3 cells"),
        ("10⁵ cells", "105 cells"),
        ("20 m²", "20 m³"),
        ("½ tablet", "¼ tablet"),
        ("1/2 tablet", "1-2 tablet"),
        ("C++ code", "C# code"),
        ("C# code", "C code"),
        ("F# code", "F code"),
        ("s += x", "s *= x"),
        ("i++ now", "i-- now"),
        ("a == b", "a != b"),
        ("(ready)", "(!ready)"),
        ("a && b", "a || b"),
        ("a & b", "a | b"),
        ("5 %", "5 ‰"),
        ("5 $", "5 €"),
        ("37 ℃", "37 ℉"),
        ("Rh+ blood", "Rh- blood"),
        ("potassium ↑", "potassium ↓"),
        ("stage Ⅱ", "stage Ⅲ"),
        ("♀ patients", "♂ patients"),
        ("✓ latex", "✗ latex"),
        ("A ⊂ B", "A ⊃ B"),
    ],
)
def test_texts_that_differ_in_a_sign_are_both_kept(one: str, other: str) -> None:
    found = RepeatFinder(112, 0.8, 5, EvaluationTexts(0.5, 5))
    assert found.repeated("a", FRAME.format(one)) is None
    assert found.repeated("b", FRAME.format(other)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10⁻³ mol", "10^-3 mol"),
        ("minus −5", "minus -5"),
        ("from 5–10", "from 5-10"),
        ("“quoted” text", '"quoted" text'),
        ("the ward — which", "the ward - which"),
    ],
)
def test_texts_that_differ_in_how_a_sign_is_written_are_one(one: str, other: str) -> None:
    found = RepeatFinder(112, 0.8, 5, EvaluationTexts(0.5, 5))
    assert found.repeated("a", FRAME.format(one)) is None
    repeat = found.repeated("b", FRAME.format(other))
    assert repeat is not None
    assert (repeat.duplicate_of, repeat.similarity) == ("a", 1.0)


@pytest.mark.parametrize(
    "part", ["+", "-", "> ", ">\n", "= ", "⁻", "a-", "1/", "1 - ", "* ", "!", "<!-", "ก", "က္", "1 "]
)
def test_no_text_takes_long(part: str) -> None:
    # quadratic work takes minutes
    assert isinstance(compared_words(part * 100_000 + "+"), list)
