"""The likeliest character set of bytes that are valid in several.

In: bytes without a byte order mark, that are not valid UTF-8; the set to expect. Out: the text in the candidate of which it is
the likeliest (`charset_scores.py`), with a score; `Unreadable` where none fits or none is likely. All candidates decode one
sample, of lines that are not ASCII, because other lines are the same in every set. Who declared what is not asked here
(`charset.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domainlm.raw.charset_labels import decoded_by, is_of_one_byte
from domainlm.raw.charset_scores import bits, bits_as_utf8
from domainlm.raw.damaged_utf8 import Damaged, damaged_utf8
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
WIDE = ("utf-16-le", "utf-16-be")
_WIDE_LANGUAGES = ("simplified", "traditional", "japanese", "western")
_ASCII_LINE = re.compile(rb"[\x00-\x7f]*(?:\n|\Z)")
# lines with other bytes than ASCII, of which the guess is made: more does not change it
SAMPLE_BYTES = 8_000
# what the set of most other files is worth: about 2 common Chinese characters against 2 rare ones
DECLARED_BITS = 16.0
# of a byte that is repeated, as in rows of dots that lead to page numbers, two or three say all; pairs stay pairs
_REPEATED = re.compile(rb"([\x80-\xff])\1(?:\1\1)*(?=\1\1)")
# bytes that Windows leaves undefined are control characters; a text has at most this share of them, each of so many bits less
# than an impossible character
MAX_UNDEFINED_SHARE, UNDEFINED_BITS_LESS = 0.02, 30.0
_HIGH_CONTROL = re.compile("[\x80-\x9f]")
# bits a byte of text as it should be, and of bytes that are text in no set
PLAIN_BITS, RANDOM_BITS = 5.5, 8.5
# bits by which the second likeliest text must be worse for a score of one half
EVEN_BITS = 2.0


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


def sample_of(data: bytes) -> bytes:
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
    return _REPEATED.sub(b"", b"".join(found))


def text_in(data: bytes, charset: str) -> str | None:
    """The text of bytes that are all of a set, or None."""
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        pass
    found = decoded_by(data, charset) if is_of_one_byte(charset) else None
    if found is None or len(_HIGH_CONTROL.findall(found[0])) > MAX_UNDEFINED_SHARE * len(data):
        return None
    return found[0]


def _is_favoured(charset: str, expected: str | None) -> bool:
    # two candidates are one name's
    return charset == expected or (charset == "shift_jis" and expected == "cp932")


def scored(sample: bytes, candidates: list[tuple[str, str]], expected: str | None) -> list[tuple[float, str, str]]:
    """(bits, character set, text) by each candidate that decodes it, likeliest first."""
    found: list[tuple[float, str, str]] = []
    for charset, language in candidates:
        # a long line is cut in the middle of a character: its end proves nothing
        is_cut = len(sample) > SAMPLE_BYTES and not is_of_one_byte(charset)
        text = sample[:SAMPLE_BYTES].decode(charset, "replace").rstrip("\ufffd") if is_cut else None
        text = text_in(sample[:SAMPLE_BYTES], charset) if text is None else text
        if text is not None and "\ufffd" not in text:
            evidence = DECLARED_BITS if _is_favoured(charset, expected) else 0.0
            undefined = len(_HIGH_CONTROL.findall(text)) if is_of_one_byte(charset) else 0
            found.append((bits(text, language) - evidence - UNDEFINED_BITS_LESS * undefined, charset, text))
    return sorted(found, key=lambda item: item[0])


def _score(found: list[tuple[float, str, str]], size: int) -> float:
    """Between 0 and 1: the lead over the next text, and plausibility."""
    cost, _, text = found[0]
    other = next((bits_of_other for bits_of_other, _, other in found if other != text), None)
    lead = 1.0 if other is None else 1.0 - 0.5 ** (1.0 + (other - cost) / EVEN_BITS)
    plain = (RANDOM_BITS - max(cost, 0.0) / size) / (RANDOM_BITS - PLAIN_BITS)
    return round(max(0.0, min(1.0, lead, plain)), 4)


def guessed(
    data: bytes,
    candidates: list[tuple[str, str]],
    min_score: float,
    expected: str | None,
    damaged: Damaged | None = None,
) -> Decoded:
    sample = sample_of(data) if candidates[0][0] not in WIDE else data[: SAMPLE_BYTES // 2 * 2]
    found = scored(sample, candidates, expected)
    if damaged is not None and (its := damaged_utf8(sample[:SAMPLE_BYTES])) is not None:
        cost = bits_as_utf8(its.text, its.faults, its.is_cut) - (DECLARED_BITS if expected == "utf-8" else 0.0)
        found = sorted([*found, (cost, "utf-8", its.text)], key=lambda item: item[0])
    at = 0
    while found:
        _, charset, _ = found[0]
        text = damaged.text if damaged is not None and charset == "utf-8" else text_in(data, charset)
        if text is not None:
            score = _score(found, max(len(sample[:SAMPLE_BYTES]), 1))
            if score < min_score:
                raise Unreadable("charset_uncertain", f"{charset} with score {score}, below {min_score}")
            is_exact = is_of_one_byte(charset) or text.encode(charset, "replace") == data
            return Decoded(text, charset, score, 0, is_exact)
        # the sample fits this set and the rest of the file does not
        found = found[1:]
        at += 1
    raise Unreadable("undecodable", "no character set fits all of it; save the file as UTF-8")


def without_mark(data: bytes, min_score: float, expected: str | None) -> Decoded | None:
    """UTF-16 without a byte order mark, or None.

    English shows it by zero bytes, Chinese by control bytes.
    """
    if len(data) % 2:
        return None
    candidates = [(charset, language) for charset in WIDE for language in _WIDE_LANGUAGES]
    try:
        found = guessed(data, candidates, max(min_score, 0.5), expected)
    except Unreadable:
        return None
    return found
