from __future__ import annotations

import itertools
import random

from domainlm.text.reading import cut_words
from domainlm.text.reading.cut_words import DocumentWords
from domainlm.text.reading.page_layout import Line


def test_a_word_that_is_searched_for_is_found_where_the_list_of_all_has_it() -> None:
    chance = random.Random(7)
    for _ in range(300):
        texts = ["".join(chance.choices("abé- B中.", k=chance.randint(1, 12))).strip() or "a" for _ in range(4)]
        words = DocumentWords([[Line(text, 0.0, 0.0, 0.0, 1.0) for text in texts]])
        whole = "\n".join(text.rpartition(" ")[0] if text[-1] == "-" else text for text in texts).lower()
        listed = set(cut_words._WORDS.findall(whole))
        for asked in ("a", "b", "ab", "a-b", "é", "b-a-b", "aa", "-a", "a-", "中", "", "a b"):
            assert (asked in words) == (asked in listed), (asked, whole)


def test_many_words_are_looked_up_in_the_list() -> None:
    texts = [f"{first}{second}{third}" for first, second, third in itertools.product("abcde", repeat=3)]
    words = DocumentWords([[Line(text, 0.0, 0.0, 0.0, 1.0) for text in texts]])
    assert all(text in words for text in texts)
    assert not any(f"{text}x" in words for text in texts)
