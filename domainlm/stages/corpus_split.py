"""Artifact `corpus_split`: documents assigned to training, validation, test and other sets.

In: `unique_shards`, and the tokenizer of `base_model`. Out, each as Parquet: train (corpus within its token budget, and
replay up to its share of tokens, in the order of a stable hash), validation, test, general_held_out (replay articles,
whole), evaluation, instruction, and train_sft_only and validation_sft_only (texts that the policy permits in
instruction data and not in PT, which would otherwise choose by validation texts that it may not see); `left_out.jsonl`
with a reason for every document in none of them; `stats.json`. Property kept: no group lies in two of train, validation
and test, no training document shares a link with a held-out one, and no validation document with a test one; no
instruction document repeats a held-out text, as `unique_shards` finds repeats of evaluation texts. The replay share
counts tokens and not documents, because by a share of documents long articles would drown terms.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.config.text import CorpusSplit, CorpusSplitSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.json_files import write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.text.order import in_hash_order
from domainlm.text.policy import acting_role
from domainlm.text.repeats.instruction_repeats import repeating
from domainlm.text.split import (
    HELD_OUT,
    MIN_GROUPS,
    SPLITS,
    Budget,
    Entry,
    all_links,
    general_held_out_groups,
    group_sizes,
    held_out_groups,
    linked_ids,
)
from domainlm.text.token_counts import counted
from domainlm.tokens.special import read_special_tokens
from domainlm.tokens.spelled_out import read_text_tokenizer

ROLES = ("corpus", "replay", "evaluation", "instruction", "classifier")


def entries_by_role(path: Path) -> dict[str, list[Entry]]:
    """The facts that the split needs about every document, by role.

    The text is not among them.
    """
    import pyarrow.parquet as pq

    found: dict[str, list[Entry]] = {role: [] for role in ROLES}
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["id", "source", "role", "group", "links", "use"]):
            for row in batch.to_pylist():
                links = tuple(json.loads(row["links"]))
                entry = Entry(row["id"], row["source"], row["group"], links, "pt" in row["use"].split(","))
                found[acting_role(row["role"], row["use"])].append(entry)
    return found


def split_corpus(
    corpus: list[Entry], evaluated: list[Entry], section: CorpusSplit, seed: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Split by document id, and the reason of each excluded document.

    The split `train` stands for the documents that may be trained on. evaluated: documents of the same sources that the
    policy permits for evaluation only: nothing beside them is trained on.
    """
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
    evaluated_groups = {(entry.source, entry.group) for entry in evaluated}
    near_evaluated = linked_ids(corpus, all_links(evaluated)) | {
        entry.id for entry in corpus if (entry.source, entry.group) in evaluated_groups
    }
    left_out = dict.fromkeys(sorted(near_evaluated), "sibling_of_evaluation")
    left_out |= dict.fromkeys(sorted(near_held_out), "sibling_of_held_out")
    left_out |= dict.fromkeys(sorted(near_test), "validation_sibling_of_test")
    for identifier in left_out:
        del split[identifier]
    counts = Counter(split.values())
    missing = [name for name in ("train", *(n for n, share in shares.items() if share > 0)) if not counts[name]]
    if missing:
        raise StageError(
            f"the split left no document for {', '.join(missing)}: {left_out_counts(left_out)} of {len(corpus)} "
            f"documents in {len(sizes)} groups; raise documents.group_depth (finer groups) or lower "
            "corpus_split.validation_share and corpus_split.test_share"
        )
    return split, left_out


def left_out_counts(left_out: Mapping[str, str]) -> dict[str, int]:
    return dict(sorted(Counter(left_out.values()).items()))


