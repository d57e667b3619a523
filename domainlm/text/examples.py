"""Some example rows of every kind, for a person.

In: the rows of every shard's file. Out: for each source and reason the first rows by a stable hash, so that the same
are shown whatever the number of shards and the order of the files. The first rows of the file would all be of one
folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

SHOWN_EXAMPLES = 3


def examples_of(rows: Iterable[Mapping[str, Any]], shown: int = SHOWN_EXAMPLES) -> list[Mapping[str, Any]]:
    """At most `shown` rows for each source and reason, sorted by both.

    Memory: those rows.
    """
    kept: dict[tuple[str, str], list[tuple[bytes, Mapping[str, Any]]]] = {}
    for row in rows:
        place = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()
        found = kept.setdefault((row["source"], row["reason"]), [])
        if len(found) < shown or place < found[-1][0]:
            found.append((place, row))
            found.sort(key=lambda item: item[0])
            del found[shown:]
    return [row for _, found in sorted(kept.items()) for _, row in found]
