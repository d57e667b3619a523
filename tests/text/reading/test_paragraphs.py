from __future__ import annotations

import pytest

from domainlm.text.reading.page_layout import Line
from domainlm.text.reading.paragraphs import flow_of


def lines(texts: list[str], left: float = 50, top: float = 700, step: float = 12, width: float = 5) -> list[Line]:
    """A column of lines of 10 points, each character as wide as `width`."""
    return [Line(text, left, left + width * len(text), top - step * index, 10) for index, text in enumerate(texts)]


def flowing(*pages: list[Line]) -> str:
    return flow_of(pages).text


FULL = "the patient has had a dry cough for at least three"


def test_lines_of_a_paragraph_are_joined_and_paragraphs_are_not() -> None:
    page = [*lines([FULL, FULL, "days."]), *lines([FULL, "weeks."], top=640)]
    assert flowing(page) == f"{FULL} {FULL} days.\n\n{FULL} weeks."


def test_a_line_that_ends_early_ends_a_line() -> None:
    page = lines([FULL, "as follows:", "$ ls", "$ cat notes.txt", FULL])
    assert flowing(page) == f"{FULL} as follows:\n$ ls\n$ cat notes.txt\n{FULL}"


def test_an_indented_line_begins_a_paragraph_and_an_item_s_second_line_none() -> None:
    page = [*lines([FULL, FULL]), *lines([FULL[:46]], left=70, top=676), *lines([FULL], top=664)]
    assert flowing(page) == f"{FULL} {FULL}\n{FULL[:46]} {FULL}"
    item = [*lines([f"• {FULL[:48]}"]), *lines([FULL[:44]], left=75, top=688), *lines([f"• {FULL[:48]}"], top=676)]
    assert flowing(item).count("\n") == 1


def test_a_page_s_end_ends_no_paragraph() -> None:
    flow = flow_of([lines([FULL, FULL]), lines(["days of rest.", FULL])])
    assert flow.text == f"{FULL} {FULL} days of rest.\n{FULL}"
    assert flow.pages == [(0, 1), (2 * len(FULL) + 2, 2)]
    assert flow.text[flow.pages[1][0] :].startswith("days of rest.")


def test_chinese_lines_are_joined_without_a_blank() -> None:
    full = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热咳嗽"
    assert flowing(lines([full, full, "等。"], width=10)) == f"{full}{full}等。"


def test_between_han_and_latin_letters_the_document_s_habit_counts() -> None:
    full = "这个命令在所有的系统上都可以运行，它是一个很有用的程序"
    for habit, blank in (("使用 shell 运行", " "), ("使用shell运行", "")):
        page = [*lines([full, f"GNU 的工具{habit}" if blank else f"GNU的工具{habit}"], width=10)]
        assert flowing(page).startswith(f"{full}{blank}GNU")


def test_a_cut_word_is_put_together_as_the_document_writes_it() -> None:
    first = "pneumonia is treated with antibiotics and with oxy-"
    assert "with oxygen at home" in flowing(lines([first, "gen at home, says every book that has been written"]))
    known = [*lines(["a well-known and well-known drug"]), *lines([f"{FULL[:45]} well-", "known drug"], top=600)]
    assert "well-known drug" in flowing(known).split("\n")[-1]
    # a capital letter follows a hyphen that belongs there
    assert "MS-DOS" in flowing(lines([f"{FULL[:46]} MS-", "DOS and others"]))


def test_leaders_of_a_contents_page_go() -> None:
    assert flowing(lines(["1 Lungs . . . . . . . . 3", "2 Heart ........ 9"])) == "1 Lungs 3\n2 Heart 9"


def test_one_overfull_line_of_a_page_does_not_break_the_sentences_of_the_others() -> None:
    # an address that cannot be cut stands out beyond the right edge
    overfull = f"{FULL} in.net"
    page = lines([FULL, FULL, overfull, FULL, FULL])
    assert "\n" not in flowing(lines([FULL] * 10), page)
    # where many lines end there it is the edge, and without many lines the furthest is
    assert flowing(lines([overfull] * 12), lines([FULL, overfull, FULL])).count("\n") == 1
    assert flowing(page).count("\n") == 3


