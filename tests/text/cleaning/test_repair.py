from __future__ import annotations

import random

import pytest

from domainlm.text.cleaning.repair import repaired

PROSE = "The “naïve” café — 25 °C, façade"
CHINESE = "肺炎是由病原微生物引起的，患者常有发热。"


@pytest.mark.parametrize("charset", ["latin-1", "cp1252", "mac-roman"])
def test_utf_8_read_as_a_western_character_set(charset: str) -> None:
    text = "It’s naïve" if charset == "mac-roman" else PROSE
    broken = text.encode().decode(charset, errors="strict" if charset != "cp1252" else "replace")
    if "\ufffd" not in broken:
        assert repaired(broken) == (text, 1)


def test_chinese_read_as_latin_1_or_gbk() -> None:
    assert repaired(CHINESE.encode().decode("latin-1")) == (CHINESE, 1)
    greeting = "你好，世界的人们"
    assert repaired(greeting.encode().decode("gbk")) == (greeting, 1)


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII",
        PROSE,
        CHINESE,
        "Å, Ä and Ö; Straße; “Ça va ?” – «É…»",
        "L’École est à côté — ¿Qué? ¡Sí!",
        "Ω ≈ 3 × 10⁻³ Å, ½ µm",
        "锛是一种化学元素的旧译名，銆亦然。",
        "Ångström was born in Lögdö (“Å”).",
    ],
)
def test_text_that_is_right_stays(text: str) -> None:
    assert repaired(text) == (text, 0)


def test_only_broken_lines_are_touched() -> None:
    broken = "café".encode().decode("latin-1")
    assert repaired(f"café\n{broken}\n{CHINESE}") == (f"café\ncafé\n{CHINESE}", 1)


def test_what_lost_bytes_stays_as_it_is() -> None:
    broken = CHINESE.encode().decode("gbk", errors="replace")
    assert repaired(broken) == (broken, 0)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (f"{CHINESE}\nPneumonia\n{CHINESE}治疗以抗感染为主。", "gb18030"),
        ("肺炎是由病原微生物引起的肺部炎症，患者常有發熱、咳嗽等症狀，嚴重者呼吸困難。", "big5"),
        ("肺がんは肺に発生する悪性腫瘍です。早期に発見すれば治療できることが多いです。", "shift_jis"),
        ("肺がんは肺に発生する悪性腫瘍です。早期に発見すれば治療できることが多いです。", "euc_jp"),
    ],
)
def test_east_asian_bytes_read_as_latin_1(text: str, charset: str) -> None:
    broken = text.encode(charset).decode("latin-1")
    assert repaired(broken) == (text, sum(not line.isascii() for line in text.split("\n")))


@pytest.mark.parametrize("text", ["ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞß", "ÄÖÜäöüß", "¡¢£¤¥¦§¨©ª«¬®¯°±²³´µ¶·¸¹º»¼½¾¿"])
def test_tables_of_letters_and_signs_stay(text: str) -> None:
    assert repaired(text) == (text, 0)


@pytest.mark.parametrize(
    "text",
    [
        "\xfe\xff\xc0\xc1\xc2\xc3\xc4\n\xc5\xc6\xc7\xc8\xc9\xca\n\xcb\xcc\xcd\xce\xcf\xd0\xd1",
        f"{CHINESE}\n{CHINESE}".encode("utf-16").decode("latin-1"),
        "\xff\xfe\0\0" + "\xe4\xe5\1\0" * 9,
        "\xfe\xff\xc0\xc1\xc2\xc3\xc4\xc5",
    ],
)
def test_bytes_that_look_like_utf_16_stay_as_they_are(text: str) -> None:
    assert repaired(text) == (text, 0)


def test_no_text_whatever_stops_a_build_or_gets_other_lines() -> None:
    dice = random.Random(3)
    pools = [
        "".join(map(chr, range(0x80, 0x100))),
        "\xfe\xff\0\xc3\xe2",
        "锛銆鐨肺，。",
        "€‚ƒ„…†ˆ‰Š",
        "\ud800\udc00",
        "ab \n\r\x85",
    ]
    for _ in range(4000):
        text = "".join(dice.choices("".join(dice.sample(pools, 3)) + "\n" * 6, k=80))
        better, count = repaired(text)
        assert better.count("\n") == text.count("\n")
        assert (count == 0) == (better == text)


@pytest.mark.parametrize("sign", ["·", "»", "¡", "µ", "°", "·»", "¡¿", "«"])
def test_rows_of_a_sign_are_no_letters(sign: str) -> None:
    for count in (4, 7, 8, 13, 20):
        text = "\n".join(
            f"{name} {sign * count} {page}" for name, page in (("Suppe", 4), ("Braten", 9), ("The heart", 11))
        )
        assert repaired(text) == (text, 0)
