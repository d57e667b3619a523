from __future__ import annotations

import pytest

from domainlm.raw.file_names import is_inside, readable_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("资料.txt".encode(), "资料.txt"),
        ("资料.txt".encode("gbk"), "资料.txt"),
        (b"two\nlines", "two\nlines"),
        (b"\xff\xfe.txt", "\\xff\\xfe.txt"),
    ],
)
def test_every_name_is_text(name: bytes, expected: str) -> None:
    assert readable_name(name) == expected
    expected.encode("utf-8")


@pytest.mark.parametrize("name", ["a", "a/b.txt", "..a/b..", "a/...", "./a"])
def test_names_below(name: str) -> None:
    assert is_inside(name)


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "/a", "\\a", "a\\..\\b", "C:\\a", "c:a", "a\0b", "", "./"])
def test_names_that_lead_out(name: str) -> None:
    assert not is_inside(name)
