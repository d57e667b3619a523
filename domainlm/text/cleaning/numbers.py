"""The meaning of a string of digits: checksums, plans, ranges, context.

In: digits, or a text and a place in it. Out: yes or no. Chinese identity numbers by GB 11643-1999 (province, date,
ISO 7064 MOD 11-2); cards by ISO/IEC 7812 (issuer's range, length, Luhn); phones by Google's phonenumbers; IP by the
IANA registries, written out here, because `ipaddress.is_global` changed its answers between Python versions.
"""

from __future__ import annotations

import calendar
import ipaddress
import re
from typing import Literal

# 11 to 15, 21 to 23, 31 to 37, 41 to 46, 50 to 54, 61 to 65, and 71, 81 to 83
_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
# (first digits, lengths): Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, older Chinese debit cards
_ISSUERS = tuple(
    (re.compile(first), lengths)
    for first, lengths in (
        ("4", (13, 16, 19)),
        ("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
        ("3[47]", (15,)),
        ("30[0-5]|3[689]", (14,)),
        ("6011|64[4-9]|65", (16, 19)),
        ("35(?:2[89]|[3-8])", (16,)),
        ("62", (16, 17, 18, 19)),
        ("9558|60", (16, 19)),
    )
)
# fmt: off
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)
# fmt: on
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL_IPV6 = tuple(
    ipaddress.ip_network(network) for network in ("2001:db8::/32", "2001::/32", "2002::/16", "3fff::/20")
)
# area codes of China: 010, 02x and 8 digits; 03xx to 09xx and 7 or 8 digits
_LANDLINE = re.compile("(?:(?:010|02[0-57-9])[2-9][0-9]{7}|0[3-9][0-9]{2}[2-9][0-9]{6,7})(?![0-9])")
_DATE = re.compile("(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])$")
_HAN = re.compile("[\u4e00-\u9fff]")
CONTEXT_CHARS = 24
# whole words; not by \b: to Python a Han character is of a word, and which characters are depends on its version
_PERSONAL = (
    "tel(?:ephone)?|phones?|mobile|cell ?phone|cell(?= ?(?:no|number)(?![a-z])| ?[:：])|call|fax|whatsapp|contact|cards?|visa|ip|host",
    "电话|手机|联系|传真|热线|致电|拨打|微信|電話|银行卡|卡号|身份证|账号|帐号",
)
_OTHER = (
    "orders?|invoice|tracking|serial|isbn|issn|doi|pmid|parcel|shipment|ticket|imei|timestamp|transaction|barcode|ean|upc|sku|"
    "oid|patent|item|cat|catalog(?:ue)?|ref|id|part|ec",
    "订单|单号|编号|序列号|流水|发票|快递|批号|许可证|信用代码|时间戳|条码|商品|专利|书号|学号|工号|案号|型号|交易号",
)
_VERSION = ("v(?:er(?:sion)?s?)?|release|sections?|build|chapter|firmware|driver", "§|版本|第|章|固件|升级到")
_WORDS = "(?<![0-9a-z_])(?:{})(?![0-9a-z_])|{}"
_CUES = re.compile(
    "|".join(
        f"(?P<{name}>{_WORDS.format(latin, other)})"
        for name, (latin, other) in (("person", _PERSONAL), ("other", _OTHER), ("version", _VERSION))
    )
)
# words that are also first names, offices, programs in a log and names of fields: they say what a number is only if it
# follows them
_OTHER_BEFORE = (
    "scored?|scores|record|ratio|dimensions?|sizes?|measures?|pages?|pp|volume|vol|model|arxiv|cas",
    "尺寸|规格|比分",
)
_VERSION_BEFORE = "revision|kernel|jdk|sdk|chrome|firefox"
# first names and titles, of people whom one may call
_NAME_BEFORE = "rev|patch|lot|grant"
_BETWEEN = r"""(?:[ \t]?(?:号|no|nr|number|of|is|are|was|为|是)(?![a-z]))?[ \t.:：#=/"'(（\-]{0,4}$"""
_DIRECT_CUES = re.compile(
    f"(?:(?P<other>{_WORDS.format(*_OTHER_BEFORE)})|(?P<version>(?<![0-9a-z_])(?:{_VERSION_BEFORE}))"
    f"|(?P<name>(?<![0-9a-z_])(?:{_NAME_BEFORE}))){_BETWEEN}"
)
_DIRECT_VERSION = re.compile(f"(?:{_WORDS.format(*_VERSION)}){_BETWEEN}")
Context = Literal["person", "other", "version", ""]