def split_roles(
    entries: Mapping[str, list[Entry]], section: CorpusSplit, seed: int, has_corpus: bool = True
) -> tuple[dict[str, str], dict[str, str]]:
    """Split of documents of every role, and reasons of the excluded ones.

    Both are by document id. `train` and `replay` stand for the documents that may be trained on; budgets choose from
    them.
    """
    corpus_sources = {entry.source for entry in entries["corpus"]}
    evaluated = [entry for entry in entries["evaluation"] if entry.source in corpus_sources]
    split, left_out = dict[str, str](), dict[str, str]()
    if has_corpus:
        split, left_out = split_corpus(entries["corpus"], evaluated, section, seed)
    for entry in entries["corpus"]:
        if not entry.is_for_pt and split.get(entry.id) in ("train", "validation"):
            split[entry.id] += "_sft_only"
    if has_corpus and "train" not in split.values():
        raise StageError(
            f"no training document of {len(entries['corpus'])} corpus documents may be used for pt; expected one at least: "
            "add pt to a rule's `use` in the domain's policy"
        )
    if "validation_sft_only" in split.values() and "validation" not in split.values():
        raise StageError(
            "none of the documents held out for validation may be used for pt; expected one at least to choose by: add pt to a "
            f"rule's `use` in the domain's policy, or raise corpus_split.validation_share ({section.validation_share})"
        )
    general = general_held_out_groups(group_sizes(entries["replay"]), section.general_held_out_share, seed)
    for entry in entries["replay"]:
        split[entry.id] = "general_held_out" if entry.group in general else "replay"
    for role in ("evaluation", "instruction"):
        split.update((entry.id, role) for entry in entries[role])
    left_out.update((entry.id, "classifier_only") for entry in entries["classifier"])
    return split, left_out


def within(
    budget: Budget, documents: Iterable[tuple[Document, int]], progress: Callable[[int], None]
) -> dict[str, int]:
    """Tokens by id of the documents that fit into a budget.

    Documents are taken in the given order, and no more are read once the budget is full.
    """
    taken: dict[str, int] = {}
    # with an empty budget, nothing is counted
    if budget.is_full:
        return taken
    for document, tokens in documents:
        if budget.takes(tokens):
            taken[document.id] = tokens
        progress(len(taken))
        if budget.is_full:
            break
    return taken


def write_part(out: Path, name: str, documents: Iterator[tuple[Document, int]]) -> dict[str, Any]:
    """Write the documents of one split; return its figures.

    Each document is given with its tokens.
    """
    documents_by_source: Counter[str] = Counter()
    tokens_by_source: Counter[str] = Counter()

    def tallied() -> Iterator[Document]:
        for document, tokens in documents:
            documents_by_source[document.source] += 1
            tokens_by_source[document.source] += tokens
            yield document

    count = write_documents(out / f"{name}.parquet", tallied())
    return {
        "documents": count,
        "tokens": sum(tokens_by_source.values()),
        "documents_by_source": documents_by_source,
        "tokens_by_source": tokens_by_source,
    }


def group_counts(
    entries: Mapping[str, list[Entry]], split: Mapping[str, str], train_ids: Container[str]
) -> dict[str, int]:
    """The number of groups in each split.

    For the corpus, by split; for general text, the number of all groups and of those held out. train_ids: documents of
    the corpus that the budget took.
    """
    by_split: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for entry in entries["corpus"]:
        side = split.get(entry.id)
        if side in by_split and (side != "train" or entry.id in train_ids):
            by_split[side].add(entry.group)
    sizes = group_sizes(entries["corpus"])
    held_out = {entry.group for entry in entries["replay"] if split.get(entry.id) == "general_held_out"}
    return {name: len(groups) for name, groups in by_split.items()} | {
        "corpus": len(sizes),
        "largest": max(sizes.values(), default=0),
        "general": len(group_sizes(entries["replay"])),
        "general_held_out": len(held_out),
    }


def write_left_out(out: Path, left_out: Mapping[str, str]) -> None:
    with open_rows(out / "left_out.jsonl") as file:
        for identifier, reason in sorted(left_out.items()):
            write_row(file, {"id": identifier, "reason": reason})


