"""Small JSON files that may be whole, torn, or of another kind.

A full disk or a power cut can tear a file. In: bytes or a file. Out: a JSON object, or None for anything else. The
reader decides on a torn note: most are written again, and those that say which files must be kept are reported to a
person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domainlm.store.canonical import parse_json


def parse_note(data: bytes) -> dict[str, Any] | None:
    """The JSON object in the bytes; None if they hold none."""
    try:
        found = parse_json(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def read_note(path: Path) -> dict[str, Any] | None:
    """The JSON object of a file, or None.

    None if the file does not exist or holds no object. Raises PermissionError.
    """
    try:
        return parse_note(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def has_kinds(row: Mapping[str, Any], texts: Iterable[str], numbers: Iterable[str] = ()) -> bool:
    """Whether a row has these fields, with the right types.

    True and False do not count as numbers.
    """
    if not all(isinstance(row.get(name), str) for name in texts):
        return False
    return all(isinstance(row.get(name), int | float) and not isinstance(row[name], bool) for name in numbers)


def has_shard(row: Mapping[str, Any]) -> bool:
    """Whether a row names its shard: a number as text, or null.

    Null stands for the whole artifact.
    """
    return isinstance(row.get("shard", False), str | None)
