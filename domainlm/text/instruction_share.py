"""Sources of instruction data of which too little was taken.

In: the counts of each source, summed over shards, and the least share of rows to take. Out: StageError, or nothing. A
source whose form is not known would otherwise be left out of training without a word. `documents` and `clean_shards`
both ask, because nothing on the way to an adapter waits for all shards of `documents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.contract import StageError
from domainlm.text.reading.conversation_forms import LOOKED_FOR, NOT_JUDGED

SHOWN_KEY_SETS = 10


def check_instruction(by_source: Mapping[str, Any], min_share: float) -> None:
    """Raise StageError that names each source of which too little was taken."""
    faults = (fault_of_source(source, counts, min_share) for source, counts in sorted(by_source.items()))
    if said := [fault for fault in faults if fault is not None]:
        raise StageError("\n".join(said))


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