def left_out_by_source(entries: Mapping[str, list[Entry]], left_out: Mapping[str, str]) -> dict[str, Counter[str]]:
    by_source: dict[str, Counter[str]] = {}
    for entry in itertools.chain.from_iterable(entries.values()):
        if entry.id in left_out:
            by_source.setdefault(entry.source, Counter())[left_out[entry.id]] += 1
    return by_source


def run(inputs: Inputs, config: CorpusSplitSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    seed = config.seed
    path = inputs.folders["unique_shards"] / "documents.parquet"
    tokenizer = read_text_tokenizer(inputs.folders["base_model"])
    border_tokens = read_special_tokens(inputs.folders["base_model"]).border_tokens
    entries = entries_by_role(path)
    split, left_out = split_roles(entries, section, seed, config.has_corpus)
    if entries["instruction"]:
        instruction = {entry.id for entry in entries["instruction"]}
        held_out = {identifier for identifier, name in split.items() if name in HELD_OUT}
        threshold, shingle_words = config.evaluation_threshold, config.shingle_words
        for identifier in repeating(path, instruction, held_out, threshold, shingle_words):
            del split[identifier]
            left_out[identifier] = "repeat_of_held_out"

    def chosen(part: str, budget: Budget, reason: str) -> dict[str, int]:
        """Tokens of a part's documents within its budget; others are excluded."""
        candidates = {identifier for identifier, name in split.items() if name == part}
        documents = counted(in_hash_order(path, candidates, seed), tokenizer, border_tokens)
        taken = within(budget, documents, lambda done: resources.progress(done, len(candidates), {}))
        left_out.update(dict.fromkeys(candidates - taken.keys(), reason))
        return taken

    replay_share = section.replay_share if entries["replay"] else 0.0
    max_tokens = section.max_train_tokens
    corpus_budget = Budget(None if max_tokens is None else int(max_tokens * (1 - replay_share)))
    corpus_tokens = chosen("train", corpus_budget, "over_budget")
    if config.has_corpus and not corpus_tokens:
        raise StageError(
            f"no training document fits into corpus_split.max_train_tokens: {max_tokens}; expected room for one at least"
        )
    replay_budget = Budget(int(corpus_budget.tokens * replay_share / (1 - replay_share)))
    replay_tokens = chosen("replay", replay_budget, "replay_not_needed")
    if replay_budget.max_tokens and not replay_budget.is_full:
        resources.log(
            f"replay: {replay_budget.tokens} of {replay_budget.max_tokens} tokens wanted by corpus_split.replay_share "
            f"{section.replay_share}; the sources of role replay have no more that fits"
        )
    train_tokens = corpus_tokens | replay_tokens
    filled = set(split.values())

    def documents_of(name: str) -> Iterator[tuple[Document, int]]:
        if name == "train":
            # tokens were counted at the choice: tokenising is most of this stage's work
            return ((found, train_tokens[found.id]) for found in in_hash_order(path, train_tokens.keys(), seed))
        # for an empty split, no document is read
        if name not in filled:
            return iter(())
        chosen_ones = (found for found in read_documents(path) if split.get(found.id) == name)
        return counted(chosen_ones, tokenizer, border_tokens)

    stats: dict[str, Any] = {name: write_part(out, name, documents_of(name)) for name in SPLITS}
    spent = sum(replay_tokens.values())
    share = round(spent / max(stats["train"]["tokens"], 1), 6)
    stats["train"] |= {"replay_documents": len(replay_tokens), "replay_tokens": spent, "replay_share": share}
    stats["groups"] = group_counts(entries, split, corpus_tokens.keys())
    write_left_out(out, left_out)
    # reasons that the figures always name, also with a count of 0
    none = dict.fromkeys(("sibling_of_held_out", "validation_sibling_of_test", "over_budget", "replay_not_needed"), 0)
    stats["left_out"] = none | left_out_counts(left_out)
    stats["left_out_by_source"] = left_out_by_source(entries, left_out)
    write_json(out / "stats.json", stats)
    return {f"{name}_documents": stats[name]["documents"] for name in SPLITS} | {
        "train_tokens": stats["train"]["tokens"]
    }
