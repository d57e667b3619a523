from __future__ import annotations

import codecs

import pytest

from domainlm.raw.charset import UndecodableError, charset_of_beginning, decode, majority_charset

CHINESE = "肺炎是由病原微生物等因素引起的肺部炎症。患者常有发热、咳嗽、咳痰，严重者呼吸困难。治疗以抗感染为主。" * 4
FRENCH = "L'hypertension artérielle pulmonaire est une maladie rare où la pression est élevée, même à l'effort. " * 4
RUSSIAN = "Пневмония является воспалительным заболеванием лёгких, обычно инфекционного происхождения. " * 4


def test_utf8_first() -> None:
    found = decode("naïve 肺炎".encode(), 0.5)
    assert (found.text, found.charset, found.score, found.bytes_before) == ("naïve 肺炎", "utf-8", 1.0, 0)


@pytest.mark.parametrize(
    ("mark", "charset"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
)
def test_byte_order_mark_names_the_set_and_is_no_text(mark: bytes, charset: str) -> None:
    found = decode(mark + CHINESE.encode(charset), 0.5)
    assert (found.text, found.charset, found.bytes_before) == (CHINESE, charset, len(mark))


@pytest.mark.parametrize(
    ("text", "charset"), [(CHINESE, "gb18030"), (FRENCH, "cp1252"), (RUSSIAN, "cp1251"), (CHINESE, "utf-8")]
)
def test_other_sets_are_guessed(text: str, charset: str) -> None:
    found = decode(text.encode(charset), 0.5)
    assert found.text == text
    assert found.score >= 0.5


def test_a_page_says_its_own_set() -> None:
    data = b'<html><head><meta charset="gb2312"></head><body>' + "肺炎".encode("gb18030")
    assert decode(data, 0.5, is_html=True).text.endswith("肺炎")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (bytes(range(1, 32)) * 20, "binary"),
        (codecs.BOM_UTF8 + b"\xff\xfe\xff", "undecodable"),
        (b"text \x98\xff \x81\xff" * 50, "undecodable"),
        # cut short, and a set of China that no codec knows
        (b"text \x1b$B%", "undecodable"),
        (b"text \x1b$)A\x0e=;;;\x0f text", "undecodable"),
        (b"text \x1b$B\0", "binary"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        decode(data, 0.5)
    assert caught.value.reason == reason


def test_an_unsure_guess_is_refused() -> None:
    with pytest.raises(UndecodableError) as caught:
        decode(FRENCH.encode("cp1252"), 1.0 + 1e-9)
    assert caught.value.reason == "charset_uncertain"


TRADITIONAL = "肺炎是由病原微生物等因素引起的肺部炎症。患者常有發熱、咳嗽，嚴重者呼吸困難。治療以抗感染為主。"
JAPANESE = "肺炎は細菌やウイルスなどの病原体による肺の炎症です。発熱や咳などの症状があり、治療が必要です。"
ENGLISH = "The café is near the lung clinic, and its résumé of 1990 says so. "


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (CHINESE, "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (ENGLISH, "latin-1"),
        (CHINESE, "utf-16-le"),
        (TRADITIONAL, "utf-16-be"),
        (ENGLISH, "utf-16-le"),
    ],
)
def test_sixty_characters_are_enough(text: str, charset: str) -> None:
    assert decode(text[:60].encode(charset), 0.5).text == text[:60]


def test_what_the_source_declares_decides_where_the_bytes_do_not() -> None:
    # two readings: 5 letters of Greek, and 2 rare characters
    data = "λ.".encode("big5")
    assert decode(data, 0.0).text != "λ."
    assert decode(data, 0.0, expected="Big5-HKSCS").text == "λ."


@pytest.mark.parametrize("expected", ["big5", "shift_jis", "windows-1252", "no such set", "rot13", ""])
def test_a_wrong_declaration_does_not_win(expected: str) -> None:
    assert decode(CHINESE[:60].encode("gb18030"), 0.5, expected=expected).text == CHINESE[:60]


def test_a_page_that_names_the_wrong_set_is_read_by_its_bytes() -> None:
    data = b'<html><head><meta charset="iso-8859-1"></head><body>' + CHINESE.encode("gb18030")
    assert decode(data, 0.5, is_html=True).text.endswith(CHINESE)


def test_a_guess_looks_past_the_ascii_lines() -> None:
    data = b"plain words\n" * 50_000 + CHINESE.encode("big5", "ignore") + TRADITIONAL.encode("big5")
    assert decode(data, 0.5).text.endswith(TRADITIONAL)


def test_the_score_tells_text_from_noise() -> None:
    import random

    noise = bytes(byte for byte in random.Random(3).randbytes(3000) if byte >= 0xA1)
    with pytest.raises(UndecodableError):
        decode(noise, 0.5)
    assert decode(CHINESE.encode("gb18030"), 0.5).score > 0.9


JAPANESE = "肺炎は肺の病気です。カタカナ"


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (JAPANESE, "iso2022_jp"),
        (f"{JAPANESE}ｶﾀｶﾅ", "iso2022_jp_ext"),
        (f"{JAPANESE}汉语 é", "iso2022_jp_2"),
        ("폐렴은 폐의 염증이다", "iso2022_kr"),
    ],
)
@pytest.mark.parametrize("is_html", [False, True])
def test_escape_sequences_tell_their_set(text: str, charset: str, is_html: bool) -> None:
    text = f"a\n{text}\nb {text}\n"
    page = "<meta charset=utf-8>" if is_html else ""
    found = decode(text.encode(charset) + page.encode(), 0.5, is_html)
    assert (found.text, found.charset, found.is_exact) == (text + page, charset, False)


