from __future__ import annotations

from typing import Any

import pytest

from domainlm.text.repeats import boilerplate
from domainlm.text.repeats.boilerplate import Boilerplate, TooManyLines, frequent_lines, without_boilerplate

NOTICE = "本站所有内容均来自公开资料，转载请注明出处。"


def page(number: int) -> str:
    body = f"第{number}页的正文讲的是第{number}件事。\n\n步骤如下\n先做第{number}步，再做下一步。"
    return f"第{number}页\n\n首页\n关于我们\n\n{body}\n\n{NOTICE}\n联系我们"


def found_in(texts: list[tuple[str, str]], max_documents: int) -> Boilerplate:
    return frequent_lines(lambda: iter(texts), max_documents)


def test_menu_and_notice_go_and_the_body_stays() -> None:
    found = found_in([("site", page(number)) for number in range(6)], 5)
    text, taken = without_boilerplate("site", "第3页", page(3), found)
    # 步骤如下 is in every page, too, but short and between lines that are not
    assert text == "第3页\n\n第3页的正文讲的是第3件事。\n\n步骤如下\n先做第3步，再做下一步。"
    assert taken == ["首页", "关于我们", NOTICE, "联系我们"]
    assert found.count("site", NOTICE) == 6


def test_a_long_line_goes_from_the_middle_too() -> None:
    texts = [("s", f"Text {n} begins.\n\n{NOTICE}\n\nText {n} ends.") for n in range(4)]
    found = found_in(texts, 3)
    assert without_boilerplate("s", "", texts[1][1], found) == ("Text 1 begins.\n\nText 1 ends.", [NOTICE])


def test_the_threshold_is_of_one_source_and_counts_a_document_once() -> None:
    texts = [("a", "menu\nmenu\nmenu"), ("a", "menu"), ("b", "menu"), ("b", "other")]
    assert len(found_in(texts, 1).documents) == 1
    found = found_in(texts, 1)
    assert found.is_frequent("a", "menu")
    assert not found.is_frequent("b", "menu")
    assert found_in(texts, 2).documents == {}


def test_the_title_and_lines_without_words_stay() -> None:
    texts = [("s", f"Help\n\n---\nmenu\n\nText {n}.") for n in range(3)]
    found = found_in(texts, 2)
    assert without_boilerplate("s", "Help", texts[0][1], found) == ("Help\n\n---\n\nText 0.", ["menu"])
    assert without_boilerplate("s", "Other", "Text without any of it.", found) == ("Text without any of it.", [])


def test_a_sketch_that_overstates_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [("s", f"first line of {n}\nthe same for all\nlast line of {n}") for n in range(200)]
    expected = found_in(texts, 199).documents
    assert list(expected.values()) == [200]
    # nearly every line shares its cells with others
    monkeypatch.setattr(boilerplate, "CELLS", 8)
    assert found_in(texts, 199).documents == expected


def test_what_does_not_fit_into_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boilerplate, "MAX_CANDIDATES", 10)
    texts: list[tuple[str, Any]] = [("s", "\n".join(f"line {n}" for n in range(20)))] * 3
    with pytest.raises(TooManyLines) as error:
        found_in(texts, 1)
    assert error.value.count == 20
