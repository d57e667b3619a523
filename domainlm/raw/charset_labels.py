"""Names of character sets, and what they denote on the web.

In: a name that a page or a source uses; bytes and a set. Out: Python's name of the set; the text, or None where the bytes
are not of it. The meaning of the names is that of the WHATWG Encoding Standard: many denote a larger set than their own
(`iso-8859-1` is Windows-1252, `gb2312` is GB 18030, `tis-620` is Windows-874), because the files that carry them are in it.
Python's codecs differ from the standard in two ways that are mended here: the bytes that Windows leaves undefined below 0xA0
are control characters, and KOI8-U has the Belarusian letter. A table of names is kept here and no library taken: of those in
the lock files none has one.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

# Python's name of a set -> other names for it; those that Python knows itself are not repeated
_NAMES = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "cp1252": "ascii us-ascii ansi-x3.4-1968 iso-ir-100 cp819 ibm819 l1 latin1 latin-1 csisolatin1 x-user-defined",
    "cp1254": "l5 latin5 latin-5 csisolatin5 iso-ir-148",
    "cp874": "tis-620 tis620 dos-874 iso-ir-166",
    "iso8859-6": "csiso88596e csiso88596i",
    "iso8859-7": "sun-eu-greek",
    "iso8859-8": "csiso88598e csiso88598i visual logical",
    "koi8-r": "koi koi8 cskoi8r",
    "koi8-u": "koi8-ru",
    "mac-roman": "mac x-mac-roman csmacintosh",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "gb2312 gb-2312 gb-2312-80 gbk x-gbk cp936 ms936 euc-cn chinese csgb2312 csiso58gb231280 iso-ir-58",
    "big5": "big5-hkscs big5hkscs cp950 ms950 big5-tw cn-big5 csbig5 x-x-big5",
    "cp932": "shift-jis shiftjis sjis x-sjis ms932 ms-kanji csshiftjis csms932",
    "euc_jp": "eucjp x-euc-jp cseucpkdfmtjapanese",
    "cp949": "euc-kr euckr korean ksc5601 ksc-5601 ks-c-5601 ks-c-5601-1987 ks-c-5601-1989 uhc cseuckr csksc56011987 iso-ir-149",
}
_SAME_AS = {name: charset for charset, names in _NAMES.items() for name in names.split()}
_WINDOWS = re.compile(r"(?:x-)?(?:windows|cp|ms)-?(125[0-8]|874|932|936|949|950|31j)")
_ISO = re.compile(r"iso-?8859-?([0-9]{1,2})(?:-[ei])?(?::[0-9]{4})?")
# what the other sets of Windows and of ISO 8859 denote
_OF_WINDOWS = {"932": "cp932", "31j": "cp932", "936": "gb18030", "949": "cp949", "950": "big5"}
_OF_ISO = {"1": "cp1252", "9": "cp1254", "11": "cp874"}
# sets that Python parts, in order: the standard's is all of them together
_LARGER = {"big5": ("big5", "cp950", "big5hkscs"), "euc_jp": ("euc_jp", "euc_jis_2004")}
# sets of one byte a character that leave bytes below 0xA0 undefined; what the standard has in place of other characters
_WITH_CONTROLS = frozenset(("cp874", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1257", "cp1258"))
_OTHER_CHARACTERS = {"koi8-u": {0xAE: "ў", 0xBE: "Ў"}}
_UNDEFINED = "\ufffe"


@cache
def known_charset(name: str) -> str | None:
    """Python's name of the set that this name denotes, or None."""
    name = name.strip().lower().replace("_", "-")
    if (windows := _WINDOWS.fullmatch(name)) is not None:
        name = _OF_WINDOWS.get(windows[1], f"cp{windows[1]}")
    elif (iso := _ISO.fullmatch(name)) is not None:
        name = _OF_ISO.get(iso[1].lstrip("0"), f"iso8859-{iso[1]}")
    try:
        found = codecs.lookup(_SAME_AS.get(name, name)).name
        # codecs that are no character sets (hex, rot13) have names too
        b"a".decode(found)
    except (LookupError, UnicodeError, ValueError):
        return None
    return found


@cache
def _table(charset: str) -> str | None:
    """The characters of 256 bytes; None if Python's codec will do."""
    if charset not in _WITH_CONTROLS and charset not in _OTHER_CHARACTERS:
        return None
    others = _OTHER_CHARACTERS.get(charset, {})
    characters = [others.get(byte) or bytes((byte,)).decode(charset, "replace") for byte in range(256)]
    return "".join(
        (chr(byte) if charset in _WITH_CONTROLS and 0x80 <= byte < 0xA0 else _UNDEFINED)
        if character == "\ufffd"
        else character
        for byte, character in enumerate(characters)
    )


def decoded_by(data: bytes, charset: str) -> tuple[str, str] | None:
    """(text, Python's name of the codec that gives it), or None.

    charset: by `known_charset`. None: some bytes are none of the set's.
    """
    table = _table(charset)
    if table is not None:
        try:
            return codecs.charmap_decode(data, "strict", table)[0], charset
        except UnicodeDecodeError:
            return None
    for name in _LARGER.get(charset, (charset,)):
        try:
            return data.decode(name), name
        except UnicodeDecodeError:
            continue
    return None


@cache
def is_of_one_byte(charset: str) -> bool:
    """Whether each byte of a set is one character."""
    if charset.startswith("utf"):
        return False
    return (
        len(bytes(range(0x80, 0x100)).decode(charset, "replace")) == 128
        and len(b"\xe1\xa1\xa1".decode(charset, "replace")) == 3
    )


def byte_length(text: str, charset: str) -> int:
    """Length in bytes of a text that was decoded from a set."""
    return len(text) if is_of_one_byte(charset) else len(text.encode(charset))