@pytest.mark.parametrize(
    ("end", "begin", "expected"),
    [
        ("of the T-", "cell that was seen in the", "the T-cell that"),
        ("on an x-", "ray that was seen in it", "an x-ray that"),
        ("of COX2-", "inhibitors that were seen", "COX2-inhibitors that"),
        ("of COVID-", "19 that were seen in the", "COVID-19 that"),
        ("in 1990-", "1995 they were seen in it", "1990-1995 they"),
        ("of short-", "and long-term effects of it", "short- and long-term"),
        ("of pre-", "or postoperative care in it", "pre- or post"),
        ("of two-", "to threefold values in the", "two- to threefold"),
        ("die Vor-", "und Nachteile von solchen", "Vor- und Nachteile"),
        ("of a state-of-the-", "art device that was seen", "state-of-the-art device"),
        ("with oxy-", "gen that was seen in the", "oxygen that"),
        ("an orches-", "tra and others were there", "orchestra and"),
        ("of the de\ufb01-", "nition that was seen in it", "definition that"),
        ("with oxy\u2010", "gen that was seen in the", "oxygen that"),
        ("with oxy\xad", "gen that was seen in the", "oxygen that"),
    ],
)
def test_a_hyphen_at_a_line_s_end_stays_where_no_typesetter_adds_one(end: str, begin: str, expected: str) -> None:
    first = f"{FULL[: 50 - len(end)]} {end}"
    assert expected in flowing(lines([first, f"{begin} {FULL[:20]}"]))


@pytest.mark.parametrize(
    ("end", "begin", "expected"),
    [
        ("in the tri-", "als that were seen in it", "trials that"),
        ("of canna-", "bis that was seen in the", "cannabis that"),
        ("of a do-", "nor that was seen in the", "donor that"),
        ("of a don-", "or that was seen in this", "donor that"),
        ("with xan-", "than that was seen in it", "xanthan that"),
        ("of a pota-", "to that was seen in this", "potato that"),
        ("of a break-", "through that was seen it", "breakthrough that"),
        ("in a buck-", "et that was seen in this", "bucket that"),
        ("of the gu-", "ru-like men who were in", "guru-like"),
        ("of pré-", "et postopératoire in this", "pré- et post"),
        ("of short-", "or long-term effects of i", "short- or long-term"),
        ("of 5-", "to 10-fold effects of thi", "5- to 10-fold"),
        ("Herz-", "sowie Lungenkrankheiten in", "Herz- sowie Lungen"),
        ("zwei-", "bis dreimal, so wie sonst", "zwei- bis dreimal"),
        ("of T-", "or natural killer cells i", "T- or natural"),
        ("of IgA-", "or complement deficiency", "IgA- or complement"),
        ("of low-dose-", "or placebo groups in it", "low-dose- or placebo"),
        ("of (pre-", "or postoperative) care in", "(pre- or post"),
    ],
)
def test_the_end_of_a_word_is_no_conjunction(end: str, begin: str, expected: str) -> None:
    first = f"{FULL[: 50 - len(end)]} {end}"
    assert expected in flowing(lines([first, f"{begin} {FULL[:20]}"]))


@pytest.mark.parametrize(("end", "begin", "whole"), [("err-", "and", "errand"), ("ten-", "or", "tenor")])
def test_a_word_that_the_document_has_elsewhere_was_cut(end: str, begin: str, whole: str) -> None:
    first = f"{FULL[: 50 - len(end)]} {end}"
    known = lines([f"there is the {whole} that was seen"], top=740)
    cut = lines([first, f"{begin} well-known {FULL[:20]}"])
    assert f"{whole} well-known" in flowing([*known, *cut])
    assert f"{end} {begin} well-known" in flowing(cut)


def test_a_part_of_a_compound_that_the_document_knows_is_cut_in_it() -> None:
    page = [*lines(["it is established here"]), *lines([f"{FULL[:38]} well-estab-", "lished drug"], top=600)]
    assert "well-established drug" in flowing(page)


def test_letters_of_print_are_letters() -> None:
    full = "\u2f45便\u2f64户使\u2f64\u2f42件系统，⼀层的软件是⼀层的\u2f42件，⻚⻓⻢"
    assert flowing(lines([full, full], width=10)) == "方便用户使用文件系统，一层的软件是一层的文件，页长马" * 2
