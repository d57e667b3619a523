"""unique_shards: documents without exact and near duplicates, and without text of the evaluation sets.

In: all shards of `clean_shards`. Out: `documents.parquet` in canonical order, `duplicates.jsonl`, `stats.json`. Documents
are compared within their role only. Evaluation and instruction documents lose exact duplicates only: a set with similar
questions is meant so. Corpus, replay and instruction lose what repeats an evaluation text. Property kept: the bytes do
not depend on the number of shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.config import UniqueShards
from domainlm.stage import Inputs, Resources, StageError, Stats
from domainlm.text.document import Document, write_documents
from domainlm.text.duplicates import EvaluationTexts, Repeat, RepeatFinder
from domainlm.text.json_files import open_rows, read_json, write_json, write_row
from domainlm.text.order import merged

COUNT_NAMES = {"exact": "exact_duplicates", "near": "near_duplicates", "evaluation": "evaluation_overlaps"}


def evaluation_texts(paths: list[Path], section: UniqueShards) -> EvaluationTexts:
    texts = EvaluationTexts(section.evaluation_threshold, section.shingle_words)
    for document in merged(paths):
        if document.role == "evaluation":
            texts.add(document.id, document.text)
    return texts


def repeat_of(document: Document, finder: RepeatFinder) -> Repeat | None:
    """What a document repeats, by the rules of its role."""
    if document.role == "evaluation":
        return finder.exactly_repeated(document.id, document.text)
    if document.role == "instruction":
        return finder.repeated_evaluation(document.text) or finder.exactly_repeated(document.id, document.text)
    return finder.repeated(document.id, document.text)


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = UniqueShards.model_validate(config["section"])
    folder = inputs.path("clean_shards")
    paths = sorted(folder.glob("[0-9]*/documents.parquet"))
    upstream = read_json(folder / "stats.json")
    total, has_evaluation = upstream["documents"], bool(upstream["documents_by_role"].get("evaluation"))
    evaluation = evaluation_texts(paths if has_evaluation else [], section)
    finders: dict[str, RepeatFinder] = {}
    by_source: dict[str, Counter[str]] = {}
    with open_rows(out / "duplicates.jsonl") as duplicates_file:

        def unique() -> Iterator[Document]:
            for done, document in enumerate(merged(paths)):
                if done % 500 == 0:
                    resources.progress(done, total, {})
                counts = by_source.setdefault(document.source, Counter())
                counts["input"] += 1
                finder = finders.get(document.role)
                if finder is None:
                    finder = finders[document.role] = RepeatFinder(
                        section.permutations, section.threshold, section.shingle_words, evaluation
                    )
                repeat = repeat_of(document, finder)
                if repeat is None:
                    counts["documents"] += 1
                    yield document
                    continue
                counts[COUNT_NAMES[repeat.kind]] += 1
                row = {"id": document.id, "duplicate_of": repeat.duplicate_of}
                write_row(duplicates_file, {**row, "kind": repeat.kind, "similarity": repeat.similarity})

        count = write_documents(out / "documents.parquet", unique())
    figures = ("input", "documents", *COUNT_NAMES.values())
    stats: dict[str, Any] = {name: sum(counts[name] for counts in by_source.values()) for name in figures}
    if not count:
        raise StageError(
            f"none of {stats['input']} documents is left without duplicates and evaluation texts; expected at least one; "
            "check sources of role evaluation and unique_shards.evaluation_threshold"
        )
    stats["by_source"] = {source: {name: counts[name] for name in figures} for source, counts in by_source.items()}
    write_json(out / "stats.json", stats)
    return {name: stats[name] for name in figures}
