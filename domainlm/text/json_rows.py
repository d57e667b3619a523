"""JSON lines, whose bytes depend on the values alone.

There is one row a line, and rows are read one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO


def open_rows(path: Path) -> TextIO:
    """A file to write JSON lines to."""
    return path.open("w", encoding="utf-8", newline="\n")


def write_row(file: TextIO, row: Mapping[str, Any]) -> None:
    file.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file of JSON lines."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)
