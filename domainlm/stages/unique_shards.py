"""unique_shards: documents without boilerplate, off-domain text, duplicates, and text of the evaluation sets.

In: all shards of `clean_shards`, and `relevance_model` where the domain has one. Out: `documents.parquet` in canonical order,
`duplicates.jsonl`, `rejected.jsonl`, `near_line.jsonl` (the documents nearest to the relevance threshold, to look at),
`boilerplate.jsonl`, `stats.json`. Documents are compared within the role that they play only. Evaluation and instruction
documents lose exact duplicates only: a set with similar questions is meant so. Corpus, replay and instruction lose what repeats
an evaluation text. What is for classifiers alone passes as it is. Property kept: the bytes do not depend on the number of
shards.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from domainlm.config.text import UniqueShards
from domainlm.stage import Inputs, Resources, StageError, Stats
from domainlm.text.boilerplate import Boilerplate, TooManyLines, frequent_lines, without_boilerplate
from domainlm.text.characters import words
from domainlm.text.cleaning.excerpt import masked_excerpt
from domainlm.text.document import Document, write_documents
from domainlm.text.duplicates import EvaluationTexts, Repeat, RepeatFinder
from domainlm.text.json_files import open_rows, read_json, write_json, write_row
from domainlm.text.near_line import NearLine
from domainlm.text.order import merged
from domainlm.text.policy import acting_role
from domainlm.text.relevance import RelevanceModel, read_model, score_counts

COUNT_NAMES = {"exact": "exact_duplicates", "near": "near_duplicates", "evaluation": "evaluation_overlaps"}
# roles whose text is trained on as running text: the others are short and repeat lines because they are meant to
RUNNING_TEXT = ("corpus", "replay")
DOCUMENTS_PER_BATCH = 200


def role_of(document: Document) -> str:
    return acting_role(document.role, document.use)


def evaluation_texts(paths: list[Path], section: UniqueShards) -> EvaluationTexts:
    texts = EvaluationTexts(section.evaluation_threshold, section.shingle_words)
    for document in merged(paths):
        if role_of(document) == "evaluation":
            texts.add(document.id, document.text)
    return texts


def boilerplate_of(paths: list[Path], section: UniqueShards) -> Boilerplate:
    """Lines that stand in too many documents of a source; none where the configuration asks for none."""
    if section.max_line_documents is None:
        return Boilerplate({})

    def texts() -> Iterator[tuple[str, str]]:
        return ((each.source, each.text) for each in merged(paths) if role_of(each) in RUNNING_TEXT)

    try:
        return frequent_lines(texts, section.max_line_documents)
    except TooManyLines as error:
        raise StageError(
            f"{error.count} different lines stand in more than {section.max_line_documents} documents of their source, more "
            "than can be counted in memory; raise unique_shards.max_line_documents"
        ) from error


def repeat_of(document: Document, role: str, finder: RepeatFinder) -> Repeat | None:
    """What a document repeats, by the rules of its role."""
    if role == "evaluation":
        return finder.exactly_repeated(document.id, document.text)
    if role == "instruction":
        return finder.repeated_evaluation(document.text) or finder.exactly_repeated(document.id, document.text)
    return finder.repeated(document.id, document.text)


def place_of(document: Document) -> dict[str, str]:
    return {"id": document.id, "source": document.source, "path": document.path, "section": document.section}


class Rejected:
    """The rows of what is kept out by a rule, and how many by source and reason."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.by_source: dict[str, Counter[str]] = {}

    def add(self, document: Document, reason: str, value: float, threshold: float) -> None:
        self.by_source.setdefault(document.source, Counter())[reason] += 1
        found = {"reason": reason, "value": value, "threshold": threshold, "excerpt": masked_excerpt(document.text)}
        write_row(self._file, {**place_of(document), **found})


