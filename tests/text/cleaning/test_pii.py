from __future__ import annotations

import time

import pytest

from domainlm.text.cleaning.pii import personal_data

CARD = "6222021234567890128"


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in personal_data(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Write to Ann.Lee+news@mail.firm.co.uk.", "email", "Ann.Lee+news@mail.firm.co.uk"),
        ("邮箱12345@qq.com，欢迎来信", "email", "12345@qq.com"),
        ("邮箱ａ１@firm.cn", "email", "ａ１@firm.cn"),
        ("请拨打１３８００１３８０００", "mobile", "１３８００１３８０００"),
        ("联系人13800138000。", "mobile", "13800138000"),
        ("手机：138-0013-8000", "mobile", "138-0013-8000"),
        ("电话+86 138 0013 8000", "mobile", "+86 138 0013 8000"),
        ("Mobile 13800138000", "mobile", "13800138000"),
        ("Call (415) 555-2671 now", "phone", "(415) 555-2671"),
        ("the number is 415.555.2671x123", "phone", "415.555.2671x123"),
        ("London +44 20 7946 0958.", "phone", "+44 20 7946 0958"),
        ("London 0161 496 0066.", "phone", "0161 496 0066"),
        ("总机010-65551234转801", "phone", "010-65551234转801"),
        ("服务热线400-810-1234", "phone", "400-810-1234"),
        ("Tel.: 55 12 34 56 7", "phone", "55 12 34 56 7"),
        ("from 114.215.30.7 at noon", "ip", "114.215.30.7"),
        ("host 8.8.8.8 is down", "ip", "8.8.8.8"),
        ("from 2a00:1450:4001:81b::200e: refused", "ip", "2a00:1450:4001:81b::200e"),
        ("身份证11010519491231002X，", "chinese_id", "11010519491231002X"),
        ("证件 110105 19491231 002x", "chinese_id", "110105 19491231 002x"),
        (f"卡号{CARD}", "bank_card", CARD),
        ("paid by 4111 1111 1111 1111.", "bank_card", "4111 1111 1111 1111"),
        ("paid by 3782 822463 10005.", "bank_card", "3782 822463 10005"),
    ],
)
def test_found(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "订单号13800138000已发货",
        "x = 13800138000;",
        "共13800138000元",
        "order 4111 1111 1111 1111",
        "4111111111111112",
        "编号110105194912310021",
        "version 114.215.30.7",
        "libfoo-114.215.30.7.so",
        "(EC 2.3.1.21) and EC 4.99.1.51",
        "lactate dehydrogenase (LHD; 1.1.1.27), (2.3.1.51)",
        "1.3.6.1.4.1.311",
        "192.168.30.77 and 10.20.30.40",
        "ISBN 978-7-302-12345-6",
        "doi:10.1000/s13800-013-8000-5",
        "2021-03-04 12:30:45.123456",
        "日志010-20230405",
        "at 1700000000000 ms",
        "550e8400-e29b-41d4-a716-446655440000",
        "user@example.com, icon@2x.png, lodash@4.17.21, git@github.com:a/b.git, @name",
        "std::vector<int> a::b at 12:30:45",
        "HP:0001250 MONDO:0005148 10.5281/zenodo.1234567",
        "",
    ],
)
def test_look_alikes(text: str) -> None:
    assert found(text) == []


def test_several_in_one_text_are_in_order_and_do_not_overlap() -> None:
    text = f"a@b.cn 电话13800138000\n手机13900139000，卡号{CARD}，身份证11010519491231002X"
    assert [kind for kind, _ in found(text)] == ["email", "mobile", "mobile", "bank_card", "chinese_id"]


@pytest.mark.parametrize(
    "part", ["1", "1 ", "a@", "a.", "a@a.", "2001:", "+1 ", "00 1", "1.", "(0", "电话1-", "4111 ", "-", "a-", "１"]
)
def test_hostile_text_takes_linear_time(part: str) -> None:
    start = time.perf_counter()
    personal_data(part * 20_000)
    assert time.perf_counter() - start < 2


def test_a_latin_word_behind_chinese_announces_a_number() -> None:
    text = "请Call 555 012 3456 01"
    assert [(span.kind, text[span.start : span.end]) for span in personal_data(text)] == [("phone", "555 012 3456 01")]
