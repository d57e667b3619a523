"""Classes of characters, and normalisation, equal on every supported Python.

In: text. Out: its normal form, its words, its number of letters. Unicode tables differ between Python versions (14.0
in 3.11, 15.0 in 3.12, 15.1 in 3.13), so nothing here asks the interpreter whether a character is a letter:
`str.isalpha` and `\\w` change their answer for 4,970 code points. The ranges below are fixed; everything that is not
listed as punctuation, symbol or space counts as a letter. `str.lower` and `str.isspace` are equal for every code
point of 14.0 to 15.1 and are used.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import cache, lru_cache

from domainlm.raw.surrogates import without_surrogates
from domainlm.text.print_forms import RADICALS, UPRIGHT

_PUNCTUATION = (
    "\x00-/:-@\\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u303f"
    "\ufe10-\ufe1f\ufe30-\ufe6f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ue000-\uf8ff\ufff0-\uffff"
    "\U0001f000-\U0001faff"
)
_DIGITS = "0-9\uff10-\uff19"
# scripts written without spaces between words, one character about as telling as half a word
_CJK = "\u3005-\u3007\u3040-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Thai and Lao, Tibetan, Burmese, Khmer: no spaces between words either
_SYLLABIC = "\u0e00-\u109f\u1780-\u17ff\uaa60-\uaa7f"
_THAI, _THAI_MARKS, _THAI_VOWELS = (
    "[\u0e01-\u0e2e\u0e81-\u0eae\u0edc-\u0edf]",
    "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece]",
    "[\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\u0ebd]",
)
_BURMESE = "[\u1000-\u102a\u103f\u104c-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e\uaa60-\uaa7a\uaa7e\uaa7f]"
_BURMESE_MARKS = (
    "[\u102b-\u1038\u103a-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d"
    "\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\uaa7b-\uaa7d]"
)
_KHMER_MARKS = "[\u17b4-\u17d1\u17d3\u17dd]"
# about a syllable, which says as much as a CJK character: a cluster, and the consonants behind it that bear no vowel; where one
# begins depends on the few characters before it alone. Tibetan marks its syllables. Else numbers, and what stands alone
_SYLLABLE = (
    f"[\u0e40-\u0e44\u0ec0-\u0ec4]?{_THAI}{_THAI_MARKS}*{_THAI_VOWELS}?(?:{_THAI}(?!{_THAI_MARKS}|{_THAI_VOWELS})){{0,2}}"
    f"|{_BURMESE}(?:{_BURMESE_MARKS}|\u1039{_BURMESE}|{_BURMESE}(?=\u1037?\u103a))*"
    f"|[\u1780-\u17b3](?:\u17d2[\u1780-\u17b3]|{_KHMER_MARKS})*(?:[\u1780-\u17b3](?!\u17d2|{_KHMER_MARKS}))?"
    "|[\u0f00\u0f20-\u0f33\u0f35\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc]+"
    "|[\u0e50-\u0e59]+|[\u0ed0-\u0ed9]+|[\u1040-\u1049]+|[\u17e0-\u17e9]+"
    "|[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u102b-\u103e\u1056-\u109d\u17b4-\u17d3\u17d7\u17dc\u17dd\uaa7b-\uaa7d]"
)
# one look at a character tells that no syllable begins there
WORD_PATTERN = f"[^{_PUNCTUATION}{_CJK}{_SYLLABIC}]+|[{_CJK}]|(?=[{_SYLLABIC}])(?:{_SYLLABLE})"
_WORD = re.compile(WORD_PATTERN)
# the same in ASCII, found twice as fast
_ASCII_WORD = re.compile("[0-9a-z]+")
_IS_UNSPACED = re.compile(f"[{_CJK}{_SYLLABIC}]")
_ANY_CJK = re.compile(f"[{_CJK}]")
# names and numbers within do not end a run: 使用 apt 安装
_CJK_RUN = re.compile(f"[{_CJK}]++(?>(?: ?[A-Za-z0-9][A-Za-z0-9_.+/-]*+ ?[{_CJK}]++)*)")
_IN_WORD = f"[^{_PUNCTUATION}{_CJK}]"
# one word: numbers with points and commas, names with points and underscores; an ending behind an apostrophe
_TOKEN = re.compile(
    rf"[{_CJK}]|{_IN_WORD}++(?>(?:(?:(?<=[0-9]),(?=[0-9])|\.(?=[0-9a-z])|_){_IN_WORD}++)*)"
    rf"|['’](?:[stmd]|re|ve|ll)(?!{_IN_WORD})|\.\.\.|……|\S"
)
_LETTER = re.compile(f"[^{_PUNCTUATION}{_DIGITS}]")
_IS_WORD = re.compile(f"[^{_PUNCTUATION}]")
_NOT_LETTER = re.compile(f"[{_PUNCTUATION}{_DIGITS}]+")
_OTHERS = re.compile("[^\x00-\x7f]+")
_ASCII_LETTERS, _ASCII_SPACE = string.ascii_letters.encode(), bytes([*range(0x21), 0x7F])
_SPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff]+")

# combining marks that Unicode 15.0 added: their order under NFC differs between Python 3.11 and 3.12, so they are excluded
_MARKS_OF_UNICODE_15 = re.compile("([\U00010efd-\U00010eff\U00011f41\U00011f42\U0001e08f\U0001e4ec-\U0001e4ef]+)")
MAX_MARKS = 30
_GRAPHEME_JOINER = "\u034f"
# where that many marks may stand (one character is at most two, the letter before ends with at most three): a run from the blocks
# that hold marks, which are not those of Latin, Greek and Cyrillic letters, kana, Han, Hangul and emoji
_MAYBE_MARKS = re.compile(
    "[^\x00-\x7f]?[\u0300-\u036f\u0483-\u0487\u0591-\u109f\u135d-\u135f\u1714-\u1cff\u1dc0-\u1dff\u20d0-\u20ff\u2cef-\u2cf1\u2d7f"
    "\u2de0-\u2dff\u302a-\u302f\u3099\u309a\ua66f-\ua6f1\ua800-\uabff\ufb1e\ufe20-\ufe2f\U00010000-\U0001efff]{15,}"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028]")
_SPACES = re.compile("[\xa0\u2000-\u200a\u202f\u205f]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u2060\ufeff]")
# scripts without spaces between words: Thai, Lao, Burmese, Khmer
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uaa60-\uaa7f"
_ZERO_WIDTH = re.compile(f"(?<=[{_UNSPACED}])(\u200b)\u200b*+(?=[{_UNSPACED}])|\u200b+")
# letters as fonts and files of print have them: one code for two letters, for a form, for a radical
_FORMS = re.compile("[\u0132\u0133\u2e80-\u2fd5\ufb00-\ufdf9\ufe10-\ufe19\ufe30-\ufe48\ufe70-\ufefc]")
# what most texts have none of: one search spares four
_UNUSUAL = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\xa0\xad\u0132\u0133\u2000-\u200b\u202f\u205f\u2060\u2e80-\u2fd5\ufb00-\ufdf9"
    "\ufe10-\ufe19\ufe30-\ufe48\ufe70-\ufeff]"
)
_BLANK_LINES = re.compile(r"\n{3,}")


@lru_cache(maxsize=10_000)
def _marks_of(character: str) -> tuple[bool, int]:
    """Whether a character decomposes into marks only; its number of final marks."""
    if _MARKS_OF_UNICODE_15.match(character):
        # of a class on some Pythons only, and never put in order
        return False, 0
    parts = [unicodedata.combining(part) != 0 for part in unicodedata.normalize("NFD", character)]
    return all(parts), next((count for count, is_mark in enumerate(reversed(parts)) if not is_mark), len(parts))


def _with_joiners(run: re.Match[str]) -> str:
    found: list[str] = []
    count = 0
    for character in run[0]:
        is_mark, marks = _marks_of(character)
        count = count + marks if is_mark else marks
        if count > MAX_MARKS:
            found.append(_GRAPHEME_JOINER)
            count = marks
        found.append(character)
    return "".join(found)


def stream_safe(text: str) -> str:
    """The text with a joiner after every 30 combining marks.

    This is UAX #15, section 13. No language writes so many in a row. Normal forms sort marks by insertion, so that
    200,000 of them in a row would take half a minute, and twice as many two minutes.
    """
    return text if text.isascii() else _MAYBE_MARKS.sub(_with_joiners, text)


def composed(text: str) -> str:
    """NFC of the stream-safe text, in linear time.

    It is equal on every supported Python.
    """
    if text.isascii():
        return text
    text = stream_safe(text)
    if unicodedata.is_normalized("NFC", text) and not _MARKS_OF_UNICODE_15.search(text):
        return text
    return "".join(
        part if index % 2 else unicodedata.normalize("NFC", part)
        for index, part in enumerate(_MARKS_OF_UNICODE_15.split(text))
    )


def without_trailing_blanks(text: str) -> str:
    """Lines without whitespace at their ends.

    A regular expression would take quadratic time on long runs of whitespace.
    """
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))


@cache
def _letters() -> dict[str, str]:
    """Letters by the form in which print has them.

    The forms are those of Unicode 14, so that all Pythons have the same; the Arabic words that are one sign (U+FDFA) stay.
    """
    ranges: tuple[tuple[int, int], ...] = (
        *((0x132, 0x134), (0x2F00, 0x2FD6), (0xFB00, 0xFB07), (0xFB13, 0xFB18), (0xFB20, 0xFB29), (0xFB4F, 0xFBB2)),
        *((0xFBD3, 0xFD3E), (0xFD50, 0xFD90), (0xFD92, 0xFDC8), (0xFDF0, 0xFDFA), (0xFE70, 0xFEFD)),
    )
    found = dict(zip(RADICALS[::2], RADICALS[1::2], strict=True))
    found |= dict(zip(UPRIGHT[::2], UPRIGHT[1::2], strict=True))
    for code in (code for first, end in ranges for code in range(first, end)):
        letters = unicodedata.normalize("NFKC", chr(code))
        if letters != chr(code):
            # marks of vowels have a blank or a stroke under them, to be seen alone
            is_mark = 0xFC5E <= code <= 0xFC63 or 0xFCF2 <= code <= 0xFCF4 or 0xFE70 <= code <= 0xFE7F
            found[chr(code)] = letters.translate({0x20: None, 0x640: None}) if is_mark else letters
    return found


def with_plain_letters(text: str) -> str:
    """Text with letters for ligatures, presentation forms and radicals.

    Files of print have them: the glyphs of a font are not always taken back to letters. NFKC would also turn 10⁵ into 105
    and ½ into 1⁄2. Marks of vertical text become those of horizontal text.
    """
    if text.isascii() or not _FORMS.search(text):
        return text
    letters = _letters()
    return _FORMS.sub(lambda match: letters.get(match[0], match[0]), text)


def with_plain_characters(text: str) -> str:
    """The text in NFC with plain line ends, spaces and letters; idempotent.

    Control characters and invisible ones are gone, and letters stand for the forms in which print has them. Joiners
    (U+200C, U+200D) stay, because Persian and emoji need them, and so does U+200B between words of Thai, Lao, Burmese
    and Khmer. The ideographic space stays, because it indents Chinese prose. The layout stays: indentation, blank
    lines, blanks at a line's end, which Markdown reads as a break.
    """
    text = without_surrogates(_LINE_ENDS.sub("\n", text)).replace("\u2029", "\n\n")
    if _UNUSUAL.search(text):
        text = _INVISIBLE.sub("", _SPACES.sub(" ", with_plain_letters(text)))
        if "\u200b" in text:
            text = _ZERO_WIDTH.sub(lambda match: match[1] or "", text)
    return composed(text)


def normalised(text: str) -> str:
    """The normal form of a text; idempotent.

    It has plain characters, and no trailing whitespace.
    """
    return _BLANK_LINES.sub("\n\n", without_trailing_blanks(with_plain_characters(text))).strip(" \t\n")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it has only whitespace and invisible characters."""
    return not _SPACE.sub("", text)


