from __future__ import annotations

from domainlm.text.reading.page_layout import Line, gutter_of, in_reading_order

FULL = "the patient has had a dry cough for at least three"


def lines(texts: list[str], left: float = 50) -> list[Line]:
    """A column of lines of 10 points, each character 5 points wide."""
    return [Line(text, left, left + 5 * len(text), 700 - 12 * index, 10) for index, text in enumerate(texts)]


def test_columns_are_read_one_after_the_other_whatever_the_file_s_order() -> None:
    left, right = (
        lines([f"left {n} {FULL[:30]}" for n in range(9)]),
        lines([f"right {n} {FULL[:30]}" for n in range(9)], 300),
    )
    title = [Line("A title over both columns of the page, as it often is", 50, 520, 730, 16)]
    wanted = [*title, *left, *right]
    assert in_reading_order(wanted) == wanted
    assert in_reading_order([*right, *left, *title]) == wanted
    assert in_reading_order([*left, *right, *title]) == wanted


def test_page_numbers_that_come_by_themselves_go_into_their_rows() -> None:
    titles, numbers = lines([f"{n} Chapter of the book" for n in range(9)]), lines([str(n) for n in range(9)], left=500)
    assert [line.text for line in in_reading_order([*titles, *numbers])][:4] == [
        "0 Chapter of the book", "0", "1 Chapter of the book", "1"
    ]  # fmt: skip


def test_a_gutter_is_one_of_prose_and_not_of_a_table() -> None:
    prose = [(Line(f"{FULL} {FULL}", 50, 550, 700 - 12 * n, 10), 285 - n % 3, 310.0) for n in range(20)]
    assert gutter_of(prose, 20) == 297.0
    ragged = [(line, left - 13 * (n % 7), right) for n, (line, left, right) in enumerate(prose)]
    assert gutter_of(ragged, 20) is None
    narrow = [(line._replace(right=390), left, right) for line, left, right in prose]
    assert gutter_of(narrow, 20) is None
    assert gutter_of(prose[:9], 20) is None
    assert gutter_of([], 0) is None
