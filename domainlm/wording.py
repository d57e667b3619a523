"""Figures and values in words, the same in every command.

In: seconds, bytes, values of the configuration. Out: a few characters that a person reads at a glance.
"""

from __future__ import annotations

import json
from typing import Any

MAX_VALUE_CHARS = 60


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
    """A configuration value as it is written in YAML's flow style, cut off where it is long."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"
