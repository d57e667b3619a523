"""The data card: a description of the texts that accounts for each.

In: the folders of the text artifacts. Out: one JSON object that the page is drawn from: the funnel by source, every
reason of rejection or exclusion with its count and examples, languages, lengths, licences and other labels, uses,
personal data found, relevance. Property kept: within a source, the input of a step equals its output plus its
rejects, so that nothing is lost between two numbers. The figures are the artifacts' own counts, not counted again:
the card never reads a document.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.contract import Inputs
from domainlm.report.facts import read_json
from domainlm.text.examples import examples_of
from domainlm.text.json_rows import rows_of
from domainlm.text.repeats.kinds import REPEAT_REASONS
from domainlm.text.split import SPLITS

SHOWN_NEAR_LINE = 12
SHOWN_LINES = 12

Json = dict[str, Any]


def data_card(inputs: Inputs, domain: str, title: str) -> Json:
    """KeyError or OSError where an artifact does not keep the contract."""
    stats = {
        name: read_json(inputs.folders[name] / "stats.json")
        for name in ("raw_corpus", "documents", "clean_shards", "unique_shards", "corpus_split")
    }
    clean = stats["clean_shards"]
    return {
        "domain": domain,
        "title": title or domain,
        "sources": stats["raw_corpus"]["sources"],
        "media_types": stats["raw_corpus"]["media_types"],
        "disagreeing": stats["raw_corpus"]["disagreeing"],
        "funnel": funnel(stats),
        "rejected": rejected(inputs, stats),
        "coverage": {
            "by_source": stats["documents"]["coverage_by_source"],
            "least_read": list(rows_of(inputs.folders["documents"] / "least_read.jsonl")),
        },
        "left_out": stats["corpus_split"]["left_out_by_source"],
        "tokens": {name: stats["corpus_split"][name]["tokens_by_source"] for name in SPLITS},
        "languages": {
            name: {"documents": count, "chars": clean["chars_by_language"].get(name, 0)}
            for name, count in clean["documents_by_language"].items()
        },
        "han_share": clean["documents_by_han_share"],
        "lengths": clean["documents_by_length"],
        "labels": clean["documents_by_label"],
        "uses": clean["documents_by_use"],
        "found": {
            name: {"occurrences": count, "documents": clean["found_documents"][name]}
            for name, count in clean["found"].items()
        },
        "conversations": conversations(inputs),
        "boilerplate": boilerplate(inputs, stats["unique_shards"]),
        "relevance": relevance(inputs, stats["unique_shards"]),
    }


def funnel(stats: Mapping[str, Json]) -> Json:
    """By source: files, read, cleaned and unique documents, and their ends."""
    clean, unique, split = stats["clean_shards"], stats["unique_shards"], stats["corpus_split"]
    found: Json = {}
    for name, source in sorted(stats["raw_corpus"]["sources"].items()):
        found[name] = {
            "role": source["role"],
            "files": source["files"],
            "read": clean["input_by_source"].get(name, 0),
            "clean": clean["documents_by_source"].get(name, 0),
            "unique": unique["by_source"].get(name, {}).get("documents", 0),
            "splits": {part: split[part]["documents_by_source"].get(name, 0) for part in SPLITS},
            "left_out": sum(split["left_out_by_source"].get(name, {}).values()),
        }
    return found


def rejected(inputs: Inputs, stats: Mapping[str, Json]) -> list[Json]:
    """Every stage, source and reason of rejection, with count and examples.

    The largest counts come first.
    """
    archives = Counter((row["source"], row["reason"]) for row in _rejected_by_archives(inputs))
    unique = stats["unique_shards"]["by_source"]
    repeats = {
        (source, reason): counts[reason] for source, counts in unique.items() for reason in REPEAT_REASONS.values()
    }
    folder = inputs.folders["unique_shards"]
    parts = (
        ("raw_corpus", archives, _rejected_by_archives(inputs)),
        (
            "documents",
            _pairs(stats["documents"]["rejected_by_source"]),
            rows_of(inputs.folders["documents"] / "examples.jsonl"),
        ),
        (
            "clean_shards",
            _pairs(stats["clean_shards"]["rejected_by_source"]),
            rows_of(inputs.folders["clean_shards"] / "examples.jsonl"),
        ),
        (
            "unique_shards",
            _pairs({source: counts["rejected"] for source, counts in unique.items()}),
            rows_of(folder / "rejected.jsonl"),
        ),
        ("unique_shards", repeats, _repeats(folder / "duplicates.jsonl")),
        (
            "sft_dataset",
            Counter((row["source"], row["reason"]) for row in _left_out_conversations(inputs)),
            _left_out_conversations(inputs),
        ),
        ("sft_tokens", _pairs(_of_tokens(inputs)["rejected_by_source"]), _rejected_conversations(inputs)),
    )
    found: list[Json] = []
    for stage, counts, rows in parts:
        examples: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in examples_of(rows):
            examples.setdefault((row["source"], row["reason"]), []).append(row)
        for (source, reason), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if count:
                shown = examples.get((source, reason), [])
                found.append({"stage": stage, "source": source, "reason": reason, "count": count, "examples": shown})
    return found


def _pairs(by_source: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, str], int]:
    return {(source, reason): count for source, counts in by_source.items() for reason, count in counts.items()}


def _of_tokens(inputs: Inputs) -> Json:
    """The figures of sft_tokens; none of a card of the texts alone."""
    if "sft_tokens" not in inputs.folders:
        return {"rejected_by_source": {}, "taken": {"train": {}}}
    return read_json(inputs.folders["sft_tokens"] / "stats.json")


def _rejected_conversations(inputs: Inputs) -> Iterator[Json]:
    if "sft_tokens" in inputs.folders:
        yield from rows_of(inputs.folders["sft_tokens"] / "rejected.jsonl")


def _left_out_conversations(inputs: Inputs) -> Iterator[Json]:
    """Own conversations that ask what a held-out one asks."""
    if "sft_dataset" in inputs.folders:
        yield from rows_of(inputs.folders["sft_dataset"] / "left_out.jsonl")


def conversations(inputs: Inputs) -> list[Json]:
    """What SFT learns by source and form, with shares of tokens."""
    return [
        {"source": source, "form": form, **counts}
        for source, forms in sorted(_of_tokens(inputs)["taken"]["train"].items())
        for form, counts in sorted(forms.items())
    ]


def _rejected_by_archives(inputs: Inputs) -> Iterator[Json]:
    for path in sorted(inputs.folders["raw_corpus"].glob("[0-9]*/rejected.jsonl")):
        yield from rows_of(path)


def _repeats(path: Path) -> Iterable[Json]:
    for row in rows_of(path):
        yield {**row, "reason": REPEAT_REASONS[row["kind"]]}


def boilerplate(inputs: Inputs, unique: Json) -> Json:
    """Removed boilerplate by source, and the lines of most documents."""
    rows = rows_of(inputs.folders["unique_shards"] / "boilerplate.jsonl")
    lines = heapq.nsmallest(SHOWN_LINES, rows, key=lambda row: (-row["documents"], row["source"], row["line"]))
    return {"by_source": unique["boilerplate"], "lines": lines}


def relevance(inputs: Inputs, unique: Json) -> Json | None:
    """Precision and recall on held-out examples, and near-threshold documents.

    None without a model.
    """
    if "relevance_model" not in inputs.folders:
        return None
    model = read_json(inputs.folders["relevance_model"] / "stats.json")
    rows = rows_of(inputs.folders["unique_shards"] / "near_line.jsonl")
    threshold = unique["relevance"]["threshold"]
    nearest = heapq.nsmallest(SHOWN_NEAR_LINE, rows, key=lambda row: (abs(row["value"] - threshold), row["id"]))
    return {
        **unique["relevance"],
        "held_out": model["held_out"],
        "domain": model["domain"],
        "general": model["general"],
        "by_threshold": model["by_threshold"],
        "telling_words": model["telling_words"],
        "near_line": sorted(nearest, key=lambda row: (-row["value"], row["id"])),
    }


def totals(card: Json) -> Json:
    """Sums of the funnel over sources."""
    found: Json = {name: 0 for name in ("files", "read", "clean", "unique", "left_out")}
    splits: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
    for row in card["funnel"].values():
        for name in found:
            found[name] += row[name]
        splits.update(row["splits"])
    return {**found, "splits": dict(splits)}
