"""Small JSON files as they may be found: whole, torn by a full disk or a power cut, or of another kind.

In: bytes or a file. Out: a JSON object, or None for whatever is not one. What to do about a torn note its reader decides:
most are made again, and those that say what must be kept are named to a person.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse_note(data: bytes) -> dict[str, Any] | None:
    """The JSON object that the bytes hold; None where they hold none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_note(path: Path) -> dict[str, Any] | None:
    """The JSON object of a file; None where there is no such file, or it holds none. Raises PermissionError."""
    try:
        return parse_note(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
