"""Detection of character sets, and decoding.

In: the bytes of a text file; optionally the set of its source, by declaration or by majority. Out: text, character
set, score (1 = certain). A byte order mark decides, then escape sequences of ISO 2022, then UTF-8, because bytes that
are valid UTF-8 by accident are rare. Everything else is decoded by every candidate, and the likeliest text wins
(`charset_scores.py`). A declaration by a source or a page counts as some bits of evidence, not as the truth: in a
folder of exports one file is always different. A detected set is recorded in a document's `meta`.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from domainlm.raw.charset_scores import bits
from domainlm.raw.unreadable import Unreadable

# character set -> language that it is used for; the first wins where two texts are the same
CANDIDATES = {
    "gb18030": "simplified",
    "big5": "traditional",
    "big5hkscs": "traditional",
    "shift_jis": "japanese",
    "cp932": "japanese",
    "euc_jp": "japanese",
    "cp949": "korean",
    "cp1252": "western",
    "cp1251": "cyrillic",
    "cp1250": "central",
}
_WIDE = ("utf-16-le", "utf-16-be")
_WIDE_LANGUAGES = ("simplified", "traditional", "japanese", "western")
# names by which sources and pages call sets, and the larger set that is read (WHATWG Encoding Standard)
_SAME_AS = {
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "cp936", "gb_2312-80", "euc-cn"), "gb18030"),
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1", "ascii", "us-ascii", "windows-1252"), "cp1252"),
    **dict.fromkeys(("big5-hkscs", "cp950", "big5-tw"), "big5"),
    **dict.fromkeys(("sjis", "shift-jis", "x-sjis", "windows-31j", "ms932"), "shift_jis"),
    **dict.fromkeys(("euc-jp", "eucjp"), "euc_jp"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "uhc"), "cp949"),
    **{f"windows-{number}": f"cp{number}" for number in (1250, 1251)},
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_.:-]{2,40})""", re.I)
# changes to another set, whose letters are then ASCII characters (ISO 2022; RFC 1468, 1554, 1557, 1922), and who knows them
_ESCAPES = re.compile(rb"\x1b(?:\$[@AB]|\$[()*+][@-~]|\(I)")
_SHIFTS = re.compile("[\x0e\x0f\x1b]")
_ESCAPE_SETS = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_kr")
# sets without such escapes, read so only where a page says so -> what their other letters begin with (RFC 1843, 2152)
_ASCII_SETS = {"hz": re.compile(rb"~\{"), "utf-7": re.compile(rb"\+[A-Za-z0-9+/]")}
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x0b\x0c\x1b")
_ASCII_LINE = re.compile(rb"[\x00-\x7f]*(?:\n|\Z)")
MAX_CONTROL_SHARE = 0.01
# lines with other bytes than ASCII, of which the guess is made: more does not change it
SAMPLE_BYTES = 8_000
# what a declared set is worth: about 2 common Chinese characters against 2 rare ones
DECLARED_BITS = 16.0
# a majority: among so many files or more that are not in UTF-8, this share. Of texts of 10 to 19 characters a right prior reads
# 0.4 % more and a wrong one 3.2 % less (benchmarks/text/charset_accuracy.py), so a mere half would do harm
MAJORITY_FILES, MAJORITY_SHARE = 10, 0.95
# bytes that may be the second of a character
_SECONDS = bytes(range(0x30, 0x100))
# bits a byte of text as it should be, and of bytes that are text in no set
PLAIN_BITS, RANDOM_BITS = 5.5, 8.5
# bits by which the second likeliest text must be worse for a score of one half
EVEN_BITS = 2.0
UndecodableError = Unreadable


@dataclass(frozen=True)
class Decoded:
    """Text of a file.

    bytes_before: length of the byte order mark. is_exact: encoding it again gives the same bytes.
    """

    text: str
    charset: str
    score: float
    bytes_before: int
    is_exact: bool


