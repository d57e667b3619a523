from __future__ import annotations

import pytest

from domainlm.text.cleaning.normalise import in_script, with_ascii_width, without_repeats

LINE = "Subscribe to our newsletter for news"


def test_width_of_letters_digits_and_signs_but_not_of_chinese_punctuation() -> None:
    assert with_ascii_width("ＭＲＩ检查：１２．５％（约３ｍｍ），好！＠＃＄") == "MRI检查：12.5%（约3mm），好！@#$"
    assert with_ascii_width("ｱｲｳ 　肺") == "ｱｲｳ 　肺"


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("頭髮與發現", "simplified", "头发与发现"),
        ("头发与发现", "traditional", "頭髮與發現"),
        ("不適合中國的國情", "traditional", "不適合中國的國情"),
        ("万里长城", "traditional", "萬里長城"),
        ("頭髮", "keep", "頭髮"),
        ("plain", "simplified", "plain"),
    ],
)
def test_script(text: str, script: str, expected: str) -> None:
    assert in_script(text, script) == expected  # type: ignore[arg-type]
    assert in_script(expected, script) == expected  # type: ignore[arg-type]


def test_lines_and_blocks_that_were_there_before_go() -> None:
    text = f"Title\n\n{LINE}\nfirst\n\n  {LINE}\nsecond\n\nHome\nAbout us\nContact us\n\nthird\n\nHome\nAbout us\nContact us"
    expected = f"Title\n\n{LINE}\nfirst\n\nsecond\n\nHome\nAbout us\nContact us\n\nthird"
    assert without_repeats(text) == (expected, 4)
    assert without_repeats(expected) == (expected, 0)


def test_chinese_lines_are_long_with_fewer_characters() -> None:
    assert without_repeats("关注微信公众号获取更多\n甲\n关注微信公众号获取更多\n乙") == (
        "关注微信公众号获取更多\n甲\n乙",
        1,
    )


def test_short_lines_may_stand_twice() -> None:
    text = "a {\n}\n\nb {\n}\n\nExample\n\nExample\n\n示例\n\n示例"
    assert without_repeats(text) == (text, 0)