@pytest.mark.parametrize(
    ("name", "charset"), [("HZ-GB-2312", "hz"), ("utf-7", "utf-7"), ("unicode-1-1-utf-7", "utf-7")]
)
def test_a_page_in_letters_of_ascii_is_read_as_it_says(name: str, charset: str) -> None:
    page = f'<?xml version="1.0" encoding="{name}"?><p>'.encode() + CHINESE.encode(charset)
    found = decode(page, 0.5, is_html=True)
    assert (found.text.endswith(f"<p>{CHINESE}"), found.charset, found.is_exact) == (True, charset, False)
    # of a text nobody knows: the same bytes may be what it says
    assert decode(page, 0.5).charset == "utf-8"


@pytest.mark.parametrize("begin", ["$B", "$)A", "(I"])
def test_an_escape_sequence_in_a_text_with_letters_of_its_own_is_text(begin: str) -> None:
    text = f"\x1b{begin}%\x1b(B is sent for 肺炎"
    assert decode(text.encode(), 0.5).text == text
    with pytest.raises(UndecodableError, match="an escape sequence of ISO 2022 at byte 0"):
        decode(text.encode("gb18030"), 0.5)


def test_a_page_that_says_so_and_is_not_so_is_read_by_its_bytes() -> None:
    for name in ("utf-7", "hz-gb-2312", "iso-2022-jp"):
        for text in ("/~user/ plain", "肺炎 ~{ +abc", "a+bcd", "~{ plain"):
            page = f"<meta charset={name}>{text}"
            assert decode(page.encode(), 0.5, is_html=True).text == page


# of 20 characters; alone it reads as Korean
SHORT = "Temp. is 38.5℃ today"


def beginnings(count: int, charset: str) -> list[tuple[bytes, bool]]:
    text = CHINESE if charset.startswith(("gb", "utf")) else JAPANESE * 5
    return [(text[at : at + 40].encode(charset), False) for at in range(count)]


def test_what_nearly_all_others_are_in_decides_where_the_bytes_do_not() -> None:
    short = SHORT.encode("gb18030")
    assert decode(short, 0.5).text != SHORT
    majority = majority_charset([(short, False), *beginnings(20, "gb18030")])
    assert decode(short, 0.5, expected=majority).text == SHORT


def test_a_majority_is_nearly_all_of_those_that_are_no_utf_8() -> None:
    utf_8 = [("肺炎" * 100 + ending).encode() for ending in ("", "x", "xx")]
    # also where they are cut in a character
    others = [(data[:-cut], True) for data in utf_8 for cut in range(4)] + [(b"plain", False)] * 30
    assert majority_charset(others) is None
    assert majority_charset([*others, *beginnings(9, "gb18030")]) is None
    assert majority_charset([*others, *beginnings(10, "gb18030")]) == "gb18030"
    assert majority_charset([*beginnings(2, "shift_jis"), *beginnings(30, "gb18030")]) is None
    assert majority_charset([*beginnings(1, "shift_jis"), *beginnings(30, "gb18030")]) == "gb18030"
    assert majority_charset(beginnings(10, "utf-16")) is None


def test_a_beginning_may_be_cut_in_a_character() -> None:
    line = "肺炎是由病原微生物等因素引起的，a 肺部炎症" * 20
    for cut in range(300, 306):
        assert charset_of_beginning(line.encode("gb18030")[:cut], True) == "gb18030"
        assert charset_of_beginning(line.encode()[:cut], True) is None
    assert charset_of_beginning(SHORT.encode("gb18030"), False, "gb18030") == "gb18030"
