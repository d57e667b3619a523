"""Whether any record has a value of `documents.group_field`.

In: the pieces of records as they are read. Out: counts by field and source, as nested mappings of whole numbers, so
that the counts of all shards are the sums of theirs; and StageError where no record of the domain has a value. A
misspelt name would otherwise leave the rows of one patient on both sides of the split without a word. A source that
lacks the field is no fault, as the knob is of all sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from domainlm.contract import StageError
from domainlm.text.reading.pieces import Piece

# different sets of fields that are counted in a shard
MAX_KEY_SETS = 1000
OTHER_KEYS = "(others)"
SHOWN_KEY_SETS = 5


class GroupTally:
    """Counts of one shard, by source.

    They are of pieces with a value, and the fields of those without."""

    def __init__(self, field: str | None) -> None:
        self._field = field
        self._by_source: dict[str, dict[str, Any]] = {}

    def add(self, source: str, piece: Piece) -> None:
        if self._field is None:
            return
        counts = self._by_source.setdefault(source, {"grouped": 0, "fields": Counter()})
        if not piece.ungrouped:
            counts["grouped"] += 1
            return
        is_new = piece.ungrouped not in counts["fields"]
        is_full = is_new and len(counts["fields"]) >= MAX_KEY_SETS
        counts["fields"][OTHER_KEYS if is_full else piece.ungrouped] += 1

    def as_stats(self) -> dict[str, Any]:
        """The counts below the field's name; nothing where none is configured."""
        return {} if self._field is None else {"groups": {self._field: self._by_source}}


def check_groups(by_field: Mapping[str, Any]) -> None:
    """Raise StageError where records were read and none has the field."""
    for field, by_source in by_field.items():
        if by_source and not any(counts["grouped"] for counts in by_source.values()):
            found = "; ".join(
                f"sources.{name}: {_shown(counts['fields'])}" for name, counts in sorted(by_source.items())
            )
            raise StageError(
                f"documents.group_field is {field!r}, and no record of any source has a value of it; expected the field whose"
                f" values are groups of the split. Fields found, with rows: {found}. Correct the name, or set"
                " documents.group_field to null"
            )


def _shown(fields: Mapping[str, int]) -> str:
    most = sorted(fields.items(), key=lambda item: (-item[1], item[0]))
    shown = " | ".join(f"{names} ({count})" for names, count in most[:SHOWN_KEY_SETS])
    return shown if len(most) <= SHOWN_KEY_SETS else f"{shown} | and {len(most) - SHOWN_KEY_SETS} more sets of fields"
