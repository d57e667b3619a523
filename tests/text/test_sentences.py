from __future__ import annotations

from domainlm.text.sentences import first_prose, first_sentences


def test_only_whole_sentences_are_kept() -> None:
    text = "One sentence here. Another one there. A third, which is longer than the rest of them."
    assert first_sentences(text, 40) == "One sentence here. Another one there."
    assert first_sentences(text, 10) == ""


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    text = "Values above 3.5 mg, e.g. Those seen in adults (cf. Fig. Two), count. Others do not."
    assert first_sentences(text, 75) == "Values above 3.5 mg, e.g. Those seen in adults (cf. Fig. Two), count."


def test_what_follows_the_last_full_stop_is_left_out() -> None:
    assert first_sentences("A whole sentence. The rest is cut by a", 200) == "A whole sentence."


def test_chinese_sentences() -> None:
    assert first_sentences("这是第一句。这是第二句。第三句没有完", 100) == "这是第一句。这是第二句。"


def test_first_prose_passes_over_lists_and_code() -> None:
    body = ">>> x = [1, 2, 3]\n\n- an item\n- another\n\nThis paragraph is wrapped\nover two lines. It ends here."
    assert first_prose(body, 200) == "This paragraph is wrapped over two lines. It ends here."
