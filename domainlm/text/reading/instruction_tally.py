"""Counts of what was taken from sources of instruction data.

In: documents and rejections as they are read. Out: for each source of role instruction the rows taken by form, and
those rejected by reason and by the fields that they have, as nested mappings of whole numbers, so that the counts of
all shards are the sums of theirs; and the fault of a source of which too little was taken. A source whose form is not
known would otherwise be left out of training without a word.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from domainlm.raw.raw_file import RawFile
from domainlm.text.document import MESSAGES_FORM, Document
from domainlm.text.reading.conversation_forms import LOOKED_FOR
from domainlm.text.reading.conversations import METADATA, PREFERENCE
from domainlm.text.reading.pieces import Rejection

# rejections of rows and files that were never meant as conversations to learn from
NOT_JUDGED = (METADATA, PREFERENCE, "no_records")
# different sets of fields that are counted in a shard: a table of a million forms is a broken one
MAX_KEY_SETS = 1000
OTHER_KEYS = "(others)"
SHOWN_KEY_SETS = 10


class InstructionTally:
    """Counts of one shard, by source."""

    def __init__(self) -> None:
        self._by_source: dict[str, dict[str, Counter[str]]] = {}

    def add_file(self, row: RawFile) -> None:
        if row["role"] == "instruction":
            self._by_source.setdefault(row["source"], {name: Counter() for name in ("forms", "rejected", "keys")})

    def add(self, row: RawFile, found: Document | Rejection) -> None:
        if row["role"] != "instruction":
            return
        counts = self._by_source[row["source"]]
        if isinstance(found, Document):
            counts["forms"][json.loads(found.meta)[MESSAGES_FORM]] += 1
            return
        counts["rejected"][found.reason] += 1
        if found.keys:
            is_new = found.keys not in counts["keys"]
            counts["keys"][OTHER_KEYS if is_new and len(counts["keys"]) >= MAX_KEY_SETS else found.keys] += 1

    def as_stats(self) -> dict[str, Any]:
        return self._by_source


def fault_of_source(source: str, counts: Mapping[str, Mapping[str, int]], min_share: float) -> str | None:
    """The fault of a source of which too little was taken.

    Descriptions of data sets and preference rows do not count as rows that were not taken.
    """
    taken = sum(counts["forms"].values())
    lost = sum(count for reason, count in counts["rejected"].items() if reason not in NOT_JUDGED)
    if taken and taken >= min_share * (taken + lost):
        return None
    rows = taken + sum(counts["rejected"].values())
    share = f"expected a share of at least {min_share} (documents.min_instruction_share)" if taken else "expected some"
    keys = sorted(counts["keys"].items(), key=lambda item: (-item[1], item[0]))
    shown = "; ".join(f"{names} ({count})" for names, count in keys[:SHOWN_KEY_SETS])
    if len(keys) > SHOWN_KEY_SETS:
        shown += f"; and {len(keys) - SHOWN_KEY_SETS} more sets of fields"
    reasons = ", ".join(f"{reason} {count}" for reason, count in _by_count(counts["rejected"]))
    return (
        f"sources.{source} (role instruction): of {rows} rows and files {taken} were taken as conversations; {share}. "
        f"Rejected: {reasons or 'none'}. Fields found, with rows: {shown or 'none'}. Looked for: {LOOKED_FOR}. Name other "
        f"fields in sources.{source}.messages_from (docs/how-to/instruction-data.md); documents/*/rejected.jsonl lists "
        "every row that was not taken"
    )


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
