from __future__ import annotations

import pytest

from domainlm.evaluation.token_f1 import token_f1


def test_words_are_counted_whatever_case_and_punctuation() -> None:
    assert token_f1("A kind of bird.", "a kind, of BIRD") == 1.0
    assert token_f1("a bird", "a large bird") == pytest.approx(2 * 2 / 5)
    assert token_f1("a a a", "a b") == pytest.approx(2 * 1 / 5)


def test_chinese_is_compared_by_character() -> None:
    assert token_f1("同义词", "同义") == pytest.approx(2 * 2 / 5)


def test_an_empty_answer_scores_nothing() -> None:
    assert token_f1("", "a word") == 0.0
    assert token_f1("...", "") == 1.0
