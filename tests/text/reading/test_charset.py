from __future__ import annotations

import codecs

import pytest

from domainlm.text.reading.charset import UndecodableError, decode

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
