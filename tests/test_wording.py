from __future__ import annotations

import pytest

from domainlm.wording import MAX_VALUE_CHARS, bytes_in_words, seconds_in_words, value_in_words


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
