"""Counts of cleaning, for the data card.

In: documents as they come, are kept, and are rejected. Out: counts by reason, source, language, length, label and
finding, as nested mappings of whole numbers, so that the counts of all shards are the sums of theirs. Lengths and
shares go into fixed bins, because a median could not be added up over shards.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from domainlm.raw.label_names import LABELS
from domainlm.text.document import Document
from domainlm.text.policy import acting_role

HAN_SHARE_BINS = 10


def length_bin(chars: int) -> str:
    """Lower bound of a length's bin: a power of two."""
    return str(1 << (chars.bit_length() - 1)) if chars else "0"


def han_share_bin(share: float) -> str:
    """Lower bound of a tenth: 0.0, 0.1, ..., 0.9.

    A share of 1 is in the last.
    """
    return f"{min(int(share * HAN_SHARE_BINS), HAN_SHARE_BINS - 1) / HAN_SHARE_BINS:.1f}"


class Tally:
    """Counts of one shard.

    found: occurrences of the things that cleaning changed or saw; found_documents: documents with any.
    """

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._by_source: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._labels: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add_input(self, document: Document) -> None:
        self._counts["input_by_source"][document.source] += 1

    def add_rejected(self, document: Document, reason: str) -> None:
        self.rejected[reason] += 1
        self._by_source[document.source][reason] += 1

    def add_kept(self, document: Document, han_share: float, found: Mapping[str, int]) -> None:
        chars = len(document.text)
        for name, key, count in (
            ("documents_by_source", document.source, 1),
            ("documents_by_role", acting_role(document.role, document.use), 1),
            ("documents_by_use", document.use, 1),
            ("chars_by_source", document.source, chars),
            ("documents_by_language", document.language, 1),
            ("chars_by_language", document.language, chars),
            ("documents_by_length", length_bin(chars), 1),
            ("documents_by_han_share", han_share_bin(han_share), 1),
        ):
            self._counts[name][key] += count
        for name in LABELS:
            self._labels[name][getattr(document, name)] += 1
        for name, count in found.items():
            if count:
                self._counts["found"][name] += count
                self._counts["found_documents"][name] += 1

    def as_stats(self) -> dict[str, Any]:
        """Every count, also those of which there are none."""
        names = (
            *("input_by_source", "documents_by_source", "documents_by_role", "documents_by_use", "chars_by_source"),
            *("documents_by_language", "chars_by_language", "documents_by_length", "documents_by_han_share"),
            *("found", "found_documents"),
        )
        counts = {name: self._counts[name] for name in names}
        kept = sum(counts["documents_by_source"].values())
        return {
            "input": kept + sum(self.rejected.values()),
            "documents": kept,
            "rejected": self.rejected,
            "rejected_by_source": self._by_source,
            "documents_by_label": {name: self._labels[name] for name in LABELS},
            **counts,
        }
