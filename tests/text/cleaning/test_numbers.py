from __future__ import annotations

import ast
import ipaddress
import re
from pathlib import Path

import pytest

from domainlm.text.cleaning import numbers
from domainlm.text.cleaning.numbers import (
    context_of,
    is_bank_card,
    is_chinese_identity,
    is_chinese_landline,
    is_phone,
    is_public_ipv4,
    is_public_ipv6,
    passes_luhn,
)


@pytest.mark.parametrize(
    ("number", "is_right"),
    [
        ("11010519491231002X", True),
        ("11010519491231002x", True),
        ("440524188001010014", True),
        ("110105194912310021", False),
        ("99010519491231002X", False),
        ("11010519490231002X", False),
        ("1101051949123100", False),
    ],
)
def test_chinese_identity_numbers(number: str, is_right: bool) -> None:
    assert is_chinese_identity(number) is is_right


@pytest.mark.parametrize(
    ("number", "is_right"),
    [
        ("4111111111111111", True),
        ("5555555555554444", True),
        ("378282246310005", True),
        ("30569309025904", True),
        ("6222021234567890128", True),
        ("4111111111111112", False),
        ("1234567812345670", False),
        ("0000000000000000", False),
        ("4111111111", False),
    ],
)
def test_bank_cards(number: str, is_right: bool) -> None:
    assert is_bank_card(number) is is_right


def test_luhn() -> None:
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398710")


def test_phones() -> None:
    assert is_phone("+44 20 7946 0958", None)
    assert is_phone("0033 1 42 34 56 78", None)
    assert not is_phone("+999 12345678", None)
    assert not is_phone("+44 20", None)
    assert is_phone("0161 496 0066", "GB")
    assert not is_phone("0999 123 456", "GB")


@pytest.mark.parametrize(
    ("number", "is_right"),
    [
        ("010-65551234", True),
        ("0571 8765432", True),
        ("021-6555123", False),
        ("010-20230405", False),
        ("(0755)26001234转801", True),
    ],
)
def test_chinese_landlines(number: str, is_right: bool) -> None:
    assert is_chinese_landline(number) is is_right


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("114.114.114.114", True),
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("172.20.0.1", False),
        ("127.0.0.1", False),
        ("203.0.113.9", False),
        ("224.0.0.1", False),
        ("256.1.1.1", False),
        ("114.114.014.114", False),
    ],
)
def test_public_addresses(address: str, is_public: bool) -> None:
    assert is_public_ipv4(address) is is_public


def test_public_addresses_of_version_6() -> None:
    assert is_public_ipv6("2a00:1450:4001:81b::200e")
    for address in ("2001:db8::1", "fe80::1", "12:30:45", "2a00:::1"):
        assert not is_public_ipv6(address)
    assert ipaddress.ip_address("2a00:1450:4001:81b::200e").version == 6


@pytest.mark.parametrize(
    ("before", "context"),
    [
        ("Tel: ", "person"),
        ("订单号", "other"),
        ("联系人电话：", "person"),
        ("version ", "version"),
        ("order placed by phone ", "person"),
        ("phone order ", "other"),
        ("order\n", ""),
        ("", ""),
    ],
)
def test_the_last_telling_word_on_the_line_decides(before: str, context: str) -> None:
    assert context_of(f"{before}12345678", len(before)) == context


@pytest.mark.parametrize(
    ("before", "context"),
    [("请call", "person"), ("客服tel：", "person"), ("我的id是", "other"), ("固件v", "version"), ("recall", "")],
)
def test_a_latin_word_among_chinese_is_a_word(before: str, context: str) -> None:
    assert context_of(before, len(before)) == context


def test_no_pattern_of_cleaning_asks_python_what_a_word_is() -> None:
    """`\\b` and `\\w` change their answers between Python versions, and take a Han character for a part of a Latin word."""
    for module in Path(numbers.__file__).parent.glob("*.py"):
        strings = [
            node.value
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        ]
        found = [text for text in strings if isinstance(text, str) and re.search(r"\\[bBwW](?![a-z])", text)]
        assert found == [], module.name
