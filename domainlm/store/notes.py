"""Small JSON files as they may be found: whole, torn by a full disk or a power cut, or of another kind.

In: bytes or a file. Out: a JSON object, or None for whatever is not one. What to do about a torn note its reader decides:
most are made again, and those that say what must be kept are named to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domainlm.store.canonical import parse_json


def parse_note(data: bytes) -> dict[str, Any] | None:
    """The JSON object that the bytes hold; None where they hold none."""
    try:
        found = parse_json(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def read_note(path: Path) -> dict[str, Any] | None:
    """The JSON object of a file; None where there is no such file, or it holds none. Raises PermissionError."""
    try:
        return parse_note(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def has_kinds(row: Mapping[str, Any], texts: Iterable[str], numbers: Iterable[str] = ()) -> bool:
    """Whether a row's fields are there and of their kinds. True and False are no numbers."""
    if not all(isinstance(row.get(name), str) for name in texts):
        return False
    return all(isinstance(row.get(name), int | float) and not isinstance(row[name], bool) for name in numbers)


def has_shard(row: Mapping[str, Any]) -> bool:
    """Whether a row says of which shard it is: its number as text, or null for a whole artifact."""
    return isinstance(row.get("shard", False), str | None)
