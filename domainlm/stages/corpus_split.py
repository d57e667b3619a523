"""corpus_split: what is trained on, what is chosen by, what is reported on.

In: `unique_shards`, and the tokenizer of `base_model`. Out: train (corpus within its token budget, and replay up to its
share of tokens, in the order of a stable hash), validation, test, general_held_out (replay articles, whole), evaluation
and instruction, each as Parquet, and `stats.json`. Property kept: no group lies in two of train, validation and test, no
training document shares a link with a held-out one, and no validation document with a test one. Tokens and not documents
are counted for the replay share, because a share of documents would let long articles drown short terms.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.config import CorpusSplit
from domainlm.stage import Inputs, Resources, StageError, Stats
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.json_files import write_json
from domainlm.text.order import in_hash_order
from domainlm.text.split import (
    MIN_GROUPS,
    Budget,
    Entry,
    all_links,
    general_held_out_groups,
    group_sizes,
    held_out_groups,
    linked_ids,
)
from domainlm.text.token_counts import counted, load_tokenizer

SPLITS = ("train", "validation", "test", "general_held_out", "evaluation", "instruction")


def entries_by_role(path: Path) -> dict[str, list[Entry]]:
    """What the split needs to know of every document, without its text."""
    import pyarrow.parquet as pq

    found: dict[str, list[Entry]] = {role: [] for role in ("corpus", "replay", "evaluation", "instruction")}
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["id", "source", "role", "group", "links"]):
            for row in batch.to_pylist():
                links = tuple(json.loads(row["links"]))
                found[row["role"]].append(Entry(row["id"], row["source"], row["group"], links))
    return found


def split_corpus(corpus: list[Entry], section: CorpusSplit, seed: int) -> tuple[dict[str, str], Counter[str]]:
    """Split by document id (`train` stands for what may be trained on), and how many are left out, by reason."""
    sizes = group_sizes(corpus)
    if len(corpus) < section.min_documents or len(sizes) < MIN_GROUPS:
        raise StageError(
            f"the corpus has {len(corpus)} documents in {len(sizes)} groups; expected at least "
            f"{section.min_documents} (corpus_split.min_documents) in at least {MIN_GROUPS}; a group is a file, an "
            "article or an ontology's subtree: add files, or give one record a line as jsonl"
        )
    shares = {"test": section.test_share, "validation": section.validation_share}
    side = held_out_groups(sizes, shares, seed)
    parts: dict[str, list[Entry]] = {"test": [], "validation": [], "train": []}
    for entry in corpus:
        parts[side.get(entry.group, "train")].append(entry)
    test_links = all_links(parts["test"])
    near_test = linked_ids(parts["validation"], test_links)
    near_held_out = linked_ids(parts["train"], test_links | all_links(parts["validation"]))
    split = {entry.id: name for name, part in parts.items() for entry in part}
    for identifier in near_test | near_held_out:
        del split[identifier]
    left_out = Counter({"sibling_of_held_out": len(near_held_out), "validation_sibling_of_test": len(near_test)})
    counts = Counter(split.values())
    missing = [name for name in ("train", *(n for n, share in shares.items() if share > 0)) if not counts[name]]
    if missing:
        raise StageError(
            f"the split left no document for {', '.join(missing)}: {dict(sorted(left_out.items()))} of {len(corpus)} "
            f"documents in {len(sizes)} groups; raise documents.group_depth (finer groups) or lower "
            "corpus_split.validation_share and corpus_split.test_share"
        )
    return split, left_out


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = CorpusSplit.model_validate(config["section"])
    seed = config["seed"]
    path = inputs.path("unique_shards") / "documents.parquet"
    tokenizer = load_tokenizer(inputs.path("base_model") / "tokenizer.json")
    entries = entries_by_role(path)
    split, left_out = split_corpus(entries["corpus"], section, seed)
    general = general_held_out_groups(group_sizes(entries["replay"]), section.general_held_out_share, seed)
    for entry in entries["replay"]:
        split[entry.id] = "general_held_out" if entry.group in general else "replay"
    for role in ("evaluation", "instruction"):
        split.update((entry.id, role) for entry in entries[role])

    def chosen(part: str, budget: Budget, reason: str) -> set[str]:
        """Documents of one part, in hash order, that its budget takes."""
        candidates = {identifier for identifier, name in split.items() if name == part}
        taken: set[str] = set()
        # an empty budget spares the work of counting
        if budget.is_full:
            left_out[reason] += len(candidates)
            return taken
        for document, tokens in counted(in_hash_order(path, candidates, seed), tokenizer):
            if budget.takes(tokens):
                taken.add(document.id)
            resources.progress(len(taken), len(candidates), {})
            if budget.is_full:
                break
        left_out[reason] += len(candidates) - len(taken)
        return taken

    replay_share = section.replay_share if entries["replay"] else 0.0
    max_tokens = section.max_train_tokens
    corpus_budget = Budget(None if max_tokens is None else int(max_tokens * (1 - replay_share)))
    train_ids = chosen("train", corpus_budget, "over_budget")
    if not train_ids:
        raise StageError(
            f"no training document fits into corpus_split.max_train_tokens: {max_tokens}; expected room for one at least"
        )
    replay_budget = Budget(int(corpus_budget.tokens * replay_share / (1 - replay_share)))
    replay_ids = chosen("replay", replay_budget, "replay_not_needed")
    if replay_budget.max_tokens and not replay_budget.is_full:
        resources.log(
            f"replay: {replay_budget.tokens} of {replay_budget.max_tokens} tokens wanted by corpus_split.replay_share "
            f"{section.replay_share}; the sources of role replay have no more that fits"
        )

    def documents_of(name: str) -> Iterator[Document]:
        if name == "train":
            return in_hash_order(path, train_ids | replay_ids, seed)
        return (document for document in read_documents(path) if split.get(document.id) == name)

    stats: dict[str, Any] = {}
    for name in SPLITS:
        tokens_by_source: Counter[str] = Counter()
        tokens_by_role: Counter[str] = Counter()

        def tallied(
            name: str = name, by_source: Counter[str] = tokens_by_source, by_role: Counter[str] = tokens_by_role
        ) -> Iterator[Document]:
            for document, tokens in counted(documents_of(name), tokenizer):
                by_source[document.source] += tokens
                by_role[document.role] += tokens
                yield document

        count = write_documents(out / f"{name}.parquet", tallied())
        tokens = sum(tokens_by_source.values())
        stats[name] = {"documents": count, "tokens": tokens, "tokens_by_source": tokens_by_source}
        if name == "train":
            replay_tokens = tokens_by_role["replay"]
            stats[name] |= {
                "replay_documents": len(replay_ids),
                "replay_tokens": replay_tokens,
                "replay_share": round(replay_tokens / tokens, 6),
            }
    by_split: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for entry in entries["corpus"]:
        side = split.get(entry.id)
        if side is not None and (side != "train" or entry.id in train_ids):
            by_split[side].add(entry.group)
    sizes = group_sizes(entries["corpus"])
    stats["groups"] = {name: len(groups) for name, groups in by_split.items()} | {
        "corpus": len(sizes),
        "largest": max(sizes.values()),
        "general": len(group_sizes(entries["replay"])),
        "general_held_out": len(general),
    }
    stats["left_out"] = left_out
    write_json(out / "stats.json", stats)
    return {f"{name}_documents": stats[name]["documents"] for name in SPLITS} | {
        "train_tokens": stats["train"]["tokens"]
    }
