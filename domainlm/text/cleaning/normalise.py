"""Normal forms that a domain may choose: width, Chinese script, repeated lines.

In: text. Out: text. Full-width letters, digits and signs become ASCII, because a tokeniser sees two different words
otherwise; Chinese punctuation stays full-width, which is how Chinese is written (NFKC would turn both). Chinese
script is converted by OpenCC's tables of characters and phrases. The form of every domain (Unicode composition,
spaces, line ends, control characters) is `domainlm.text.characters.normalised`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

# letters, digits and the signs that are not Chinese punctuation: not ! ( ) , : ; ? [ ] { } ~
_FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0) not in "!(),:;?[]{}~")
_TO_ASCII = {ord(character): ord(character) - 0xFEE0 for character in _FULL_WIDTH}
_IS_FULL_WIDTH = re.compile(f"[{re.escape(_FULL_WIDTH)}]")
# a shorter line or block may well occur twice: a brace, "Example", a table's rule
MIN_REPEATED_CHARS = 20
_HAN = re.compile("[\u3400-\u9fff]")


def with_ascii_width(text: str) -> str:
    """Full-width letters, digits and signs as ASCII; Chinese punctuation as it is."""
    return text.translate(_TO_ASCII) if not text.isascii() and _IS_FULL_WIDTH.search(text) else text


@cache
def _converter(table: str) -> Any:
    import opencc

    return opencc.OpenCC(table)


def _changes(text: str, converted: str) -> int:
    return sum(old != new for old, new in zip(text, converted, strict=False))


def in_script(text: str, script: Literal["keep", "simplified", "traditional"]) -> str:
    """Chinese in one script; idempotent.

    The caller must keep other text, Japanese too, from it by language. Text that is traditional already stays: the
    table for simplified text would break it (適合中國 to 適閤中國).
    """
    if script == "keep" or text.isascii():
        return text
    simplified = str(_converter("t2s").convert(text))
    if script == "simplified":
        return simplified
    traditional = str(_converter("s2t").convert(text))
    return text if _changes(text, simplified) >= _changes(text, traditional) else traditional


def _is_long(text: str) -> bool:
    """Whether a line is long enough to be a repetition.

    A Han character counts as two letters.
    """
    return len(text) >= MIN_REPEATED_CHARS or len(text) + len(_HAN.findall(text)) >= MIN_REPEATED_CHARS


def without_repeats(text: str) -> tuple[str, int]:
    """The text without repeated blocks and lines, and the number removed.

    Blocks are separated by blank lines. The first occurrence stays.
    """
    seen: set[str] = set()
    blocks = []
    removed = 0
    for block in text.split("\n\n"):
        key = block.strip()
        if key in seen:
            removed += key.count("\n") + 1
            continue
        if "\n" in key and _is_long(key):
            seen.add(key)
        lines = []
        for line in block.split("\n"):
            key = line.strip()
            if key in seen:
                removed += 1
                continue
            if _is_long(key):
                seen.add(key)
            lines.append(line)
        if any(line.strip() for line in lines) or not block.strip():
            blocks.append("\n".join(lines))
    return ("\n\n".join(blocks), removed) if removed else (text, 0)
