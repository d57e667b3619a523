"""Personal data in text: addresses, phones, identity numbers, bank cards.

The addresses are e-mail and IP addresses; mobile and identity numbers are Chinese. In: text. Out: spans, each of one
kind. A pattern proposes, a check decides: checksum (identity numbers, cards), numbering plan (phones: Google's
phonenumbers), registered ranges (IP), and the words before it ("tel", "订单号"), because an order number has the same
digits as a phone; then what only looks like it is left out (`look_alikes.py`). A named-entity model was not chosen: it
would take a hundred times as long. Recall and precision on generated positives and look-alikes:
benchmarks/text/pii_quality.py. Names and street addresses are not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.text.cleaning.look_alikes import (
    is_in_doi,
    is_measure,
    is_no_announced_number,
    is_no_mailbox,
    is_no_telephone,
    is_row_of_table,
)
from domainlm.text.cleaning.numbers import (
    context_of,
    is_bank_card,
    is_beside_han,
    is_chinese_identity,
    is_chinese_landline,
    is_phone,
    is_public_ipv4,
    is_public_ipv6,
)
from domainlm.text.cleaning.spans import Span, without_overlaps

KINDS = ("email", "phone", "ip", "chinese_id", "mobile", "bank_card")

# no digit or ASCII letter before or after, nor a number that continues after a point or hyphen
_START = r"(?<![0-9A-Za-z_])(?<![0-9][.\-/:])(?<![0-9A-Za-z]{2}[\-/=])"
_END = r"(?![0-9A-Za-z_])(?![.\-/:][0-9])"
_EMAIL = re.compile(
    r"(?<![0-9A-Za-z._%+\-])[0-9A-Za-z][0-9A-Za-z._%+\-]{0,63}@((?:[0-9A-Za-z](?:[0-9A-Za-z\-]{0,61}[0-9A-Za-z])?\.)+"
    r"[A-Za-z]{2,24})(?![0-9A-Za-z@\-]|:[^\s0-9])"
)
# seven digits near each other: nothing below is shorter
_MANY_DIGITS = re.compile(r"[0-9](?:[ ()\-.\u2010-\u2015\xa0]{0,2}[0-9]){6}")
_CHINESE_ID = re.compile(
    _START + r"[1-8][0-9]{5} ?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?[0-9]{3}[0-9Xx]" + _END
)
_BANK_CARD = re.compile(
    _START
    + r"(?:[2-69][0-9]{12,18}|[2-69][0-9]{3}([ \-])[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?|3[47][0-9]{2}([ \-])[0-9]{6}\2[0-9]{5})"
    + _END
)
_MOBILE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<![0-9][.\-/:])(?:(?:\+|00)?86[ \-]?)?"
    r"1(?:3[0-9]|4[5-9]|5[0-35-9]|6[25-7]|7[0-8]|8[0-9]|9[0-35-9])([ \-]?)[0-9]{4}\1[0-9]{4}" + _END
)
_INTERNATIONAL = re.compile(r"(?<![0-9A-Za-z+])(?:\+|00)[1-9](?:[ .\-()]{0,2}[0-9]){6,13}" + _END)
_EXTENSION = r"(?: ?(?:x|ext\.?|转|分机)[ :：]?[0-9]{1,6})?"
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9A-Za-z_+])(?<![0-9][.\-/:])(?:(?:\+|00)?1[ .\-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}([ .\-]))[2-9][0-9]{2}[ .\-][0-9]{4}"
    + _EXTENSION
    + _END
)
_LANDLINE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<![0-9][.\-/:])(?:[(（]0[1-9][0-9]{1,2}[)）] ?|0[1-9][0-9]{1,2}[ \-]?)[2-9][0-9]{2,3}[ \-]?[0-9]{4}"
    + _EXTENSION
    + _END
)
_BRITISH = re.compile(r"(?<![0-9A-Za-z_+])(?<![0-9][ .\-/:])0[1-9][0-9]{2,4} [0-9]{3,4}(?: ?[0-9]{3,4})?" + _END)
_AREA_IN_BRACKETS = re.compile(r"(?<![0-9A-Za-z_+])\(0[0-9]{2,4}\) ?[0-9]{3,4}[ \-]?[0-9]{3,4}" + _EXTENSION + _END)
_SERVICE_LINE = re.compile(_START + r"[48]00[ \-](?:[0-9]{3}[ \-]?[0-9]{4}|[0-9]{4}[ \-]?[0-9]{3})" + _END)
# behind a word that announces a number, its form is free; found from the number, the other way round takes ten times as long
_FREE_FORM = re.compile(r"(?<![0-9A-Za-z_])[+(（]?[0-9](?:[ .\-/()（）]{0,2}[0-9]){6,14}" + _END)
_ANNOUNCES = re.compile(
    r"(?:(?<![0-9A-Za-z_])(?:[Tt]el(?:ephone)?|TEL|[Cc]all|[Pp]hone|[Mm]obile|[Cc]ell ?phone|[Ff]ax|[Ww]hats[Aa]pp|"
    # by itself it is a journal and what blood is counted in
    r"[Cc]ell(?= ?(?:no|number)(?![0-9A-Za-z_])| ?[:：]))|电话|手机|传真|热线|致电|拨打|電話|手機)"
    r"(?:号码?| ?(?:no|number)(?![0-9A-Za-z_]))?[.:：为是 ]{0,3}$"
)
ANNOUNCING_CHARS = 24
_IPV4 = re.compile(
    r"(?<![0-9A-Za-z_\-/])(?<![0-9A-Za-z]\.)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_\-版])(?!\.[0-9A-Za-z])"
)
# all that are given out begin with 2
_IPV6 = re.compile(r"(?<![0-9A-Za-z_:.])2[0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z_:])")
_FULL_WIDTH = {code: code - 0xFEE0 for code in (0xFF0B, 0xFF0D, 0xFF0E, *range(0xFF10, 0xFF1A), *range(0xFF20, 0xFF5B))}
_IS_FULL_WIDTH = re.compile("[０-９＠]")


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        if not is_no_mailbox(text, *match.span(), match[1].lower()):
            yield Span("email", *match.span())


def _numbers(text: str) -> Iterator[Span]:
    """Numbers, the most certain kinds first.

    Of two that overlap, the first stays.
    """
    for match in _CHINESE_ID.finditer(text):
        if is_chinese_identity(match[0].replace(" ", "")):
            yield Span("chinese_id", *match.span())
    for match in _BANK_CARD.finditer(text):
        is_announced = context_of(text, match.start()) == "person"
        if (
            is_bank_card(re.sub("[ -]", "", match[0]))
            and context_of(text, match.start()) != "other"
            and (is_announced or not is_row_of_table(text, *match.span()))
            and not is_in_doi(text, match.start())
        ):
            yield Span("bank_card", *match.span())
    for match in _MOBILE.finditer(text):
        context = context_of(text, match.start())
        # eleven digits by themselves are a mobile number where Chinese stands on the line, elsewhere any number
        is_number = context == "person" or (not context and (len(match[0]) > 11 or is_beside_han(text, *match.span())))
        if is_number and not is_in_doi(text, match.start()) and not is_measure(text, *match.span()):
            yield Span("mobile", *match.span())
    for match in _INTERNATIONAL.finditer(text):
        if is_phone(match[0], None) and not is_no_telephone(text, *match.span()):
            yield Span("phone", *match.span())
    for match in _BRITISH.finditer(text):
        if is_phone(match[0], "GB") and not is_no_telephone(text, *match.span()):
            yield Span("phone", *match.span())
    for match in _LANDLINE.finditer(text):
        if is_chinese_landline(match[0]) and not is_no_telephone(text, *match.span()):
            yield Span("phone", *match.span())
    for pattern in (_NORTH_AMERICAN, _AREA_IN_BRACKETS, _SERVICE_LINE):
        for match in pattern.finditer(text):
            if not is_no_telephone(text, *match.span()):
                yield Span("phone", *match.span())
    for match in _FREE_FORM.finditer(text):
        announcement = _ANNOUNCES.search(text[max(0, match.start() - ANNOUNCING_CHARS) : match.start()])
        if announcement and not is_no_announced_number(text, *match.span()):
            yield Span("phone", *match.span())


def _addresses(text: str) -> Iterator[Span]:
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            context = context_of(text, match.start())
            # small numbers are a version, a section or an enzyme (EC 2.3.1.21) far more often
            large = sum(int(part) >= 20 for part in match[0].split("."))
            is_address = context == "person" or (not context and large >= 2)
            if is_address and is_public_ipv4(match[0]) and not is_in_doi(text, match.start()):
                yield Span("ip", *match.span())
    for match in _IPV6.finditer(text):
        # a colon of the sentence
        address = match[0] if match[0].endswith("::") else match[0].removesuffix(":")
        if is_public_ipv6(address):
            yield Span("ip", match.start(), match.start() + len(address))


def personal_data(text: str) -> list[Span]:
    """Spans in order, without overlaps."""
    if not text.isascii() and _IS_FULL_WIDTH.search(text):
        # of the same length, so that places stay
        text = text.translate(_FULL_WIDTH)
    spans: list[Span] = []
    if "@" in text:
        spans += _emails(text)
    if _MANY_DIGITS.search(text):
        spans += _numbers(text)
    spans += _addresses(text)
    return without_overlaps(spans) if spans else spans