class LinesTaken:
    """Boilerplate that was taken out: characters, documents and lines by source."""

    def __init__(self, found: Boilerplate) -> None:
        self._found = found
        self.counts: dict[str, Counter[str]] = {}
        self._lines: dict[tuple[str, str], int] = {}

    def cleaned(self, document: Document) -> Document:
        """The document without boilerplate."""
        if not self._found.documents or role_of(document) not in RUNNING_TEXT:
            return document
        text, taken = without_boilerplate(document.source, document.title, document.text, self._found)
        if not taken:
            return document
        counts = self.counts.setdefault(document.source, Counter())
        counts.update(documents=1, lines=len(taken), chars=len(document.text) - len(text))
        for line in taken:
            self._lines[document.source, line] = self._found.count(document.source, line)
        return replace(document, text=text)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every different line with the number of documents that have it, by source, most frequent first."""
        for (source, line), count in sorted(self._lines.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
            yield {"source": source, "line": masked_excerpt(line), "documents": count}


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while batch := list(itertools.islice(iterator, DOCUMENTS_PER_BATCH)):
        yield batch


def relevant(
    documents: Iterable[Document],
    model: RelevanceModel | None,
    rejected: Rejected,
    near_line: NearLine,
    counts: dict[str, list[int]],
) -> Iterator[Document]:
    """The documents without those of the corpus below the model's threshold. counts: scores by source and tenth."""
    if model is None:
        yield from documents
        return
    threshold = model.shape.threshold
    for batch in batches(documents):
        judged = [document for document in batch if role_of(document) == "corpus"]
        scores = dict(zip((d.id for d in judged), model.scores([d.text for d in judged]), strict=True))
        for document in batch:
            score = scores.get(document.id)
            if score is None:
                yield document
                continue
            so_far = counts.setdefault(document.source, [0] * 10)
            counts[document.source] = [a + b for a, b in zip(so_far, score_counts([score]), strict=True)]
            is_kept = score >= threshold
            row = {**place_of(document), "value": score, "is_kept": is_kept, "excerpt": masked_excerpt(document.text)}
            near_line.add(abs(score - threshold), document.id, row)
            if is_kept:
                yield document
            else:
                rejected.add(document, "min_relevance", score, threshold)


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = UniqueShards.model_validate(config["section"])
    folder = inputs.path("clean_shards")
    paths = sorted(folder.glob("[0-9]*/documents.parquet"))
    upstream = read_json(folder / "stats.json")
    total, has_evaluation = upstream["documents"], bool(upstream["documents_by_role"].get("evaluation"))
    evaluation = evaluation_texts(paths if has_evaluation else [], section)
    model = read_model(inputs.path("relevance_model")) if inputs.has("relevance_model") else None
    lines, near_line = LinesTaken(boilerplate_of(paths, section)), NearLine()
    finders: dict[str, RepeatFinder] = {}
    by_source: dict[str, Counter[str]] = {}
    score_counts_by_source: dict[str, list[int]] = {}
    with open_rows(out / "duplicates.jsonl") as duplicates_file, open_rows(out / "rejected.jsonl") as rejected_file:
        rejected = Rejected(rejected_file)

        def without_lines() -> Iterator[Document]:
            for done, read in enumerate(merged(paths)):
                if done % 500 == 0:
                    resources.progress(done, total, {})
                by_source.setdefault(read.source, Counter())["input"] += 1
                document = lines.cleaned(read)
                if document.text == read.text or words(document.text.removeprefix(document.title)):
                    yield document
                else:
                    rejected.add(read, "boilerplate", 0, 1)

        def unique() -> Iterator[Document]:
            for document in relevant(without_lines(), model, rejected, near_line, score_counts_by_source):
                counts, role = by_source[document.source], role_of(document)
                if role == "classifier":
                    counts["documents"] += 1
                    yield document
                    continue
                if role not in finders:
                    finders[role] = RepeatFinder(
                        section.permutations, section.threshold, section.shingle_words, evaluation
                    )
                repeat = repeat_of(document, role, finders[role])
                if repeat is None:
                    counts["documents"] += 1
                    yield document
                    continue
                counts[COUNT_NAMES[repeat.kind]] += 1
                row = {**place_of(document), "duplicate_of": repeat.duplicate_of}
                write_row(duplicates_file, {**row, "kind": repeat.kind, "similarity": repeat.similarity})

        count = write_documents(out / "documents.parquet", unique())
    figures = ("input", "documents", *COUNT_NAMES.values())
    stats: dict[str, Any] = {name: sum(counts[name] for counts in by_source.values()) for name in figures}
    stats["rejected"] = sum(rejected.by_source.values(), Counter[str]())
    if not count:
        raise StageError(
            f"none of {stats['input']} documents is left without duplicates, evaluation texts and what rules reject "
            f"({dict(stats['rejected']) or 'none'}); expected at least one; check sources of role evaluation, "
            "unique_shards.evaluation_threshold and relevance_model.threshold"
        )
    stats["by_source"] = {
        source: {name: counts[name] for name in figures} | {"rejected": rejected.by_source.get(source, {})}
        for source, counts in by_source.items()
    }
    stats["boilerplate"] = lines.counts
    stats["relevance"] = None
    if model is not None:
        stats["relevance"] = {"threshold": model.shape.threshold, "score_counts_by_source": score_counts_by_source}
    with open_rows(out / "near_line.jsonl") as file:
        for row in near_line.rows():
            write_row(file, row)
    with open_rows(out / "boilerplate.jsonl") as file:
        for row in lines.rows():
            write_row(file, row)
    write_json(out / "stats.json", stats)
    return {name: stats[name] for name in figures} | {"rejected": sum(stats["rejected"].values())}
