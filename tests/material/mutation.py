"""A row of the table of mutations: a change to a project, and what it must build again.

In: the graph of the default configuration, written here a second time so that the stage table is judged by it. Out:
what a row says of every artifact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from material.tree_changes import (
    Change,
    nothing,
)

# the stage graph of the default configuration, written here a second time so that the stage table is judged by it
INPUTS = {
    "raw_corpus": "",
    "base_model": "",
    "documents": "raw_corpus",
    "clean_shards": "documents",
    # in the table, but needed by nothing without a source of role seed
    "relevance_model": "clean_shards",
    "unique_shards": "clean_shards",
    "corpus_split": "unique_shards base_model",
    "pt_tokens": "corpus_split base_model",
    "pt_adapter": "pt_tokens base_model",
    "merged_model": "pt_adapter pt_tokens base_model",
    "sft_dataset": "corpus_split",
    "sft_tokens": "sft_dataset base_model",
    "sft_adapter": "sft_tokens merged_model",
    "eval_results": "base_model corpus_split merged_model sft_dataset sft_adapter",
    "eval_report": "raw_corpus base_model documents clean_shards unique_shards corpus_split pt_tokens pt_adapter merged_model "
    "sft_dataset sft_tokens sft_adapter eval_results",
}
ARTIFACTS = tuple(INPUTS)
ALL = " ".join(ARTIFACTS)
NOTHING = ""
# a statement more in a module
EXTRA = "EXTRA = 1\n"


@dataclass(frozen=True)
class Rebuilt:
    """A real build of `target` after the change: artifacts whose bytes differ afterwards."""

    changed: str = NOTHING
    target: str = "eval_report"
    cores: int = 1


@dataclass(frozen=True)
class Row:
    """One change and what it builds again.

    given: a change made before. domain: whose keys are asked for. python: an interpreter's version, for its code digests.
    """

    name: str
    again: str
    change: Change
    given: Change = nothing
    domain: str = "medical"
    environment: dict[str, str] = field(default_factory=dict)
    python: str = ""
    rebuilt: Rebuilt | None = None


def following(artifacts: set[str]) -> set[str]:
    """Everything that is made from these artifacts, directly or not; without themselves."""
    found = set(artifacts)
    for name, inputs in INPUTS.items():
        if found & set(inputs.split()):
            found.add(name)
    return found - artifacts


def needed_for(target: str) -> set[str]:
    """An artifact and everything that it is made from."""
    found = {target}
    for name in reversed(ARTIFACTS):
        if name in found:
            found |= set(INPUTS[name].split())
    return found


def built_again(row: Row) -> set[str]:
    """What a real build runs: what the change reaches itself, and what has an input whose bytes changed."""
    assert row.rebuilt is not None
    changed = set(row.rebuilt.changed.split())
    reached = set(row.again.split()) | {name for name, inputs in INPUTS.items() if changed & set(inputs.split())}
    return reached & set.union(*map(needed_for, row.rebuilt.target.split()))
