"""Personal data found in generated texts: recall on positives, precision against look-alikes, by kind.

In: nothing. Out: Markdown tables. Positives are made by Faker (seeded; its numbers, not ours) and written in the ways people
write them, in English and Chinese sentences with and without a word that announces them. Look-alikes have the same digits
and mean something else: order numbers, versions, ISBN, DOI, timestamps, enzyme numbers, numbers with a wrong check digit.
Sentences and look-alikes are split: half were looked at when the patterns were written (`--half chosen`), half are
reported. Right = a span of the kind that covers the whole value. A false alarm = any span in a sentence without personal
data. As many look-alikes as positives, so that precision is not flattered. Then false alarms per megabyte of real text, where
a corpus is given: a folder of text files.

    python benchmarks/text/pii_quality.py [--half chosen] [--texts FOLDER]
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faker import Faker

from domainlm.text.cleaning.numbers import passes_luhn
from domainlm.text.cleaning.pii import KINDS, personal_data

POSITIVES_PER_KIND = 600
# even ones were looked at, odd ones are reported; {} is the value
SENTENCES = {
    "email": [
        "Please write to {} for details.",
        "Contact: {}",
        "联系邮箱：{}。",
        "有问题请发邮件到{}，我们会尽快回复。",
        "<{}>",
        "作者（{}）单位不详",
        "{} wrote on Monday:",
        "Send your CV to {}, quoting the reference.",
        "邮箱{}已停用",
        "mailto:{}",
    ],
    "phone": [
        "Call {} between 9 and 5.",
        "Tel.: {}",
        "Our office ({}) is closed on Sundays.",
        "Phone: {}\nFax: none",
        "The number is {}.",
        "Ring {} or come by.",
        "联系电话：{}",
        "传真 {}，请注明收件人。",
        "请致电{}咨询",
        "总机{}。",
    ],
    "ip": [
        "The request came from {} at noon.",
        "Blocked {} after five attempts.",
        "服务器地址为{}。",
        "来自{}的访问被拒绝",
        "{} - - GET /index.html",
        "ping {} failed",
        "host {} is down",
        "登录IP：{}",
        "Connection from {} closed.",
        "在{}上部署了服务",
    ],
    "chinese_id": [
        "身份证号：{}。",
        "身份证号码为{}，住址不详",
        "张三，{}，男",
        "ID card {} was checked.",
        "证件号 {}",
        "原告李四（公民身份号码{}）",
        "持{}办理登记",
        "National ID: {}",
        "姓名：王五 {}",
        "被告人{}出庭",
    ],
    "mobile": [
        "手机：{}",
        "请拨打{}联系王先生",
        "加我微信{}",
        "联系人李女士 {}",
        "收件人电话{}，地址如下",
        "My Chinese number is {}.",
        "Mobile {} (China)",
        "有意者请联系{}。",
        "{}（张经理）",
        "短信发送至{}即可",
    ],
    "bank_card": [
        "银行卡号：{}",
        "请汇款至{}，户名张三",
        "Card number {} expired.",
        "Pay with {} please.",
        "卡号{}已挂失",
        "尾号见{}。",
        "He typed {} into the form.",
        "账号 {} 开户行略",
        "Visa: {}",
        "转账到{}",
    ],
}


def digits(dice: random.Random, count: int) -> str:
    return str(dice.randint(1, 9)) + "".join(str(dice.randint(0, 9)) for _ in range(count - 1))


def grouped(number: str, separator: str) -> str:
    return separator.join(number[at : at + 4] for at in range(0, len(number), 4))


class Makers:
    """Values of each kind, by one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.by_locale = {name: Faker(name) for name in ("en_US", "en_GB", "zh_CN", "de_DE", "fr_FR")}
        for faker in self.by_locale.values():
            faker.seed_instance(seed)

    def email(self) -> str:
        faker = self.by_locale[self.dice.choice(["en_US", "zh_CN", "de_DE"])]
        name = faker.user_name()
        domain = self.dice.choice(
            [faker.domain_name(), "qq.com", "163.com", "gmail.com", f"mail.{faker.domain_name()}", "tsinghua.edu.cn"]
        )
        name = self.dice.choice(
            [name, f"{name}+news", f"{name}.{name[:3]}", name.upper(), digits(self.dice, 9), f"{name}_1"]
        )
        return f"{name}@{domain}"

    def phone(self) -> str:
        kind = self.dice.randrange(6)
        if kind < 2:
            return self.by_locale["en_US"].phone_number()
        if kind == 2:
            return self.by_locale["en_GB"].phone_number()
        if kind == 3:
            return (
                self.dice.choice(["+49 30 ", "+49 (0) 89 ", "+33 1 ", "0033 1 "]).strip()
                + " "
                + (
                    f"{self.dice.randint(20, 59)} {self.dice.randint(10, 99)} {self.dice.randint(10, 99)} {self.dice.randint(10, 99)}"
                )
            )
        area, length = self.dice.choice([("010", 8), ("021", 8), ("0755", 8), ("0571", 8), ("0931", 7), ("0451", 8)])
        number = str(self.dice.randint(2, 8)) + digits(self.dice, length - 1)
        form = self.dice.choice(["{}-{}", "({}){}", "（{}）{}", "{} {}", "+86-{}-{}", "{}-{}转801"])
        return form.format(area[1:] if "+" in form else area, number)

    def ip(self) -> str:
        if self.dice.random() < 0.8:
            return self.by_locale["en_US"].ipv4_public()
        while True:
            found = self.by_locale["en_US"].ipv6()
            if found[0] == "2" and not found.startswith(("2001:", "2002:")) and len(found.split(":")[0]) == 4:
                return found

    def chinese_id(self) -> str:
        found = self.by_locale["zh_CN"].ssn()
        return self.dice.choice([found, found, found.lower(), f"{found[:6]} {found[6:14]} {found[14:]}"])

    def mobile(self) -> str:
        n = self.by_locale["zh_CN"].phone_number()
        spread = f"{n[:3]}{{0}}{n[3:7]}{{0}}{n[7:]}"
        return self.dice.choice(
            [n, n, spread.format(" "), spread.format("-"), f"+86 {n}", f"+86{n}", f"86-{n}", f"0086{n}"]
        )

    def bank_card(self) -> str:
        if self.dice.random() < 0.5:
            number = self.dice.choice(["622202", "621700", "622848", "625912"]) + digits(
                self.dice, self.dice.choice([9, 12])
            )
            number += next(str(check) for check in range(10) if passes_luhn(f"{number}{check}"))
        else:
            # not its JCB numbers, which are outside of the issuer's range 3528 to 3589
            kind = self.dice.choice(["visa16", "mastercard", "amex", "discover", "diners"])
            number = self.by_locale["en_US"].credit_card_number(card_type=kind)
        if len(number) == 15:
            return self.dice.choice([number, f"{number[:4]} {number[4:10]} {number[10:]}"])
        if len(number) == 14:
            return number
        return self.dice.choice([number, number, grouped(number, " "), grouped(number, "-")])

    def look_alikes(self) -> list[Callable[[], str]]:
        """Even ones were looked at, odd ones are reported."""
        d, us, zh = self.dice, self.by_locale["en_US"], self.by_locale["zh_CN"]
        return [
            lambda: f"订单号{digits(d, 16)}已发货",
            lambda: f"Order {digits(d, 16)} was shipped.",
            lambda: f"快递单号：{digits(d, 13)}",
            lambda: f"tracking number {digits(d, 12)}",
            lambda: f"version {d.randint(1, 30)}.{d.randint(0, 99)}.{d.randint(0, 255)}.{d.randint(0, 255)}",
            lambda: f"升级到{d.randint(1, 9)}.{d.randint(0, 50)}.{d.randint(0, 20)}.{d.randint(0, 99)}版本",
            lambda: f"ISBN {us.isbn13()}",
            lambda: f"书号：{us.isbn13(separator='')}",
            lambda: (
                f"doi:10.{d.randint(1000, 9999)}/s{digits(d, 5)}-0{d.randint(10, 25)}-{digits(d, 5)}-{d.randint(0, 9)}"
            ),
            lambda: f"https://doi.org/10.{d.randint(1000, 9999)}/j.x.{d.randint(2000, 2024)}.{digits(d, 6)}",
            lambda: f"at {d.randint(1500000000, 1800000000)} seconds",
            lambda: f"timestamp {d.randint(1500000000000, 1800000000000)}",
            lambda: f"{us.date()} {us.time()}.{digits(d, 6)}",
            lambda: f"{us.date().replace('-', '')}{us.time().replace(':', '')}.log",
            lambda: f"UUID {us.uuid4()}",
            lambda: f"commit {us.sha1()}",
            lambda: f"IMEI {digits(d, 15)}",
            lambda: f"EAN {us.ean13()}",
            lambda: f"(EC {d.randint(1, 7)}.{d.randint(1, 20)}.{d.randint(1, 20)}.{d.randint(1, 99)})",
            lambda: f"OID 1.3.6.1.4.{d.randint(1, 9)}.{digits(d, 4)}",
            lambda: f"CAS {digits(d, 5)}-{digits(d, 2)}-{d.randint(0, 9)}",
            lambda: f"HP:{digits(d, 7)} and SNOMED {digits(d, 9)}",
            lambda: f"at {us.latitude()}, {us.longitude()}",
            lambda: f"北纬{d.uniform(20, 50):.6f}，东经{d.uniform(80, 130):.6f}",
            lambda: f"营业收入{d.uniform(1e7, 1e10):,.2f}元",
            lambda: f"a population of {d.randint(10**6, 10**9):,}",
            lambda: f"server at 192.168.{d.randint(0, 255)}.{d.randint(0, 255)}",
            lambda: f"listens on 127.0.0.1:{digits(d, 4)} and 10.{d.randint(0, 255)}.{d.randint(0, 255)}.1",
            lambda: f"{us.user_name()}@example.com",
            lambda: f"npm install {us.user_name()}@{d.randint(1, 20)}.{d.randint(0, 20)}.{d.randint(0, 20)}",
            lambda: f"icon-{d.randint(1, 99)}@2x.png",
            lambda: f"git clone git@github.com:{us.user_name()}/{us.user_name()}.git",
            lambda: f"@{us.user_name()} wrote @{us.user_name()}",
            lambda: f"MAC {us.mac_address()}",
            lambda: f"编号{self._wrong_id()}",
            lambda: f"号码{self._wrong_id()}无效",
            lambda: f"{self._wrong_card()} is not a card",
            lambda: f"流水号{self._wrong_card()}",
            lambda: f"统一社会信用代码 91{digits(d, 6)}{zh.lexify('????????').upper()}{digits(d, 2)}",
            lambda: f"专利号ZL{d.randint(2000, 2023)}{digits(d, 8)}.{d.randint(0, 9)}",
            lambda: (
                f"pages {d.randint(100, 999)}-{d.randint(1000, 9999)}, {d.randint(1990, 2020)}-{d.randint(2021, 2024)}"
            ),
            lambda: f"arXiv:{d.randint(10, 24)}{d.randint(10, 12)}.{digits(d, 5)}",
            lambda: f"PMID {digits(d, 8)}; PMCID PMC{digits(d, 7)}",
            lambda: f"NCT{digits(d, 8)} enrolled {digits(d, 4)} patients",
            lambda: f"section {d.randint(1, 9)}.{d.randint(1, 9)}.{d.randint(1, 9)}.{d.randint(1, 9)}",
            lambda: f"第{d.randint(1, 9)}.{d.randint(1, 9)}.{d.randint(1, 9)}.{d.randint(1, 9)}节",
            lambda: f"{digits(d, 3)} {digits(d, 3)} {digits(d, 3)} bytes",
            lambda: f"{d.uniform(0, 1):.4f} {d.uniform(0, 1):.4f} {d.uniform(0, 1):.4f} {d.uniform(0, 9):.2f}",
            lambda: f"at {us.time()} std::vector<int> a::b::{us.user_name()}",
            lambda: f"批号{us.date().replace('-', '')}{digits(d, 3)}",
            lambda: f"学号{d.randint(2010, 2024)}{digits(d, 8)}",
            lambda: f"IBAN {us.iban()}",
            lambda: f"QQ群{digits(d, 9)}",
            lambda: f"邮编{digits(d, 6)}，代码{digits(d, 6)}.SH",
            lambda: f"the file is {digits(d, 11)} bytes long",
            lambda: f"共{digits(d, 11)}次访问",
            # without a word that says what they are
            lambda: f"计数器读数{d.choice(['4', '5', '62'])}{digits(d, 15)}"[:21],
            lambda: f"key={d.choice(['4', '51', '62'])}{digits(d, 15)}"[:20],
            lambda: f"Cat. No. {d.randint(200, 999)}-{d.randint(200, 999)}-{digits(d, 4)}",
            lambda: f"model {d.randint(200, 999)}-{d.randint(200, 999)}-{digits(d, 4)}",
            lambda: f"日志010-{us.date().replace('-', '')}",
            lambda: f"表0571-{us.date().replace('-', '')}",
            lambda: f"{d.randint(20, 255)}.{d.randint(20, 255)}.{d.randint(0, 255)}.{d.randint(0, 255)}版",
            lambda: f"libfoo-{d.randint(20, 99)}.{d.randint(20, 99)}.{d.randint(0, 99)}.{d.randint(0, 99)}",
            lambda: f"x = {d.randint(13000000000, 19999999999)};",
            lambda: f"| {d.randint(13000000000, 19999999999)} | {d.randint(13000000000, 19999999999)} |",
        ]

    def _wrong_id(self) -> str:
        found = self.by_locale["zh_CN"].ssn()
        return found[:17] + self.dice.choice([check for check in "0123456789X" if check != found[17].upper()])

    def _wrong_card(self) -> str:
        number = self.dice.choice(["4", "5", "62"]) + digits(self.dice, 15)
        number = number[:16]
        return number[:15] + str((int(number[15]) + 1) % 10) if passes_luhn(number) else number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=["chosen", "reported"], default="reported")
    parser.add_argument("--show", type=int, default=0, help="misses and false alarms to print, per kind")
    parser.add_argument("--texts", type=Path, help="folder of real text files: false alarms per megabyte")
    arguments = parser.parse_args()
    half = int(arguments.half == "reported")
    makers = Makers(half)
    found: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    for kind in KINDS:
        sentences = SENTENCES[kind][half::2]
        for number in range(POSITIVES_PER_KIND):
            value = getattr(makers, kind)()
            before, after = sentences[number % len(sentences)].split("{}")
            text = before + value + after
            spans = personal_data(text)
            is_found = any(
                span.kind == kind and span.start <= len(before) and span.end >= len(before) + len(value)
                for span in spans
            )
            found[kind] += is_found
            if not is_found and shown[kind] < arguments.show:
                shown[kind] += 1
                print(f"missed {kind}: {text!r}: {[(span.kind, text[span.start : span.end]) for span in spans]}")
    alarms: Counter[str] = Counter()
    makers_of_look_alikes = makers.look_alikes()[half::2]
    look_alikes = POSITIVES_PER_KIND * len(KINDS)
    for number in range(look_alikes):
        text = makers_of_look_alikes[number % len(makers_of_look_alikes)]()
        for span in personal_data(text):
            alarms[span.kind] += 1
            if shown["alarm " + span.kind] < arguments.show:
                shown["alarm " + span.kind] += 1
                print(f"false alarm {span.kind}: {text!r}")
    print(
        f"\n{look_alikes} look-alikes of {len(makers_of_look_alikes)} kinds; {POSITIVES_PER_KIND} positives of each kind\n"
    )
    print("| kind | recall | precision | false alarms |")
    print("|---|---|---|---|")
    for kind in KINDS:
        print(
            f"| {kind} | {found[kind] / POSITIVES_PER_KIND:.3f} | {found[kind] / (found[kind] + alarms[kind]):.3f} | {alarms[kind]} |"
        )
    right, wrong = found.total(), alarms.total()
    print(f"| all | {right / look_alikes:.3f} | {right / (right + wrong):.3f} | {wrong} |")
    if arguments.texts is not None:
        on_real_text(arguments.texts, arguments.show)


def on_real_text(folder: Path, show: int) -> None:
    size, alarms = 0, Counter[str]()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            size += path.stat().st_size
            for span in personal_data(text):
                alarms[span.kind] += 1
                if alarms[span.kind] <= show:
                    print(f"{path.name}: {span.kind}: {text[max(0, span.start - 20) : span.end + 10]!r}")
    print(f"\n{size / 1e6:.1f} MB of real text: {dict(sorted(alarms.items()))}")


if __name__ == "__main__":
    main()