def wide_charset(data: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or None."""
    return next((name for mark, name in _BYTE_ORDER_MARKS[1:] if data.startswith(mark)), None)


def known_charset(name: str) -> str | None:
    """Python's name of the set that this name denotes, or None."""
    name = name.strip().lower()
    try:
        found = codecs.lookup(_SAME_AS.get(name, name)).name
        # codecs that are no character sets (hex, rot13) have names too
        b"a".decode(found)
    except (LookupError, UnicodeError, ValueError):
        return None
    return {"iso8859-1": "cp1252", "big5hkscs": "big5"}.get(found, found)


def _sample(data: bytes) -> bytes:
    """Lines that are not ASCII, up to SAMPLE_BYTES.

    Other lines are the same in every set.
    """
    found: list[bytes] = []
    size = at = 0
    while at < len(data) and size < SAMPLE_BYTES:
        match = _ASCII_LINE.match(data, at)
        if match is not None and match.end() > at:
            at = match.end()
            continue
        end = data.find(b"\n", at) + 1 or len(data)
        found.append(data[at:end])
        size += end - at
        at = end
    return b"".join(found)


def _text(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return None


def _scored(sample: bytes, candidates: list[tuple[str, str]], expected: str | None) -> list[tuple[float, str, str]]:
    """(bits, character set, text) by each candidate that decodes it, likeliest first."""
    found: list[tuple[float, str, str]] = []
    for charset, language in candidates:
        # a long line is cut in the middle of a character: its end proves nothing
        text = sample[:SAMPLE_BYTES].decode(charset, "replace").rstrip("\ufffd") if len(sample) > SAMPLE_BYTES else None
        text = _text(sample, charset) if text is None else text
        if text is not None and "\ufffd" not in text:
            found.append((bits(text, language) - (DECLARED_BITS if charset == expected else 0.0), charset, text))
    return sorted(found, key=lambda item: item[0])


def _score(found: list[tuple[float, str, str]], size: int) -> float:
    """Between 0 and 1: the lead over the next text, and plausibility."""
    cost, _, text = found[0]
    other = next((bits_of_other for bits_of_other, _, other in found if other != text), None)
    lead = 1.0 if other is None else 1.0 - 0.5 ** (1.0 + (other - cost) / EVEN_BITS)
    plain = (RANDOM_BITS - max(cost, 0.0) / size) / (RANDOM_BITS - PLAIN_BITS)
    return round(max(0.0, min(1.0, lead, plain)), 4)


def _guessed(data: bytes, candidates: list[tuple[str, str]], min_score: float, expected: str | None) -> Decoded:
    sample = _sample(data) if candidates[0][0] not in _WIDE else data[: SAMPLE_BYTES // 2 * 2]
    found = _scored(sample, candidates, expected)
    at = 0
    while found:
        _, charset, _ = found[0]
        text = _text(data, charset)
        if text is not None:
            score = _score(found, max(len(sample[:SAMPLE_BYTES]), 1))
            if score < min_score:
                raise Unreadable("charset_uncertain", f"{charset} with score {score}, below {min_score}")
            return Decoded(text, charset, score, 0, text.encode(charset, "replace") == data)
        # the sample fits this set and the rest of the file does not
        found = found[1:]
        at += 1
    raise Unreadable("undecodable", "no character set fits all of it; save the file as UTF-8")


def _without_mark(data: bytes, min_score: float, expected: str | None) -> Decoded | None:
    """UTF-16 without a byte order mark, or None.

    English shows it by zero bytes, Chinese by control bytes.
    """
    if len(data) % 2:
        return None
    candidates = [(charset, language) for charset in _WIDE for language in _WIDE_LANGUAGES]
    try:
        found = _guessed(data, candidates, max(min_score, 0.5), expected)
    except Unreadable:
        return None
    return found


def _by_escapes(data: bytes, declared: str | None) -> Decoded | None:
    """Text of a set that writes letters as ASCII characters, or None.

    Raises Unreadable if the bytes are of such a set but decode to no text.
    """
    escape = _ESCAPES.search(data)
    # in UTF-8 with letters of its own, the sequence is what a terminal was sent
    if escape and b"\0" not in data and (data.isascii() or _text(data, "utf-8") is None):
        for name in _ESCAPE_SETS:
            # a codec leaves the shifts of another set where they are
            if (text := _text(data, name)) is not None and not _SHIFTS.search(text):
                return Decoded(text, name, 1.0, 0, False)
        known = ", ".join(_ESCAPE_SETS)
        detail = f"an escape sequence of ISO 2022 at byte {escape.start()}, but all of it is none of {known}"
        raise Unreadable("undecodable", f"{detail}; save the file as UTF-8")
    if declared not in _ASCII_SETS or not data.isascii() or not _ASCII_SETS[declared].search(data):
        return None
    # where it is not what the page says, it is the ASCII that it is
    text = _text(data, declared)
    return None if text is None else Decoded(text, declared, 1.0, 0, False)


def decode(data: bytes, min_score: float, is_html: bool = False, expected: str | None = None) -> Decoded:
    """Text of a file's bytes.

    expected: the set of most files of the source. Raises Unreadable.
    """
    for mark, charset in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return Decoded(data[len(mark) :].decode(charset), charset, 1.0, len(mark), True)
            except UnicodeDecodeError as error:
                detail = f"{charset} by its byte order mark, but not so at byte {error.start}"
                raise Unreadable("undecodable", detail) from error
    expected = known_charset(expected) if expected else None
    page = _DECLARED.search(data[:4096]) if is_html else None
    declared = known_charset(page[1].decode()) if page is not None else None
    if (found := _by_escapes(data, declared)) is not None:
        return found
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if b"\0" in data or controls > MAX_CONTROL_SHARE * len(data):
        if (found := _without_mark(data, min_score, expected)) is not None:
            return found
        raise Unreadable("binary", f"{controls} control bytes among {len(data)}")
    try:
        return Decoded(data.decode("utf-8"), "utf-8", 1.0, 0, True)
    except UnicodeDecodeError:
        pass
    expected = declared or expected
    candidates = list(CANDIDATES.items())
    if expected is not None and expected not in CANDIDATES:
        candidates.append((expected, "western"))
    return _guessed(data, candidates, min_score, expected)


def charset_of_beginning(data: bytes, is_cut: bool, expected: str | None = None) -> str | None:
    """Character set of a file's first bytes, or None.

    None if they are UTF-8 or fit no set. is_cut: the file has more bytes.
    """
    try:
        codecs.utf_8_decode(data, "strict", not is_cut)
        return None
    except UnicodeDecodeError:
        pass
    try:
        # not in the middle of a character
        charset = decode(data.rstrip(_SECONDS) or data if is_cut else data, 0.5, expected=expected).charset
    except Unreadable:
        return None
    return None if charset == "utf-8" else charset


def majority_charset(beginnings: Iterable[tuple[bytes, bool]]) -> str | None:
    """The set of nearly all files outside UTF-8, or None.

    It is judged by their beginnings (and whether each is cut).
    """
    found = Counter(charset_of_beginning(data, is_cut) for data, is_cut in beginnings)
    counts = {charset: found[charset] for charset in CANDIDATES}
    charset = max(counts, key=counts.__getitem__)
    files = sum(counts.values())
    return charset if files >= MAJORITY_FILES and counts[charset] >= MAJORITY_SHARE * files else None
