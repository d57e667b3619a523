from __future__ import annotations

import pytest

from domainlm.instruction.chinese import asked_by, is_dangling, is_pointing, is_reference


def asked(sentence: str, name: str = "") -> list[tuple[str, str]]:
    return [(one.form, next(iter(one.values.values()))) for one in asked_by(sentence, {name})]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("高血压是一种常见的慢性疾病。", ("what_is", "高血压")),
        ("如果体温超过三十九度，应当立即就医。", ("condition_order", "如果体温超过三十九度")),
        ("当计算机打开电源时，固件会检查启动配置。", ("condition", "当计算机打开电源时")),
        ("由于药物会损伤肝脏，患者需要定期检查。", ("reason", "患者需要定期检查")),
        ("手册不容易读懂，因为它们都相当简洁。", ("reason", "手册不容易读懂")),
        ("为了恢复稳定，你应该移除本地的配置文件。", ("how", "恢复稳定")),
        ("阿司匹林可以用来缓解轻度的疼痛。", ("use", "缓解轻度的疼痛")),
        ("1906年，制造商必须把文件送交管理局审查。", ("year", "1906年")),
        ("磁盘加密模块提供透明的数据保护功能。", ("topic", "磁盘加密模块")),
    ],
)
def test_what_a_sentence_answers(sentence: str, expected: tuple[str, str]) -> None:
    assert expected in asked(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "这是一种常见的慢性疾病。",
        "它可以用来缓解轻度的疼痛。",
        "如果能够避免的话，不要启用远程连接。",
        "当编写脚本的时候，它能识别当前的格式。",
        "因此患者需要定期检查肝脏的功能。",
        "程序支持多种语言和多种文字的显示。",
        "检查原始的信息是最好的方法之一。",
    ],
)
def test_what_points_outside_or_names_nothing_is_not_asked_about(sentence: str) -> None:
    assert asked(sentence) == []


def test_the_heading_itself_is_no_topic() -> None:
    assert ("topic", "磁盘加密模块") not in asked("磁盘加密模块提供透明的数据保护功能。", "磁盘加密模块")


def test_sentences_that_say_nothing_alone() -> None:
    assert is_dangling("安装步骤如下所示。")
    assert is_dangling("LVM 有下列需求。")
    assert is_reference("参见第 2.7 节。")
    assert is_reference("更多信息请阅读手册。")
    assert is_pointing("但是价格没有变化。")
    assert not is_pointing("价格没有变化。")
