"""Labels of single files: by pattern, and by a table.

In: a source's labels, its list of patterns, the rows of its table. Out: licence, authority and stance of a path.
Later patterns win over earlier ones, the table over all of them, each label by itself. A table is CSV with a heading
line or JSON lines: a `path` and any of the labels. Whitespace around a label is removed, and an empty label counts as
not given.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domainlm.raw.json_text import parsed_json
from domainlm.raw.label_names import LABELS
from domainlm.raw.segments import is_glob_of
from domainlm.raw.surrogates import without_surrogates

COLUMNS = ("path", *LABELS)
Table = Mapping[str, Mapping[str, str]]


def labelled(
    path: str, labels: Mapping[str, Any], patterns: Sequence[Mapping[str, str | None]], table: Table
) -> dict[str, str]:
    """The labels of one file."""
    found = {name: labels[name] for name in LABELS}
    for entry in patterns:
        if is_glob_of(str(entry["pattern"]), path):
            found.update({name: value for name in LABELS if (value := entry[name]) is not None})
    found.update(table.get(path, {}))
    return found


def read_table(data: bytes, is_jsonl: bool) -> dict[str, dict[str, str]]:
    """Path -> labels. Raises ValueError naming the line."""
    text = data.decode("utf-8-sig")
    rows = _json_rows(text) if is_jsonl else _csv_rows(text)
    table: dict[str, dict[str, str]] = {}
    for number, row in rows:
        unknown = sorted(set(row) - set(COLUMNS))
        if unknown or "path" not in row:
            wrong = f"unknown columns {', '.join(map(str, unknown))}" if unknown else "no column path"
            raise ValueError(f"line {number}: {wrong}; expected path and any of {', '.join(LABELS)}")
        wrong_values = [name for name, value in row.items() if not _is_text(value)]
        path = "" if wrong_values else (row["path"] or "").removeprefix("./")
        if not path:
            raise ValueError(f"line {number}: {', '.join(wrong_values) or 'path'}: expected a text")
        if path in table:
            raise ValueError(f"line {number}: {path} occurs twice")
        table[path] = {name: value for name in LABELS if (value := (row.get(name) or "").strip())}
    return table


def _is_text(value: Any) -> bool:
    """Whether a label can be encoded.

    A JSON escape may name half a character.
    """
    return value is None or (isinstance(value, str) and value == without_surrogates(value))


def _csv_rows(text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"line {reader.line_num}: expected {len(reader.fieldnames or ())} fields, as the heading has"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num + 1}: not CSV: {error}") from error


def _json_rows(text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = parsed_json(line)
            except ValueError as error:
                raise ValueError(f"line {number}: not JSON") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: expected an object with path and labels")
            yield number, row