def context_of(text: str, start: int) -> Context:
    """The kind of number that the words before it announce.

    The last telling word on the line decides: a person's number, something else, a version. Of words that may also be a
    name, only the one in front of the number tells, and a first name does not if a person's word stands before it.
    """
    before = _before(text, start)
    last: Context = ""
    for match in _CUES.finditer(before):
        last = match.lastgroup  # type: ignore[assignment]
    direct = _DIRECT_CUES.search(before)
    if direct is None:
        return last
    if direct.lastgroup == "name":
        return last or "version"
    return direct.lastgroup  # type: ignore[return-value]


def _before(text: str, start: int) -> str:
    """What stands before a place on its line, in small letters."""
    return text[max(0, start - CONTEXT_CHARS) : start].rpartition("\n")[2].lower()


def is_version(text: str, start: int) -> bool:
    """Whether the word before a number makes it a version."""
    before = _before(text, start)
    return _DIRECT_VERSION.search(before) is not None or (
        context_of(text, start) == "version" and _DIRECT_CUES.search(before) is not None
    )


def is_beside_han(text: str, start: int, end: int) -> bool:
    """Whether a Han character is near on the same line."""
    before = text[max(0, start - CONTEXT_CHARS) : start].rpartition("\n")[2]
    after = text[end : end + CONTEXT_CHARS].partition("\n")[0]
    return bool(_HAN.search(before) or _HAN.search(after))


def is_chinese_identity(number: str) -> bool:
    """18 characters: province, date of birth, check digit (GB 11643-1999)."""
    if len(number) != 18 or not _PROVINCE.match(number):
        return False
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return _CHECK_DIGITS[total % 11] == number[17].upper()


def passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_bank_card(digits: str) -> bool:
    """Whether it has an issuer's range and length, and passes Luhn.

    A number of one repeated digit passes Luhn, but is none.
    """
    return (
        any(len(digits) in lengths and first.match(digits) for first, lengths in _ISSUERS)
        and len(set(digits)) > 1
        and passes_luhn(digits)
    )


def is_phone(number: str, region: str | None) -> bool:
    """Whether the numbering plan of its country has the number.

    region: ISO 3166, None if it begins with + or 00.
    """
    import phonenumbers

    try:
        return bool(
            phonenumbers.is_valid_number(phonenumbers.parse(number if region else re.sub("^00", "+", number), region))
        )
    except phonenumbers.NumberParseException:
        return False


def is_chinese_landline(number: str) -> bool:
    """Whether area code and number have matching lengths, and are no date.

    An extension may follow.
    """
    number = re.sub("[^0-9x转分]", "", number)
    return bool(_LANDLINE.match(number)) and not _DATE.search(number)


def is_public_ipv4(address: str) -> bool:
    """Whether it is a public address: four numbers below 256, not reserved.

    A number has no leading zero.
    """
    parts = address.split(".")
    if max(map(int, parts)) > 255 or any(len(part) > 1 and part[0] == "0" for part in parts):
        return False
    found = ipaddress.ip_address(address)
    return not any(found in network for network in _NOT_PUBLIC)


def is_public_ipv6(address: str) -> bool:
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return found in _GLOBAL_IPV6 and not any(found in network for network in _NOT_GLOBAL_IPV6)
