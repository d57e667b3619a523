from __future__ import annotations

import pytest

from domainlm.text.cleaning.c4 import document_measures, lines_kept
from domainlm.text.cleaning.conventions import CHINESE, ENGLISH


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("The lung is an organ.", "The lung is an organ."),
        ('He said: "It is an organ."', 'He said: "It is an organ."'),
        ("  The lung is an organ!", "  The lung is an organ!"),
        ("The lung is an organ [12].", "The lung is an organ ."),
        ("The lung is an organ. [3]", "The lung is an organ."),
        ("The lung is an organ", None),
        ("The lung is an organ...", None),
        ("Read more.", None),
        ("Please enable JavaScript to read this page.", None),
        ("We use cookies to give you more of them.", None),
        (f"See {'x' * 1001} for the rest.", None),
    ],
)
def test_lines(line: str, kept: str | None) -> None:
    text = f"First of all lines.\n\n{line}\n\nLast of all lines."
    expected = (
        f"First of all lines.\n\n{kept}\n\nLast of all lines." if kept else "First of all lines.\n\nLast of all lines."
    )
    assert lines_kept(text, ENGLISH, ENGLISH.thresholds) == expected


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("肺是人体的器官。", True),
        ("他说：“肺是人体的器官。”", True),
        ("肺是人体的器官……", True),
        ("（肺是人体的器官！）", True),
        ("首页 上一页 下一页", False),
        ("肺是人体的器官...", False),
        ("下一页。", False),
        ("使用本站即表示您同意我们的隐私政策。", False),
        ("肺是人体的器官" * 300 + "。", True),
        (f"见 {'x' * 1001} 的说明文字。", False),
    ],
)
def test_lines_of_chinese(line: str, is_kept: bool) -> None:
    assert lines_kept(line, CHINESE, CHINESE.thresholds) == (line if is_kept else "")


def test_a_rule_for_lines_that_is_off() -> None:
    limits = {name: value for name, value in ENGLISH.thresholds.items() if not name.startswith("c4_")}
    text = "Read more\nPlease enable JavaScript\nWe use cookies [1]"
    assert lines_kept(text, ENGLISH, limits) == "Read more\nPlease enable JavaScript\nWe use cookies"


def test_document() -> None:
    text = 'One. Two! "Three?" J. R. Smith of version 1.2 came... Lorem ipsum {dolor}.'
    assert dict(document_measures(text, ENGLISH, {"c4_min_sentences": 9})) == {
        "c4_max_lorem_ipsum": 1,
        "c4_max_curly_brackets": 1,
        "c4_min_sentences": 5,
    }
    # no further than it must be
    assert dict(document_measures(text, ENGLISH, {"c4_min_sentences": 2}))["c4_min_sentences"] == 2
    text = "一句话。两句话！？三句话……版本 1.2 的说明"
    assert dict(document_measures(text, CHINESE, {"c4_min_sentences": 9}))["c4_min_sentences"] == 3
