from __future__ import annotations

import pytest

from domainlm.text.cleaning.language import han_share, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The lung is an organ of the chest, and it takes up oxygen from the air that is breathed in.", "en"),
        ("Respiratory failure requires oxygen therapy.", "en"),
        ("肺炎是由病原微生物引起的肺部炎症。", "zh"),
        ("肺炎", "zh"),
        ("使用 docker run 命令启动 nginx 容器，然后用 curl http://localhost:8080 检查。", "zh"),
        ("详见 https://example.org/a/very/long/path/of/english/words/in/an/address", "zh"),
        ("肺がんは肺に発生する悪性腫瘍です。", "ja"),
        ("폐렴은 폐에 생기는 염증이다.", "ko"),
        ("Die Lunge ist ein Organ der Brust; sie nimmt Sauerstoff aus der Luft auf.", "de"),
        ("Le poumon est un organe du thorax qui permet les échanges gazeux avec l'air.", "fr"),
        ("Лёгкие — органы воздушного дыхания у человека и многих животных.", "ru"),
        ("", "und"),
        ("12.5 %, 3/4", "und"),
        ("x1", "und"),
        ("https://example.org/the/of/and 10.1000/182", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_japanese_name_does_not_make_chinese_text_japanese() -> None:
    text = "动画《けいおん》在中国播出后受到广泛欢迎，许多观众由此开始学习吉他和贝斯，校园乐队的数量也明显增加。"
    assert language_of(text) == "zh"


def test_a_long_text_is_judged_by_its_beginning_and_its_middle() -> None:
    english = "The lung is an organ of the chest, and it takes up oxygen. " * 40
    assert language_of(english + "肺" * 300) == "en"
    assert language_of("Contents\n" + "肺炎是由病原微生物引起的肺部炎症。" * 40 + english[:200]) == "zh"


@pytest.mark.parametrize(
    ("text", "share"), [("肺炎", 1.0), ("肺炎ab", 0.5), ("abc", 0.0), ("肺，12", 1.0), ("", 0.0), ("かな肺", 1 / 3)]
)
def test_share_of_han_among_letters(text: str, share: float) -> None:
    assert han_share(text) == pytest.approx(share)
