from __future__ import annotations

import pytest

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


ELEMENTS = ["hydrogen", "helium", "lithium", "beryllium", "boron", "carbon", "nitrogen", "oxygen", "fluorine", "neon"]
CONTENTS = [
    "范围",
    "规范性引用文件",
    "术语和定义",
    "缩略语",
    "总体要求",
    "技术要求",
    "试验方法",
    "检验规则",
    "标志",
    "包装",
]
WORDS = ["abandon", "ability", "able", "about", "above", "abroad", "absence", "absolute", "absorb", "abstract"]
HAN = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热咳嗽，严重者可出现呼吸困难需要及时就医。"


def wide(texts: list[str]) -> list[Line]:
    """Lines of which each Han character takes a font size."""
    widths = [sum(10 if "\u3400" <= character <= "\u9fff" else 5 for character in text) for text in texts]
    return [
        Line(text, 40, 40 + width, 700 - 12 * at, 10)
        for at, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]


@pytest.mark.parametrize(
    "kept",
    [
        [f"{at} {text}" for at, text in enumerate(CONTENTS, 1)],
        [f"{at} 药品{at}号 5mg" for at in range(1, 20)],
        [f"{at} 阿莫西林胶囊，每次{at + 3}毫克，每日三次，饭后服用" for at in range(1, 20)],
        [f"{at} {name} {at * 1.01:.2f}" for at, name in enumerate(ELEMENTS, 1)],
        [f"{at} {name}" for at, name in enumerate(WORDS, 1)],
        [f"{2000 + at} the ward had {at + 20} beds, and nurses of its own" for at in range(1, 15)],
        [f"{2000 + at} {text}" for at, text in enumerate(PROSE, 1)],
        [f"{at} the {name} is kept in a cool, dry place of the house" for at, name in enumerate(ELEMENTS, 1)],
        [f"{at} put {name} on it, then wait{' for a while' * (at % 4)}" for at, name in enumerate(ELEMENTS, 1)],
        [f"{at} {text} {at * 5} mg" for at, text in enumerate(PROSE, 1)],
    ],
)
def test_lists_contents_tables_and_years_keep_their_numbers(kept: list[str]) -> None:
    assert texts(without_line_numbers([wide(kept)])) == [kept]


def test_rows_of_cells_keep_their_numbers() -> None:
    rows = [line._replace(has_cells=True) for line in page([f"{at} {text}" for at, text in enumerate(PROSE, 1)])]
    assert without_line_numbers([rows]) == [rows]
    numbers = [Line(str(at), 40, 50, 712 - 12 * at, 10) for at in range(1, 11)]
    cells = [Line(f"{name}, or", 70, 130, 700 - 12 * at, 10) for at, name in enumerate(ELEMENTS)]
    more = [Line("so, and", 300, 500, 700 - 12 * at, 10) for at in range(10)]
    table = [each for row in zip(numbers, cells, more, strict=True) for each in row]
    assert without_line_numbers([table]) == [table]


def test_lines_of_han_may_be_numbered() -> None:
    lines = [(HAN * 12)[at : at + 28] for at in range(0, 28 * 18, 28)]
    numbered = wide([f"{at} {text}" for at, text in enumerate(lines, 1)])
    assert texts(without_line_numbers([numbered])) == [lines]
