"""Halves of surrogate pairs, which UTF-8 cannot encode.

JSON escapes and file names may hold them. In: a text. Out: the same text with the replacement character in place of
each half.
"""

from __future__ import annotations

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Text that UTF-8 can encode; JSON escapes may name lone surrogates."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
