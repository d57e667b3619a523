"""The choice of held-out documents, and of training documents within a budget.

In: a document's group, links, and token count. Out: its split. Whole groups are held out, in the order of a stable
hash of seed and group, as many documents as the shares ask for; a group that no longer fits is skipped. A document
that shares a link (a parent term) with a held-out one is excluded, not trained on. The unit is the group and not the
document, because neighbours in an ontology or a file are nearly equal, and a test that the model has half read
flatters it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domainlm.text.stable_hash import stable_hash

# files of corpus_split, in the order in which people are shown them
SPLITS = (
    *("train", "train_sft_only", "validation", "validation_sft_only", "test"),
    *("general_held_out", "evaluation", "instruction"),
)
TRAINED_ON = ("train", "train_sft_only")
HELD_OUT = ("validation", "validation_sft_only", "test", "general_held_out")
MIN_GROUPS = 3
# a walk that passes over what no longer fits ends when this share of the budget is used
FULL_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Entry:
    """The facts of a document that the split needs.

    is_for_pt: whether PT may use it.
    """

    id: str
    source: str
    group: str
    links: tuple[str, ...]
    is_for_pt: bool = True


def group_sizes(entries: Iterable[Entry]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.group] = sizes.get(entry.group, 0) + 1
    return sizes


def held_out_groups(sizes: Mapping[str, int], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Split of each held-out group.

    Each share in turn gets groups of that share of all documents, at least one group. At least one group always
    remains. Raises ValueError for too few groups.
    """
    wanted = [name for name, share in shares.items() if share > 0]
    if len(sizes) <= len(wanted):
        raise ValueError(f"{len(sizes)} groups cannot be split into {len(wanted) + 1} parts")
    total = sum(sizes.values())
    order = sorted(sizes, key=lambda group: stable_hash(seed, group))
    found: dict[str, str] = {}
    for position, name in enumerate(wanted):
        target = int(total * shares[name] + 0.5)
        most_groups = len(sizes) - len(found) - (len(wanted) - position)
        count = taken = 0
        free = [group for group in order if group not in found]
        for group in free:
            if taken < most_groups and count + sizes[group] <= target:
                found[group] = name
                count, taken = count + sizes[group], taken + 1
        if not taken:
            smallest = min(free, key=lambda group: sizes[group])
            found[smallest] = name
    return found


def general_held_out_groups(sizes: Mapping[str, int], share: float, seed: int) -> frozenset[str]:
    """Articles of general text to hold out.

    They are a share of all articles, at least one if one remains to train on.
    """
    if share <= 0 or len(sizes) < 2:
        return frozenset()
    count = min(max(int(len(sizes) * share + 0.5), 1), len(sizes) - 1)
    return frozenset(sorted(sizes, key=lambda group: stable_hash(seed, group))[:count])


def linked_ids(entries: Iterable[Entry], links: frozenset[str]) -> frozenset[str]:
    """Documents that share a link with the given ones."""
    return frozenset(entry.id for entry in entries if not links.isdisjoint(entry.links))


def all_links(entries: Iterable[Entry]) -> frozenset[str]:
    return frozenset(link for entry in entries for link in entry.links)


class Budget:
    """Tokens left to fill, by documents in a fixed order.

    A document that does not fit is skipped.
    """

    def __init__(self, max_tokens: int | None) -> None:
        self.max_tokens = max_tokens
        self.tokens = 0

    @property
    def is_full(self) -> bool:
        return self.max_tokens is not None and self.tokens >= self.max_tokens * FULL_SHARE

    def takes(self, tokens: int) -> bool:
        """Whether a document is taken; if so, its tokens are spent."""
        if self.is_full or (self.max_tokens is not None and self.tokens + tokens > self.max_tokens):
            return False
        self.tokens += tokens
        return True
