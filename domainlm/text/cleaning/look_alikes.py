"""What looks like personal data and is something else.

In: a text and the place that a pattern of `pii.py` proposes. Out: whether something else stands there: a package with
its version, a workflow's action, a file; a DOI, a citation, a date, a version; a measure, a count, a row of a table.
Only what is beside the place is looked at, and only where a pattern proposes one, so ordinary text costs nothing.
Doubt is personal data where a word announces it, and none where numbers are only side by side.
"""

from __future__ import annotations

import re

from domainlm.text.cleaning.numbers import CONTEXT_CHARS, context_of, is_version

# reserved for examples and for networks of one's own (RFC 2606, RFC 6762, ICANN 2024)
_RESERVED_DOMAIN = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|localdomain|local|internal|lan|corp)$"
)
# endings of files that are no domains
_FILE_SUFFIX = re.compile(
    "png|jpe?g|gif|svg|webp|ico|bmp|tiff?|css|s[ac]ss|less|m?[jt]sx?|cjs|wasm|map|html?|xhtml|vue|json|jsonl|pyi|txt|rst|tex|ya?ml|toml|"
    "ini|cfg|conf|lock|log|csv|tsv|sql|sqlite|xml|xsd|pdf|docx?|xlsx?|pptx?|odt|epub|tar|t?gz|tgz|xz|zst|rar|jar|war|ear|aar|apk|ipa|"
    "deb|rpm|dmg|iso|img|exe|msi|dll|dylib|lib|bin|dat|whl|egg|gem|nupkg|crate|class|java|scala|swift|kt|go|rb|php|cpp|hpp|diff|patch|tmp|bak"
)
# endings of files that are also domains of countries and shops: files behind a version only
_FILE_OR_DOMAIN = frozenset(("py", "md", "bz", "zip"))
_VERSION_OF_FILE = re.compile(r"v?[0-9]{1,2}x?")
# of branches and releases; no domain ends with one
_REFERENCE = re.compile(
    "main|master|develop|trunk|latest|stable|nightly|release|releases|snapshot|beta|alpha|rc|final|head|canary|preview|legacy|branch"
)
_COMMON_DOMAIN = re.compile("com|net|org|edu|gov|mil|info|biz|name|pro|[a-z]{2}")
# 1.2, 1.x, v5
_VERSION_DOMAIN = re.compile(r"v?[0-9]+\.(?:v?[0-9]|x\.)|v[0-9]+\.")
# owner/name, @scope/name
_PATH_BEFORE = re.compile(r"(?:^|[\s\"'`(\[,:=<])(?:@?[A-Za-z0-9][A-Za-z0-9_.\-]{0,60}/){1,4}$")
PATH_CHARS = 100

_IN_DOI = re.compile(r"(?<![0-9.])10\.[0-9]{4,9}/[^\s\"<>]*$")
# names of methods that are also domains of countries: `x@y.to(device)`
_METHODS = frozenset(("to", "mm", "mv", "at", "eq", "ne", "lt", "le", "gt", "ge", "do", "is", "in"))
_CODE_AFTER = re.compile(r"\([0-9a-z_)\[]")

_MEASURE_AFTER = re.compile(
    r"[ \-]?(?:[mcdkn]m|[µμ]m|inch(?:es)?|ft|feet|px|pixels?|[km]g|lbs?|ml|[kM]W|[kMG]?Hz|dpi|bytes|bits|points?|pts|goals?|games?|wins?|"
    r"votes?|copies|units?|pieces?|pcs|items?|users|subscribers|inhabitants|people|persons|patients|cases|cells|rows|USD|EUR|[kMG]B)"
    r"(?![0-9A-Za-z_])| ?(?:[%‰°€$£×]|美元|吨|毫米|厘米|公里|公斤|千克|辆|次(?!日)|部(?!门|长)|亿(?![利阳联])"
    # 台湾, 元旦, 户名, 个人, 万达, 人民 are no units
    r"|台(?![湾灣北州中南东東式商胞币账帐])|元(?![旦月宵素老])|万(?![达科方事能一里家])|户(?![名主型外籍口内])|个(?![人体别性案])"
    r"|件(?!套)|人(?![员員事力民工寿保大才社物生文气家行口类体名际]))"
)
# behind a number that a person's word announces, the name of the person or office follows more often than a unit
_SURE_MEASURE_AFTER = re.compile(
    " ?(?:台|件|元|万|亿|户|吨|毫米|厘米|公里|公斤|千克|辆|个|次|部|人)(?![\u4e00-\u9fff])"
)
_DIALLED = "+0(（"
_DATE = re.compile(
    r"(?:(?:19|20)[0-9]{2}([ .\-/])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])([./\-])(?:0?[1-9]|1[0-2])\2(?:19|20)[0-9]{2})(?![0-9])"
)
_VERSION = re.compile(r"(?!0)[0-9]{1,2}(?:\.[0-9]{1,6}){2,}")
_PAIRS = re.compile(r"[0-9]{2}(?:\.[0-9]{2}){3,}")
# 181 (2020) 271-280
_YEAR_WITHIN = re.compile(r"[(（](?:1[89]|20)[0-9]{2}[)）]")
_APART_BY_BLANKS = re.compile("[0-9]+(?: [0-9]+)+")
_GROUP_BEFORE, _GROUP_AFTER = re.compile("(?<![0-9])[0-9]{4} $"), re.compile(" [0-9]{4}(?![0-9/])")
_EXPIRY_AFTER = re.compile(" (?:0[1-9]|1[0-2])[2-4][0-9](?![0-9/])(?! [0-9]{4}(?![0-9]))")
# words near which numbers side by side are a telephone's
_CALLING = re.compile(
    r"(?<![a-z])(?:t[eé]l(?:[eé](?:ph|f)[oóô]n[aeo]?)?s?|phones?|mobiles?|mob|mobil|móvil|celular|handy|portable|cell(?:ular|phone)?s?|"
    "call|ring|dial|fax|whatsapp|sms|hotline|helpline|reach|contact|office|direct|text|"
    r"number is|numbers? ?:|ph(?= ?[.:]| ?$)|[pmo](?= ?:)|t(?= ?:| ?\.? ?$))(?![a-z])"
    "|电话|手机|传真|热线|致电|拨打|電話|手機|傳真|联系|聯絡|总机|座机|固话|客服|咨询"
)
CALLING_CHARS = 40


