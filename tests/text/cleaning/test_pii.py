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
        ("Cell: 415 555 2671", "phone", "415 555 2671"),
        ("Call us at 415 555 2671 today", "phone", "415 555 2671"),
        ("my cell number 415 555 2671", "phone", "415 555 2671"),
        ("Phone 55.12.34.56", "phone", "55.12.34.56"),
        ("客服 400 810 1234", "phone", "400 810 1234"),
        ("致电010-65551234次日", "phone", "010-65551234"),
        ("电话010-65551234人事部", "phone", "010-65551234"),
        ("E-mail/john@firm.de", "email", "john@firm.de"),
        ("用户12345@163.com", "email", "12345@163.com"),
        ("ann@v5.com", "email", "ann@v5.com"),
        ("paid by 4111 1111 1111 1111 12/25 123", "bank_card", "4111 1111 1111 1111"),
        ("from 114.215.30.7 at noon", "ip", "114.215.30.7"),
        ("host 8.8.8.8 is down", "ip", "8.8.8.8"),
        ("from 2a00:1450:4001:81b::200e: refused", "ip", "2a00:1450:4001:81b::200e"),
        ("身份证11010519491231002X，", "chinese_id", "11010519491231002X"),
        ("证件 110105 19491231 002x", "chinese_id", "110105 19491231 002x"),
        (f"卡号{CARD}", "bank_card", CARD),
        ("paid by 4111 1111 1111 1111.", "bank_card", "4111 1111 1111 1111"),
        ("paid by 3782 822463 10005.", "bank_card", "3782 822463 10005"),
        # what follows is no unit
        ("tel 010-62345678 个人业务", "phone", "010-62345678"),
        ("010-62345678 个人业务", "phone", "010-62345678"),
        ("联系电话：021-61234567 户名：李四", "phone", "021-61234567"),
        ("+886 2 2345 6789 台湾办事处", "phone", "+886 2 2345 6789"),
        ("Call +1 415 555 2671 people", "phone", "+1 415 555 2671"),
        ("Call 415-555-2671 users", "phone", "415-555-2671"),
        ("(415) 555-2671 points of contact", "phone", "(415) 555-2671"),
        ("热线 400-810-1234 人工", "phone", "400-810-1234"),
        ("电话 62345678 万先生", "phone", "62345678"),
        ("手机13800138000 个人业务", "mobile", "13800138000"),
        ("手机13800138000元女士", "mobile", "13800138000"),
        # a name in brackets is no call
        ("邮箱zhangsan@163.com(张三)", "email", "zhangsan@163.com"),
        ("ann@firm.de(Ann Lee)", "email", "ann@firm.de"),
        ("ann@firm.to(Ann Lee)", "email", "ann@firm.to"),
        # words that are names, and programs and fields that have no number of their own
        ("Rev. John Smith, 415-555-2671", "phone", "415-555-2671"),
        ("Patch Adams, 415-555-2671", "phone", "415-555-2671"),
        ("Grant Miller, 415-555-2671", "phone", "415-555-2671"),
        ("Section manager: 415-555-2671", "phone", "415-555-2671"),
        ("call Grant 415-555-2671", "phone", "415-555-2671"),
        ('{"size": 3, "p": "415-555-2671"}', "phone", "415-555-2671"),
        ("规格咨询 13812345678", "mobile", "13812345678"),
        ("kernel: DROP SRC=203.205.254.103", "ip", "203.205.254.103"),
        ("Chrome/120.0 from 203.205.254.103", "ip", "203.205.254.103"),
        *(
            (f"{word} 415 555 2671", "phone", "415 555 2671")
            for word in ("Cell", "P:", "T", "T:", "Ph.", "Office", "direct", "M:", "Téléphone", "teléfono")
        ),
        *(
            (f"Mail {address}", "email", address)
            for address in ("user@belize.bz", "juan@empresa.com.py", "maria@correo.py", "ion@firma.md", "a.b@shop.zip")
        ),
        ("paid by 4111 1111 1111 1111 1225", "bank_card", "4111 1111 1111 1111"),
        ("paid by 4111 1111 1111 1111 1225 123", "bank_card", "4111 1111 1111 1111"),
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
        "Ohio 745 312 1985\nIowa 234 567 2019\nUtah 312 845 2020",
        "scored 312-245-1998 points, and the record was 415 300 2211 at the end",
        "doi 10.1016/j.cell.2020.04.035 and 10.1000/182-345-6789",
        "https://doi.org/10.1002/312-845-2020 or 10.1000/13800138000的论文",
        "Cell 181 (2020) 271-280; Mol. Cell 79 (2020) 521-534; Mobile 12 (2020) 271-280",
        "the red cell 4500000, T cell 12 500 000",
        "手机2020.12.31上市，2020年手机 12000000 台",
        "Call 2020-12-31, fax 12.05.2021 18, Tel 2020/12/31",
        "WhatsApp 2.20.25.160301 and Mobile 10.0.15254.603",
        "dimensions 400-600-1850, 312-845-2020 mm, 450 320 1850, 尺寸：400-600-1850",
        "第312-845-2020页，热线 400-600-1850 毫米",
        "2016 2017 2018 2019 4111 1111 1111 1111 2020",
        "revision 114.215.30.7, Chrome 114.215.30.7",
        "lib@1.2.jar, pkg@2.0.tgz, app@1.0.war, foo@1.2.3-beta.rc, x@4.x.dev, a@v5.main, photo@3x.webp",
        "uses: setup/python@v5.main, docker/login@release.vx, @scope/pkg@feature.branch",
        "y = q@k.transpose(0, 1); root@host.internal, root@db.lan",
        "tool@2.zip, doc@v5.md, lib@1.2.py, repo@main.zip, x@w.to(device), a@b.mm(c)",
        "size: 415-555-2671, 规格：400-600-1850, Chrome: 114.215.30.7, pages 312-845-2020, section 415.555.2671",
        "415-555-2671 people, 400-600-1850个, 415-555-2671 台",
        "4111 1111 1111 1111 1225 1830",
        "HP:0001250 MONDO:0005148 10.5281/zenodo.1234567",
        "",
    ],
)
def test_look_alikes(text: str) -> None:
    assert found(text) == []


def test_addresses_beside_each_other_are_two() -> None:
    assert found("anna@firm.com/ben@firm.com") == [("email", "anna@firm.com"), ("email", "ben@firm.com")]


def test_several_in_one_text_are_in_order_and_do_not_overlap() -> None:
    text = f"a@b.cn 电话13800138000\n手机13900139000，卡号{CARD}，身份证11010519491231002X"
    assert [kind for kind, _ in found(text)] == ["email", "mobile", "mobile", "bank_card", "chinese_id"]


@pytest.mark.parametrize(
    "part",
    [
        "1",
        "1 ",
        "a@",
        "a.",
        "a@a.",
        "2001:",
        "+1 ",
        "00 1",
        "1.",
        "(0",
        "电话1-",
        "4111 ",
        "-",
        "a-",
        "１",
        "a/",
        "10.1000/",
        "a/b@c.d/",
        "Tel 1.",
        "4111 1111 ",
    ],
)
def test_hostile_text_takes_linear_time(part: str) -> None:
    start = time.process_time()
    personal_data(part * 20_000)
    assert time.process_time() - start < 2


def test_a_latin_word_behind_chinese_announces_a_number() -> None:
    text = "请Call 555 012 3456 01"
    assert [(span.kind, text[span.start : span.end]) for span in personal_data(text)] == [("phone", "555 012 3456 01")]
