"""Artifact `relevance_model`: a classifier of domain text against general text.

In: all shards of `clean_shards`; of them the documents of role seed (the domain) and replay (general). Out: the
model, and `stats.json` with its precision and recall on groups that it was not trained on. Property kept: the bytes
do not depend on the number of shards. Whole groups are held out, because the words of a file alone distinguish two
parts of it from general text. Memory: the start of `max_documents` documents of each kind.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config.text import RelevanceModel, RelevanceModelSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.text.json_files import write_json
from domainlm.text.relevance import Shape, measured, score_counts, telling_words, trained_model, write_model
from domainlm.text.split import MIN_GROUPS, held_out_groups
from domainlm.text.stable_hash import stable_hash

KINDS = {"domain": "seed", "general": "replay"}
# a document that the policy keeps from both may not teach this model either
USES = frozenset(("pt", "classifier"))
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TELLING_DOCUMENTS = 1000


@dataclass(frozen=True, order=True)
class Example:
    """The start of a document's text. order: a stable hash."""

    order: bytes
    id: str
    source: str
    group: str
    text: str


def examples_in(path: Path, role: str, seed: int, max_chars: int) -> Iterator[Example]:
    """Examples of one role in a shard.

    It reads only the texts of row groups that have some.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for index in range(file.num_row_groups):
            if role not in file.read_row_group(index, columns=["role"])["role"].unique().to_pylist():
                continue
            table = file.read_row_group(index, columns=["id", "source", "role", "group", "text", "use"])
            for row in table.to_pylist():
                if row["role"] == role and not USES.isdisjoint(row["use"].split(",")):
                    order = stable_hash(seed, row["id"])
                    yield Example(order, row["id"], row["source"], row["group"], row["text"][:max_chars])


def chosen_examples(paths: list[Path], role: str, seed: int, section: RelevanceModel) -> list[Example]:
    """The first `max_documents` examples of a role by a stable hash.

    They are the same for every number of shards.
    """
    found = (example for path in paths for example in examples_in(path, role, seed, section.max_chars))
    chosen = heapq.nsmallest(section.max_documents, found)
    if len(chosen) < section.min_documents:
        raise StageError(
            f"sources of role {role} have {len(chosen)} clean documents that may be trained on; expected at least "
            f"{section.min_documents} (relevance_model.min_documents): add files to a source of role {role}"
        )
    return chosen


def held_out_ids(examples: list[Example], share: float, seed: int) -> tuple[frozenset[str], str]:
    """Ids that are not trained on, and the unit of the choice.

    The unit is `group`, or `document` if there are few groups.
    """
    units = {example.id: f"{example.source}\0{example.group}" for example in examples}
    is_by_group = len(set(units.values())) >= MIN_GROUPS
    if not is_by_group:
        units = {example.id: example.id for example in examples}
    held_out = held_out_groups(Counter(units.values()), {"held_out": share}, seed)
    return frozenset(name for name, unit in units.items() if unit in held_out), "group" if is_by_group else "document"


def run(inputs: Inputs, config: RelevanceModelSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section, seed = config.section, config.seed
    paths = sorted(inputs.folders["clean_shards"].glob("[0-9]*/documents.parquet"))
    learned: dict[str, list[str]] = {}
    held_out: dict[str, list[str]] = {}
    stats: dict[str, Any] = {}
    for kind, role in KINDS.items():
        examples = chosen_examples(paths, role, seed, section)
        ids, unit = held_out_ids(examples, section.held_out_share, seed)
        learned[kind] = [example.text for example in examples if example.id not in ids]
        held_out[kind] = [example.text for example in examples if example.id in ids]
        stats[kind] = {
            "role": role,
            "learned": len(learned[kind]),
            "held_out": len(held_out[kind]),
            "held_out_by": unit,
            "by_source": Counter(example.source for example in examples),
        }
        resources.log(f"{kind}: {len(learned[kind])} documents to train on, {len(held_out[kind])} held out by {unit}")
    shape = Shape(section.threshold, section.ngrams, section.feature_bits, section.max_chars)
    model = trained_model(learned["domain"], learned["general"], shape, seed)
    write_model(out, model)
    scores = {kind: model.scores(texts) for kind, texts in held_out.items()}
    stats["held_out"] = measured(scores["domain"], scores["general"], section.threshold)
    stats["by_threshold"] = [measured(scores["domain"], scores["general"], each) for each in SHOWN_THRESHOLDS]
    stats["score_counts"] = {kind: score_counts(found) for kind, found in scores.items()}
    shown = [text for texts in learned.values() for text in texts[:TELLING_DOCUMENTS]]
    stats["telling_words"] = telling_words(model, shown)
    write_json(out / "stats.json", stats)
    return {name: stats["held_out"][name] for name in ("precision", "recall", "general_kept_share")}
