from __future__ import annotations

import pytest

from domainlm.text.reading.html import read_html


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("<tr><th><p>Age</p></th><th><p>Dose</p></th></tr><tr><td><p>2 to 6 years</p></td><td><p>5 ml</p></td></tr>",
         "Age | Dose\n2 to 6 years | 5 ml"),
        ("<tr><td><div>Infant of a year</div></td><td><div>4 ml</div></td></tr>", "Infant of a year | 4 ml"),
        ("<tr><td>Blood</td><td>99.4 %<br>(mean 99.5 %)</td><td>414</td></tr>", "Blood | 99.4 % (mean 99.5 %) | 414"),
        # empty cells keep their place
        ("<tr><td>Revenue</td><td></td><td>10 million</td></tr><tr><td>Staff</td><td>40</td><td> </td></tr>",
         "Revenue | | 10 million\nStaff | 40 |"),
        ("<tr><td></td><td>a</td></tr><tr><td>b</td><td>c</td></tr>", "| a\nb | c"),
        ("<tr><td></td><td></td></tr><tr><td>b</td><td>c</td></tr>", "b | c"),
        # and so do those that others cover
        ("<tr><td rowspan=2>a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d</td><td>e</td></tr>", "a | b\n| c\nd | e"),
        ("<tr><td colspan=2>a</td><td>b</td></tr><tr><td>c</td><td>d</td><td colspan=2>e</td></tr>", "a | | b\nc | d | e |"),
        # but a cell over all columns is a line
        ("<tr><td colspan=3>Doses of children</td></tr><tr><td>a</td><td>b</td><td>c</td></tr>", "Doses of children\na | b | c"),
        ("<tr><td rowspan=x colspan=-1>a</td><td>b</td></tr>", "a | b"),
        ("<tr><td><ul><li>one</li><li>two</li></ul></td><td>b</td></tr>", "- one - two | b"),
        ("<tr><td>only</td></tr><tr><td><p>one</p><p>cell</p></td></tr>", "only\n\none\n\ncell"),
    ],
)  # fmt: skip
def test_a_row_is_a_line(rows: str, expected: str) -> None:
    assert read_html(f"<body><table>{rows}</table></body>")[0].body == expected


def test_rows_that_lay_out_a_page_stay_blocks() -> None:
    text = "The lung takes up oxygen, and it gives off carbon dioxide with every breath. " * 4
    page = f"<table><tr><td>Left.</td><td><p>{text}</p><p>{text}</p></td></tr></table>"
    assert read_html(f"<body>{page}</body>")[0].body == f"Left.\n\n{text.strip()}\n\n{text.strip()}"
    heading = "<table><tr><td>Left.</td><td><h2>Lung</h2><p>Text.</p></td></tr></table>"
    assert [(each.title, each.body) for each in read_html(f"<body>{heading}</body>")] == [
        ("", "Left."),
        ("Lung", "Text."),
    ]
    nested = "<table><tr><td>a</td><td><table><tr><td>b</td><td>c</td></tr></table></td></tr></table>"
    assert read_html(f"<body>{nested}</body>")[0].body == "a\n\nb | c"


def test_deep_tables() -> None:
    assert read_html("<body>" + "<table><tr><td>" * 2000 + "deep")[0].body == "deep"
