from __future__ import annotations

import unicodedata

import pytest

from domainlm.wording import MAX_VALUE_CHARS, STEERING, bytes_in_words, printable, seconds_in_words, value_in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_seconds(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_960, "10 kB"),
        (999_600, "1.0 MB"),
        (269_000_000, "269 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_bytes(count: int, words: str) -> None:
    assert bytes_in_words(count) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (0.001, "0.001"),
        ("merge", "merge"),
        ("", '""'),
        (["a", 1], '["a", 1]'),
        ("a\n b", "a b"),
    ],
)
def test_values(value: object, words: str) -> None:
    assert value_in_words(value) == words


def test_a_long_value_is_cut_off() -> None:
    words = value_in_words("x" * 100)
    assert (len(words), words[-1]) == (MAX_VALUE_CHARS, "…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202e\u2066\u2028\u200b", "\\u202e\\u2066\\u2028\\u200b"),
        ("\udcb2\ud83d", "\\udcb2\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_steers_a_terminal_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text", ["病历\u3000全.txt", "👩‍⚕️🏴 ❤️", "نمی‌خواهم", "C:\\x1b", "[b]", "é e\u0301 \xa0", "\U00031350"]
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_every_control_is_one_that_steers() -> None:
    """Of those that only format, some are visible signs of Arabic, Syriac, Kaithi, hieroglyphs or music; two join letters."""
    kinds = {chr(code): unicodedata.category(chr(code)) for code in range(0x110000)}
    assert [char for char, kind in kinds.items() if kind in ("Cc", "Cs", "Zl", "Zp") and not STEERING.match(char)] == []
    steering = [char for char in kinds if STEERING.match(char)]
    assert {kinds[char] for char in steering} <= {"Cc", "Cs", "Cf", "Cn", "Zl", "Zp"}
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert [char for char in kinds if unicodedata.bidirectional(char) in bidirectional and char not in steering] == []
