from __future__ import annotations

import pytest

from domainlm.text.reading.html import read_html


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("<ol><li>Install.</li><li><p>Set the key.</p></li></ol>", "1. Install.\n2. Set the key."),
        ("<ol start=3><li>Run.</li><li>Check.</li></ol>", "3. Run.\n4. Check."),
        ("<ol><li>a<li value=7>b<li>c</ol>", "1. a\n7. b\n8. c"),
        ("<ol reversed><li>a<li>b</ol>", "2. a\n1. b"),
        ("<ol type=a start=26><li>x<li>y</ol>", "z. x\naa. y"),
        ('<ol style="list-style-type: upper-roman" start=4><li>x<li>y</ol>', "IV. x\nV. y"),
        ('<ol style="list-style: none"><li>x</ol>', "- x"),
        ("<ol start=x><li>x</ol>", "1. x"),
        ("<ol><li>a<ul><li>b</ul><li>c<ol><li>d</ol></ol>", "1. a\n\n- b\n\n2. c\n\n1. d"),
        ("<ul><li><ul><li>x</ul></ul>", "-\n\n- x"),
        # numbered by the author
        ("<ol><li><a>1. Scope</a><li>2.1. Terms<li>2.5 mg twice</ol>", "- 1. Scope\n- 2.1. Terms\n3. 2.5 mg twice"),
    ],
)
def test_items_have_the_numbers_that_are_shown(listed: str, expected: str) -> None:
    assert read_html(f"<body>{listed}</body>")[0].body == expected
