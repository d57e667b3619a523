"""Detection of character sets, and decoding.

In: the bytes of a text file; optionally the set of its source, by declaration or by majority. Out: text, character
set, score (1 = certain). A byte order mark decides, then escape sequences of ISO 2022, then UTF-8, also where it is damaged
in places (`damaged_utf8.py`), because bytes that are valid UTF-8 by accident are rare. Then what a page or a source declares
is obeyed where it decodes without a fault, unless another set gives a far likelier text: servers and editors declare
`iso-8859-1` of pages that are in Chinese. Everything else is decoded by every candidate, and the likeliest text wins
(`charset_scores.py`); the set of most other files counts as some bits of evidence, not as the truth: in a folder of
exports one file is always different. A detected set is recorded in a document's `meta`.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from domainlm.raw.charset_guess import (
    CANDIDATES,
    SAMPLE_BYTES,
    WIDE,
    Decoded,
    guessed,
    sample_of,
    scored,
    text_in,
    without_mark,
)
from domainlm.raw.charset_labels import decoded_by, is_of_one_byte, known_charset
from domainlm.raw.damaged_utf8 import MIN_WHOLE_PER_FAULT, damaged_utf8
from domainlm.raw.raw_file import RawFile
from domainlm.raw.unreadable import Unreadable

# sets that are only declared -> language by which a declaration is judged; all others are taken on trust
_JUDGED_AS = {
    **dict.fromkeys(("iso8859-15", "cp1254", "mac-roman"), "western"),
    **dict.fromkeys(("iso8859-2", "iso8859-16", "cp1257"), "central"),
    **dict.fromkeys(("koi8-r", "koi8-u", "iso8859-5", "cp866", "mac-cyrillic"), "cyrillic"),
}
_DECLARED_WIDE = (*WIDE, "utf-32-le", "utf-32-be")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_.:-]{2,40})""", re.I)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
# changes to another set, whose letters are then ASCII characters (ISO 2022; RFC 1468, 1554, 1557, 1922), and who knows them
_ESCAPES = re.compile(rb"\x1b(?:\$[@AB]|\$[()*+][@-~]|\(I)")
_SHIFTS = re.compile("[\x0e\x0f\x1b]")
_ESCAPE_SETS = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_kr")
# sets without such escapes, read so only where a page says so -> what their other letters begin with (RFC 1843, 2152)
_ASCII_SETS = {"hz": re.compile(rb"~\{"), "utf-7": re.compile(rb"\+[A-Za-z0-9+/]")}
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x0b\x0c\x1b")
MAX_CONTROL_SHARE = 0.01
# a majority: among so many files or more that are not in UTF-8, this share. Of texts of 10 to 19 characters a right prior reads
# 0.4 % more and a wrong one 3.2 % less (benchmarks/text/charset_accuracy.py), so a mere half would do harm
MAJORITY_FILES, MAJORITY_SHARE = 10, 0.95
# a declared set is overruled if another is likelier by so many bits for each byte beyond ASCII, of so many bytes or more
OVERRULED_BITS, MIN_JUDGED_BYTES = 4.0, 8
_ASCII = bytes(range(0x80))
# bytes that may be the second of a character
_SECONDS = bytes(range(0x30, 0x100))
UndecodableError = Unreadable


@dataclass(frozen=True)
class DeclaredCharset:
    """The set that a source declares itself."""

    charset: str


# the set to expect of a file: declared, of most other files, or not known
Expected = DeclaredCharset | str | None


def expected_charset(row: RawFile) -> Expected:
    """The set to expect of a file by its row."""
    charset = row.get("charset")
    return DeclaredCharset(charset) if charset and row.get("is_charset_declared") else charset


