from __future__ import annotations

import pytest

from domainlm.text.cleaning.look_alikes import (
    is_in_doi,
    is_no_announced_number,
    is_no_mailbox,
    is_no_telephone,
    is_row_of_table,
)


@pytest.mark.parametrize(
    ("before", "address", "after", "is_none"),
    [
        ("", "lib@1.2.jar", "", True),
        ("", "pkg@2.x.io", "", True),
        ("", "pkg@v2.io", "", False),
        ("", "ann@163.com", "", False),
        ("uses: docker/", "login@release.vx", "", True),
        ("Mail/", "ann@firm.de", "", False),
        ("", "q@k.transpose", "(0)", True),
        ("", "ann@firm.photography", "", False),
        ("a@b.de/", "ann@firm.de", "", False),
    ],
)
def test_mailboxes(before: str, address: str, after: str, is_none: bool) -> None:
    text = before + address + after
    end = len(before) + len(address)
    assert is_no_mailbox(text, len(before), end, address.partition("@")[2]) is is_none


@pytest.mark.parametrize(
    ("before", "number", "after", "is_none"),
    [
        ("", "415-555-2671", "", False),
        ("", "415-555-2671", " points", True),
        ("", "415-555-2671", "毫米", True),
        ("", "415-555-2671", " in the morning", False),
        ("size ", "415-555-2671", "", True),
        ("version ", "415.555.2671", "", True),
        ("10.1000/a.", "415-555-2671", "", True),
        ("Ohio ", "415 555 2671", "", True),
        ("please ring ", "415 555 2671", "", False),
        ("ring\n", "415 555 2671", "", True),
        ("London ", "0161 496 0066", "", False),
    ],
)
def test_telephones(before: str, number: str, after: str, is_none: bool) -> None:
    assert is_no_telephone(before + number + after, len(before), len(before) + len(number)) is is_none


@pytest.mark.parametrize(
    ("number", "is_none"),
    [
        ("181 (2020) 271-280", True),
        ("2020.12.31", True),
        ("2020.12.3145", False),
        ("10.0.15254.603", True),
        ("12.34.56.78", False),
        ("01.23.45.67.89", False),
        ("55 12 34 56 7", False),
    ],
)
def test_announced_numbers(number: str, is_none: bool) -> None:
    assert is_no_announced_number(f"Phone {number}", 6, 6 + len(number)) is is_none


def test_dois_and_rows() -> None:
    assert is_in_doi("10.1000/j.cell.2020", 15)
    assert not is_in_doi("10.1000/j 2020.12", 10)
    row = "4111 1111 1111 1111 2020"
    assert is_row_of_table(row, 0, 19)
    assert is_row_of_table(row, 5, 24)
    assert not is_row_of_table("4111 1111 1111 1111 12/25", 0, 19)
    assert not is_row_of_table("4111111111111111 2020", 0, 16)
