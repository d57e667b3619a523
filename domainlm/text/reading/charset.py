"""From bytes to text: which character set, and how sure.

In: the bytes of a text file. Out: text, character set, score (1 = certain). UTF-8 is tried first, because bytes that are
valid UTF-8 by accident are rare; then a byte order mark, then what an HTML file declares, then charset-normalizer's guess
among the sets that texts in use are written in. All sets would be a worse guess: some decode anything at all. Old
Japanese and Korean files may be taken for each other: save those as UTF-8. What was guessed is in a document's `meta`.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

# the first of these wins where two fit equally well, as cp1252 and cp1250 do for French
GUESSED_SETS = ["gb18030", "big5", "cp1252", "cp1251", "cp1250", "shift_jis", "euc_jp", "cp949"]
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_.:-]{2,40})""", re.I)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x0b\x0c\x1b")
MAX_CONTROL_SHARE = 0.01


class UndecodableError(ValueError):
    """The bytes are no text in a known character set: `reason` is `binary`, `undecodable` or `charset_uncertain`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Decoded:
    """Text of a file. bytes_before: length of the byte order mark. is_exact: encoding it again gives the same bytes."""

    text: str
    charset: str
    score: float
    bytes_before: int
    is_exact: bool


def _guessed(data: bytes, min_score: float) -> Decoded:
    from charset_normalizer import from_bytes

    matches = list(from_bytes(data, cp_isolation=GUESSED_SETS))
    if not matches:
        raise UndecodableError("undecodable", "no character set fits; save the file as UTF-8")
    best = min(matches, key=lambda match: (match.chaos, -match.coherence, GUESSED_SETS.index(match.encoding)))
    score = round(1.0 - best.chaos, 4)
    if score < min_score:
        raise UndecodableError("charset_uncertain", f"{best.encoding} with score {score}, below {min_score}")
    try:
        text = data.decode(best.encoding)
    except UnicodeDecodeError as error:
        raise UndecodableError("undecodable", f"not {best.encoding} at byte {error.start}") from error
    return Decoded(text, best.encoding, score, 0, text.encode(best.encoding, "replace") == data)


def decode(data: bytes, min_score: float, is_html: bool = False) -> Decoded:
    """Text of a file's bytes. Raises UndecodableError."""
    for mark, charset in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return Decoded(data[len(mark) :].decode(charset), charset, 1.0, len(mark), True)
            except UnicodeDecodeError as error:
                detail = f"{charset} by its byte order mark, but not so at byte {error.start}"
                raise UndecodableError("undecodable", detail) from error
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if b"\0" in data or controls > MAX_CONTROL_SHARE * len(data):
        raise UndecodableError("binary", f"{controls} control bytes among {len(data)}")
    try:
        return Decoded(data.decode("utf-8"), "utf-8", 1.0, 0, True)
    except UnicodeDecodeError:
        pass
    declared = _DECLARED.search(data[:4096]) if is_html else None
    if declared is not None:
        # browsers read these two names as the larger set (WHATWG Encoding Standard)
        name = {"gb2312": "gb18030", "iso-8859-1": "cp1252"}.get(declared[1].decode().lower(), declared[1].decode())
        try:
            text = data.decode(name)
            return Decoded(text, name, 1.0, 0, text.encode(name, "replace") == data)
        except (LookupError, UnicodeError):
            pass
    return _guessed(data, min_score)
