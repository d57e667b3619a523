from __future__ import annotations

from domainlm.text.reading.line_numbers import without_line_numbers
from domainlm.text.reading.page_layout import Line

PROSE = [
    "We asked forty nurses of three wards how often the alarm had",
    "sounded without need, and wrote down what they did then. Most of",
    "them looked at the patient first and at the screen later, which is",
    "what the rules of the house say. Where two alarms sounded",
    "together, the louder one was looked at first, although the softer",
] * 4


def page(texts: list[str], left: float = 40, size: float = 10) -> list[Line]:
    return [Line(text, left, left + 5 * len(text), 700 - 12 * at, size, is_row=True) for at, text in enumerate(texts)]


def texts(pages: list[list[Line]]) -> list[list[str]]:
    return [[line.text for line in each] for each in pages]


def test_every_line_is_numbered() -> None:
    first = page([f"{at} {text}" for at, text in enumerate(PROSE, 1)])
    second = page([f"{at} {text}" for at, text in enumerate(PROSE[:4], 21)])
    found = without_line_numbers([first, second])
    assert texts(found) == [PROSE, PROSE[:4]]
    assert {(line.left, line.is_row) for line in found[0]} == {(40, False)}


def test_every_fifth_line_is_numbered() -> None:
    numbered = page([f"{at} {text}" if at % 5 == 0 else text for at, text in enumerate(PROSE * 2, 1)], size=8)
    numbered = [line if line.text[0].isdigit() else line._replace(left=70, size=10) for line in numbered]
    found = without_line_numbers([numbered])
    assert texts(found) == [PROSE * 2]
    assert {(line.left, line.size) for line in found[0]} == {(70, 10)}


def test_numbers_may_stand_alone_in_either_margin() -> None:
    body = page(PROSE, left=70)
    for left in (40, 500):
        numbers = [Line(str(at), left, left + 10, line.bottom, 8) for at, line in enumerate(body, 1)]
        assert texts(without_line_numbers([[*numbers, *body]])) == [PROSE]


def test_tables_lists_and_statutes_keep_their_numbers() -> None:
    names = ["Smith", "Jones", "Brown", "Green", "White", "Black"]
    for kept in (
        [f"{at} {name} {at * 7} mg" for at, name in enumerate(names * 3, 1)],
        [f"{at}. {text}" for at, text in enumerate(PROSE, 1)],
        [f"{at} The court may order otherwise." if at % 3 else "as it sees fit." for at in range(1, 20)],
        [f"{at * at} cells were seen in it" for at in range(1, 20)],
        ["1 lung", "2 heart", "3 liver"],
    ):
        assert texts(without_line_numbers([page(kept)])) == [kept]
