"""Writing and reading the small JSON files of the text stages, with bytes that depend on the values alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """One JSON object, sorted keys, UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def open_rows(path: Path) -> TextIO:
    """A file to write JSON lines to."""
    return path.open("w", encoding="utf-8", newline="\n")


def write_row(file: TextIO, row: Mapping[str, Any]) -> None:
    file.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")


def summed(values: Iterable[Any]) -> Any:
    """Numbers added, mappings added key by key: the figures of all shards from those of each."""
    total: Any = None
    for value in values:
        if total is None:
            total = {key: summed([item]) for key, item in value.items()} if isinstance(value, Mapping) else value
        elif isinstance(value, Mapping):
            for key, item in value.items():
                total[key] = summed([total[key], item]) if key in total else summed([item])
        else:
            total = total + value
    return total
