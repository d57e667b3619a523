from __future__ import annotations

import pytest

from domainlm.config.cleaning import WordList
from domainlm.contract import StageError
from domainlm.text.cleaning.word_lists import listed_words, word_lists_of


def found(text: str, **words: list[str]) -> list[tuple[str, str]]:
    lists = word_lists_of({name: WordList(words=entry) for name, entry in words.items()})
    assert lists is not None
    return [(span.kind, text[span.start : span.end]) for span in listed_words(text, lists)]


def test_latin_words_match_whole_and_in_any_case() -> None:
    assert found("Buy NOW, buyer; to-buy now", adverts=["buy now", "buy"]) == [
        ("adverts", "Buy NOW"),
        ("adverts", "buy now"),
    ]
    assert found("naïve café", a=["caf", "na", "café"]) == [("a", "café")]


def test_chinese_words_match_anywhere_and_the_longest_of_a_list_wins() -> None:
    assert found("欢迎优惠促销活动", a=["优惠", "优惠促销"]) == [("a", "优惠促销")]
    assert found("用app下载", a=["app"]) == [("a", "app")]


def test_letters_that_grow_in_lower_case_keep_the_places_right() -> None:
    assert found("İİİ stop here", a=["STOP"]) == [("a", "stop")]


def test_lists_do_not_hide_the_words_of_each_other() -> None:
    assert found("欢迎优惠促销活动", a=["优惠"], b=["优惠促销"]) == [("b", "优惠促销"), ("a", "优惠")]
    assert found("buy now", a=["buy"], b=["buy"]) == [("a", "buy"), ("b", "buy")]


def test_a_word_that_nobody_can_see_is_an_error() -> None:
    with pytest.raises(StageError, match=r"word_lists\.a: '\\u200b' has no visible character"):
        word_lists_of({"a": WordList(words=["\u200b"])}, lambda word: (word.strip("\u200b"),))


def test_no_words_no_lists() -> None:
    assert word_lists_of({}) is None
