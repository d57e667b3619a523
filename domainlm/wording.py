"""Figures, values and names in words, the same in every command.

In: seconds, bytes, values of the configuration, names that strangers gave. Out: a few characters that a person reads
at a glance.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_VALUE_CHARS = 60
# control characters (C0, DEL, C1), line and paragraph separators, what turns the direction of writing or shows nothing, and lone
# surrogates, which no encoding has. Joiners (U+200C, U+200D) stay: Persian and emoji are written with them
STEERING = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """A text as one line that cannot steer a terminal.

    Characters that would steer one are shown as Python writes them, `\\x1b`. Backslashes stay single, so that paths
    stay readable. Ordinary file names do not change.
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def seconds_in_words(seconds: float) -> str:
    """'0.4 s', '12 s', '14 min', '2 h 05 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def bytes_in_words(count: int) -> str:
    """'812 bytes', '4.1 kB', '93 MB', '1.2 GB', in powers of 1000."""
    if count < 1000:
        return f"{count} bytes"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def value_in_words(value: Any) -> str:
    """A configuration value in YAML's flow style, cut if it is long."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"
