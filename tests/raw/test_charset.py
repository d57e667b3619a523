from __future__ import annotations

import codecs

import pytest

from domainlm.raw.charset import (
    DeclaredCharset,
    UndecodableError,
    charset_of_beginning,
    decode,
    majority_charset,
)

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


GERMAN = "Brüssel und Köln liegen weit auseinander. Für die Zugfahrt brauchst du höchstens zwei Stunden. "


@pytest.mark.parametrize(
    "text", [GERMAN, CHINESE, RUSSIAN, TRADITIONAL, "Η πνευμονία είναι λοίμωξη. ", "ไข้และไอ เป็นเวลาสิบวัน "]
)
@pytest.mark.parametrize("repeats", [1, 300])
def test_utf_8_that_is_damaged_in_places_is_utf_8(text: str, repeats: int) -> None:
    whole, plain = (text * repeats).encode(), b"plain words, "
    cut = (text * repeats).rstrip(" .。")
    for data, expected in [
        (whole + plain + b"\xff" + whole, f"{text * repeats}plain words, \ufffd{text * repeats}"),
        (
            whole + plain + b"\x93pasted\x94 " + whole,
            f"{text * repeats}plain words, \ufffdpasted\ufffd {text * repeats}",
        ),
        (b"\xe9" + whole, "\ufffd" + text * repeats),
        # in place of one character's first byte: its last ones are faults, too
        (whole[:-1] + "ü".encode()[:1], None),
        (f"{cut}ü".encode()[:-1], cut + "\ufffd"),
        (f"{cut}肺".encode()[:-1], cut + "\ufffd"),
    ]:
        found = decode(data, 0.5)
        assert found.charset == "utf-8"
        assert expected is None or found.text == expected
        assert found.is_exact is False


def test_a_few_letters_tell_damaged_utf_8_from_western_text() -> None:
    assert decode("Brüssel \xff".encode("latin-1") + "für".encode(), 0.0).text == "Br\ufffdssel \ufffdfür"
    assert decode("Die Lunge: für Köln".encode() + b" \x93Wort\x94", 0.0).text == "Die Lunge: für Köln \ufffdWort\ufffd"
    # two signs that are one character of UTF-8 by accident
    assert decode("Le CAFÉ» a été fermé".encode("cp1252"), 0.0).text == "Le CAFÉ» a été fermé"


def test_surrogates_of_java_and_mysql_are_the_character_that_they_stand_for() -> None:
    data = "für ".encode() + "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass").encode(
        "utf-8"
    )
    cesu = data.replace("\U0001f600".encode(), b"\xed\xa0\xbd\xed\xb8\x80")
    found = decode(cesu, 0.5)
    assert (found.text, found.charset, found.score) == ("für \U0001f600", "utf-8", 1.0)
    assert decode(b"\xed\xa0\xbd " + GERMAN.encode(), 0.5).text == f"\ufffd\ufffd\ufffd {GERMAN}"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_believed_also_of_a_damaged_text(charset: str) -> None:
    mark = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}[charset]
    found = decode(mark + "A plain text of some words, x".encode(charset) + b"\xe4", 0.5)
    assert (found.text, found.charset) == ("A plain text of some words, x\ufffd", charset)


