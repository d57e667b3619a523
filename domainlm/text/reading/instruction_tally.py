"""Counts of what was taken from sources of instruction data.

In: documents and rejections as they are read. Out: for each source of role instruction the rows taken by form, and
those rejected by reason and by the fields that they have, as nested mappings of whole numbers, so that the counts of
all shards are the sums of theirs. What too little is says `domainlm/text/instruction_share.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from domainlm.raw.raw_file import RawFile
from domainlm.text.document import MESSAGES_FORM, Document
from domainlm.text.reading.pieces import Rejection

# different sets of fields that are counted in a shard: a table of a million forms is a broken one
MAX_KEY_SETS = 1000
OTHER_KEYS = "(others)"


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
