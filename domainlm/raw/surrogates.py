"""Halves of surrogate pairs, which JSON escapes and file names may hold and UTF-8 may not.

In: a text. Out: the same text with the replacement character in place of each half.
"""

from __future__ import annotations

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Text that UTF-8 can hold: JSON escapes may name half a surrogate pair."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