GREEK = "Η πνευμονία είναι λοίμωξη των πνευμόνων."
HEBREW = "דלקת ריאות היא זיהום של הריאות."
ARABIC = "يشكو المريض من الحمى والسعال"
THAI = "โรคปอดบวมคือการติดเชื้อของปอด"
UKRAINIAN = "Лікар призначає їй антибіотики, ґрунт"
LITHUANIAN = "Plaučių uždegimas yra plaučių liga"
TURKISH = "Akciğer iltihabı, ateş ve öksürük şikâyeti"
POLISH = "Zapalenie płuc jest chorobą zakaźną"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-7", "iso8859-7", GREEK),
        ("GREEK", "iso8859-7", GREEK),
        ("windows-1253", "cp1253", GREEK),
        ("windows-1255", "cp1255", HEBREW),
        ("iso-8859-8-i", "iso8859-8", HEBREW),
        ("logical", "iso8859-8", HEBREW),
        ("x-cp1256", "cp1256", ARABIC),
        ("iso-8859-6", "iso8859-6", ARABIC.replace("،", "،")),
        ("tis-620", "cp874", THAI + " €"),
        ("iso-8859-11", "cp874", THAI),
        ("windows-874", "cp874", THAI),
        ("koi8-u", "koi8-u", UKRAINIAN),
        ("koi8-r", "koi8-r", RUSSIAN),
        ("cp866", "cp866", RUSSIAN),
        ("iso_8859-5:1988", "iso8859-5", RUSSIAN),
        ("windows-1251", "cp1251", UKRAINIAN),
        ("x-mac-cyrillic", "mac-cyrillic", RUSSIAN),
        ("windows-1257", "cp1257", LITHUANIAN),
        ("iso-8859-13", "iso8859-13", LITHUANIAN),
        ("latin5", "cp1254", TURKISH),
        ("iso-8859-9", "cp1254", TURKISH + " €"),
        ("latin2", "iso8859-2", POLISH),
        ("windows-1250", "cp1250", POLISH),
        ("iso-8859-15", "iso8859-15", "Le cœur bat, 5 €"),
        ("macintosh", "mac-roman", "L’été à l’hôpital"),
        ("iso-8859-1", "cp1252", "It’s 5 €, a café"),
        ("us-ascii", "cp1252", "It’s 5 €, a café"),
        ("gbk", "gb18030", "肺炎"),
        ("euc-kr", "cp949", "똠방각하 폐렴"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("shift_jis", "cp932", "①肺炎～㈱"),
        ("big5", "big5hkscs", "喺度嘅病人"),
        ("euc-jp", "euc_jis_2004", "①肺炎"),
    ],
)
@pytest.mark.parametrize("is_page", [False, True])
def test_a_declared_set_is_obeyed_where_it_decodes(label: str, codec: str, text: str, is_page: bool) -> None:
    data = text.encode(codec)
    found = decode(data, 0.5, expected=DeclaredCharset(label))
    if is_page:
        page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={label}"></head><p>'
        found = decode(page.encode() + data, 0.5, is_html=True)
    assert (found.text.rpartition("<p>")[2], found.score) == (text, 1.0)
    assert found.is_exact


def test_a_declared_set_is_overruled_where_another_text_is_far_likelier() -> None:
    for label in ("big5", "shift_jis", "windows-1252", "koi8-r", "no such set", "rot13", "utf-8", "utf-16"):
        assert decode(CHINESE.encode("gb18030"), 0.5, expected=DeclaredCharset(label)).text == CHINESE
    assert decode(RUSSIAN.encode("cp1251"), 0.5, expected=DeclaredCharset("iso-8859-1")).text == RUSSIAN


def test_a_declaration_in_a_comment_is_none() -> None:
    page = b'<html><!-- <meta charset="koi8-r"> --><meta charset="iso-8859-7">' + GREEK.encode("iso8859-7")
    assert decode(page, 0.5, is_html=True).text.endswith(GREEK)


@pytest.mark.parametrize("declared", [None, DeclaredCharset("windows-1252"), DeclaredCharset("iso-8859-1")])
def test_bytes_that_windows_leaves_undefined_are_control_characters(declared: DeclaredCharset | None) -> None:
    for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D):
        data = "Der Arzt prüft die Lunge gründlich".encode("cp1252") + bytes((byte,)) + b", und schreibt."
        found = decode(data, 0.5, expected=declared)
        expected = f"Der Arzt prüft die Lunge gründlich{chr(byte)}, und schreibt."
        assert (found.text, found.charset, found.is_exact) == (expected, "cp1252", True)


def test_rows_of_one_byte_say_little_of_the_set() -> None:
    for sign in "·»¡µ°":
        text = f"Die Lunge {sign * 20} 3\nDas Herz {sign * 13} 5\nDie Niere {sign * 16} 7\n"
        assert decode(text.encode("latin-1"), 0.0).text == text


def test_utf_16_without_a_mark_is_read_where_the_source_says_so() -> None:
    text = "id,text\n1,Keep the hand high\n"
    for name, codec in (("utf-16", "utf-16-le"), ("utf-16le", "utf-16-le"), ("utf-16be", "utf-16-be")):
        found = decode(text.encode(codec), 0.5, expected=DeclaredCharset(name))
        assert (found.text, found.charset, found.score) == (text, codec, 1.0)
