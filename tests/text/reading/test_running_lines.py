from __future__ import annotations

from domainlm.text.reading.page_layout import Line
from domainlm.text.reading.running_lines import without_running_lines


def page(number: int, head: str = "A Manual", foot: str = "{}", body: list[str] | None = None) -> list[Line]:
    """A page: head, three lines of its own, foot."""
    lines = body or [f"first of {'abcdefgh'[number]}", "the same words", f"last of {'ijklmnop'[number]}"]
    placed = [Line(text, 50, 500, 700 - 14 * index, 10) for index, text in enumerate(lines)]
    return [
        *([Line(head.format(number), 50, 200, 780, 9)] if head else []),
        *placed,
        *([Line(foot.format(number), 300, 310, 30, 9)] if foot else []),
    ]


def texts(pages: list[list[Line]]) -> list[list[str]]:
    return [[line.text for line in lines] for lines in without_running_lines(pages)]


def test_heads_feet_and_page_numbers_go_and_the_body_stays() -> None:
    for foot in ("{}", "- {} -", "Page {} of 8", "第 {} 页", "{} / 8"):
        found = texts([page(number, foot=foot) for number in range(8)])
        assert found == [[line.text for line in page(number, head="", foot="")] for number in range(8)], foot


def test_heads_of_left_and_right_pages_take_turns() -> None:
    heads = ["1 Lungs", "The Manual of Medicine"]
    found = texts([page(number, head=heads[number % 2]) for number in range(6)])
    assert all(line not in heads for lines in found for line in lines)


def test_a_chapter_s_head_runs_over_its_own_pages() -> None:
    found = texts([page(number, head="1 Lungs" if number < 4 else "2 Heart", foot="") for number in range(8)])
    assert {len(lines) for lines in found} == {3}


def test_roman_page_numbers() -> None:
    romans = ("ii", "iii", "iv", "v")
    pages = [[Line(f"Manual {roman}", 50, 90, 780, 9), *page(n, "", "")] for n, roman in enumerate(romans)]
    assert {len(lines) for lines in texts(pages)} == {3}


def test_parts_of_one_row_are_one_head() -> None:
    pages = [[Line(str(n), 500, 510, 780.2, 9), Line("Manual", 50, 90, 780, 9), *page(n, "", "")] for n in range(5)]
    assert {len(lines) for lines in texts(pages)} == {3}


def test_the_first_row_of_a_long_table_stays() -> None:
    rows = [
        ["Year 2001 was 13 of 20", "a", "b"],
        ["Year 2007 was 88 of 20", "c", "d"],
        ["Year 2022 was 4 of 20", "e", "f"],
    ]
    assert texts([page(n, "", "", body=body) for n, body in enumerate(rows)]) == rows


def test_what_repeats_elsewhere_on_the_page_stays() -> None:
    pages = [
        page(n, head="", foot="", body=[f"one {'xyz'[n]}", *["in the middle"] * 6, f"two {'uvw'[n]}"]) for n in range(3)
    ]
    assert texts(pages) == [[line.text for line in lines] for lines in pages]


def test_one_page_has_nothing_to_compare_with() -> None:
    assert texts([page(3)]) == [[line.text for line in page(3)]]