def is_no_mailbox(text: str, start: int, end: int, domain: str) -> bool:
    """Whether name@domain is a package, an action, a file or a call.

    domain: in small letters.
    """
    last = domain.rpartition(".")[2]
    if _FILE_SUFFIX.fullmatch(last) or _REFERENCE.fullmatch(last) or _RESERVED_DOMAIN.search(domain):
        return True
    if last in _FILE_OR_DOMAIN:
        first = domain.partition(".")[0]
        if _VERSION_OF_FILE.fullmatch(first) or _REFERENCE.fullmatch(first):
            return True
    if ".." in text[start:end] or (text.startswith("(", end) and _is_call(text, end, last)):
        return True
    version = _VERSION_DOMAIN.match(domain)
    if version and (version[0][-1] != "." or version[0].endswith("x.") or not _COMMON_DOMAIN.fullmatch(last)):
        return True
    if text[start - 1 : start] != "/" or not _PATH_BEFORE.search(text[max(0, start - PATH_CHARS) : start]):
        return False
    first = domain.partition(".")[0]
    return bool(version or _REFERENCE.fullmatch(first)) or not _COMMON_DOMAIN.fullmatch(last)


def _is_call(text: str, end: int, last: str) -> bool:
    """Whether a bracket holds arguments and not a person's name."""
    return not _COMMON_DOMAIN.fullmatch(last) or (last in _METHODS and _CODE_AFTER.match(text, end) is not None)


def is_in_doi(text: str, start: int) -> bool:
    """Whether what begins here is within a DOI."""
    return _IN_DOI.search(text[max(0, start - PATH_CHARS) : start]) is not None


def is_measure(text: str, start: int, end: int) -> bool:
    """Whether a unit behind a number makes it a measure.

    No measure begins with +, 0 or a bracket. Behind a word that announces a person's number, only a unit that ends the
    word is one.
    """
    if text[start] in _DIALLED:
        return False
    pattern = _SURE_MEASURE_AFTER if _is_announced(text, start) else _MEASURE_AFTER
    return pattern.match(text, end) is not None


def _is_announced(text: str, start: int) -> bool:
    """Whether a word on the line announces a telephone number."""
    before = text[max(0, start - CALLING_CHARS) : start].rpartition("\n")[2].lower()
    return _CALLING.search(before) is not None


def is_no_telephone(text: str, start: int, end: int) -> bool:
    """Whether digits in the form of a telephone number say something else.

    A word announces another number or a version, a measure follows, it is part of a DOI, or three numbers stand side
    by side and nothing says that one can call them.
    """
    if (
        context_of(text, start) == "other"
        or is_version(text, start)
        or is_measure(text, start, end)
        or is_in_doi(text, start)
    ):
        return True
    if not _APART_BY_BLANKS.fullmatch(text, start, end) or text[start] == "0":
        return False
    return not _is_announced(text, start)


def is_no_announced_number(text: str, start: int, end: int) -> bool:
    """Whether digits behind "Phone" are a citation, date, version or count."""
    number = text[start:end]
    if _YEAR_WITHIN.search(number) or _DATE.match(number) or is_in_doi(text, start):
        return True
    return bool(_VERSION.fullmatch(number) and not _PAIRS.fullmatch(number)) or is_measure(text, start, end)


def is_row_of_table(text: str, start: int, end: int) -> bool:
    """Whether a number in groups is part of a row of groups.

    A month and a year behind a card are its end.
    """
    if " " not in text[start:end]:
        return False
    before, after = text[max(0, start - CONTEXT_CHARS) : start], text[end : end + CONTEXT_CHARS]
    return bool(_GROUP_BEFORE.search(before) or (_GROUP_AFTER.match(after) and not _EXPIRY_AFTER.match(after)))