def single_line(text: str) -> str:
    """Text with every run of whitespace as one space: a title."""
    return _SPACE.sub(" ", text).strip()


def words(text: str) -> list[str]:
    """Lower-case words; each CJK character is one word.

    So is each syllable, or about that, of the other scripts without spaces between words.
    """
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text.lower())


def is_of_unspaced_script(word: str) -> bool:
    """Whether one of `words` is of a script without spaces between words."""
    return _IS_UNSPACED.match(word) is not None


def tokens(text: str) -> list[str]:
    """Words and marks in order, case kept.

    Each CJK character and each mark is one token, an ellipsis too.
    """
    return _TOKEN.findall(text)


def is_word(token: str) -> bool:
    """Whether a token is a word or number, and not a mark."""
    return _IS_WORD.search(token) is not None


def has_letter(token: str) -> bool:
    """Whether one of `tokens` holds a letter."""
    return _LETTER.search(token) is not None


def cjk_count(text: str) -> int:
    """How many characters are CJK: of a script without spaces between words."""
    return len(_ANY_CJK.findall(text))


def mean_cjk_run(text: str) -> float:
    """Mean number of CJK characters between marks, line ends and spaces.

    It is 0 if there are no such characters.
    """
    runs = len(_CJK_RUN.findall(text))
    return cjk_count(text) / runs if runs else 0.0


def _beside_ascii(text: str) -> tuple[bytes, str]:
    """A text's ASCII, and the rest.

    ASCII bytes are counted in no time. All is rest where ASCII is less than half."""
    plain = text.encode("ascii", "ignore")
    if len(plain) == len(text):
        return plain, ""
    return (plain, "".join(_OTHERS.findall(text))) if 2 * len(plain) > len(text) else (b"", text)


def letter_count(text: str) -> int:
    """How many characters are letters."""
    plain, others = _beside_ascii(text)
    return len(plain) - len(plain.translate(None, _ASCII_LETTERS)) + len(_NOT_LETTER.sub("", others))


def letter_share(text: str) -> float:
    """Share of letters among the visible characters; 0 where there are none."""
    plain, others = _beside_ascii(text)
    visible = len(plain.translate(None, _ASCII_SPACE)) + len(_SPACE.sub("", others))
    letters = len(plain) - len(plain.translate(None, _ASCII_LETTERS)) + len(_NOT_LETTER.sub("", others))
    return letters / visible if visible else 0.0