def wide_charset(data: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or None."""
    return next((name for mark, name in _BYTE_ORDER_MARKS[1:] if data.startswith(mark)), None)


def _by_escapes(data: bytes, declared: str | None) -> Decoded | None:
    """Text of a set that writes letters as ASCII characters, or None.

    Raises Unreadable if the bytes are of such a set but decode to no text.
    """
    escape = _ESCAPES.search(data)
    # in UTF-8 with letters of its own, the sequence is what a terminal was sent
    if escape and b"\0" not in data and (data.isascii() or text_in(data, "utf-8") is None):
        for name in _ESCAPE_SETS:
            # a codec leaves the shifts of another set where they are
            if (text := text_in(data, name)) is not None and not _SHIFTS.search(text):
                return Decoded(text, name, 1.0, 0, False)
        known = ", ".join(_ESCAPE_SETS)
        detail = f"an escape sequence of ISO 2022 at byte {escape.start()}, but all of it is none of {known}"
        raise Unreadable("undecodable", f"{detail}; save the file as UTF-8")
    if declared not in _ASCII_SETS or not data.isascii() or not _ASCII_SETS[declared].search(data):
        return None
    # where it is not what the page says, it is the ASCII that it is
    text = text_in(data, declared)
    return None if text is None else Decoded(text, declared, 1.0, 0, False)


def _after_mark(data: bytes, mark: bytes, charset: str) -> Decoded:
    """Text behind a byte order mark. Raises Unreadable."""
    rest = data[len(mark) :]
    try:
        return Decoded(rest.decode(charset), charset, 1.0, len(mark), True)
    except UnicodeDecodeError as error:
        damaged = damaged_utf8(rest, error.start) if charset == "utf-8" else None
        text = rest.decode(charset, "replace") if damaged is None else damaged.text
        # the mark is believed where nearly all of it is so
        if (faults := text.count("\ufffd")) * MIN_WHOLE_PER_FAULT < len(text):
            return Decoded(text, charset, round(1 - faults / len(text), 4), len(mark), False)
        detail = f"{charset} by its byte order mark, but not so at byte {error.start}"
        raise Unreadable("undecodable", detail) from error


def _as_declared(data: bytes, charset: str) -> Decoded | None:
    """Text in the declared set.

    None if a byte is not of the set, or if another set gives a far likelier text.
    """
    # what writes letters as ASCII characters, or ASCII as other bytes, was looked for before
    if charset == "utf-8" or b"~\\x41+AGE-".decode(charset, "replace") != "~\\x41+AGE-":
        return None
    found = decoded_by(data, charset)
    if found is None:
        return None
    text, codec = found
    language = CANDIDATES.get(charset) or _JUDGED_AS.get(charset)
    if language is not None:
        sample = sample_of(data)
        judged = len(sample[:SAMPLE_BYTES].translate(None, _ASCII))
        readings = scored(sample, list(({charset: language} | CANDIDATES).items()), None)
        own = next((cost for cost, name, _ in readings if name == charset), None)
        if own is not None and judged >= MIN_JUDGED_BYTES and own - readings[0][0] > OVERRULED_BITS * judged:
            return None
    return Decoded(text, codec, 1.0, 0, is_of_one_byte(codec) or text.encode(codec, "replace") == data)


def _declared_by_page(data: bytes) -> str | None:
    head = data[:4096]
    page = _DECLARED.search(_COMMENT.sub(b"", head) if b"<!--" in head else head)
    return known_charset(page[1].decode()) if page is not None else None


def decode(data: bytes, min_score: float, is_html: bool = False, expected: Expected = None) -> Decoded:
    """Text of a file's bytes.

    expected: the set that its source declares, or that of most files of the source. Raises Unreadable.
    """
    for mark, charset in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _after_mark(data, mark, charset)
    named = expected.charset if isinstance(expected, DeclaredCharset) else expected
    likely = known_charset(named) if named else None
    by_page = _declared_by_page(data) if is_html else None
    if (found := _by_escapes(data, by_page)) is not None:
        return found
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if b"\0" in data or controls > MAX_CONTROL_SHARE * len(data):
        wide = {"utf-16": "utf-16-le"}.get(likely or "", likely or "")
        if (
            isinstance(expected, DeclaredCharset)
            and wide in _DECLARED_WIDE
            and (text := text_in(data, wide)) is not None
        ):
            return Decoded(text, wide, 1.0, 0, True)
        if (found := without_mark(data, min_score, likely)) is not None:
            return found
        raise Unreadable("binary", f"{controls} control bytes among {len(data)}")
    try:
        return Decoded(data.decode("utf-8"), "utf-8", 1.0, 0, True)
    except UnicodeDecodeError as error:
        damaged = damaged_utf8(data, error.start)
    if damaged is not None and damaged.is_certain:
        score = damaged.whole / (damaged.whole + damaged.faults + damaged.is_cut)
        return Decoded(damaged.text, "utf-8", round(score, 4), 0, False)
    declared = by_page or (likely if isinstance(expected, DeclaredCharset) else None)
    if declared is not None and (found := _as_declared(data, declared)) is not None:
        return found
    likely = declared or likely
    candidates = list(CANDIDATES.items())
    if likely is not None and likely not in CANDIDATES:
        candidates.append((likely, "western"))
    return guessed(data, candidates, min_score, likely, damaged)


def charset_of_beginning(data: bytes, is_cut: bool, expected: Expected = None) -> str | None:
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
