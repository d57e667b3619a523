"""Artifact `unique_shards`: documents without duplicates, boilerplate and evaluation text.

In: all shards of `clean_shards`, and `relevance_model` if the domain has one, by which off-domain text is rejected.
Out: `documents.parquet` in canonical order, `duplicates.jsonl`, `rejected.jsonl`, `near_line.jsonl` (the documents
nearest to the relevance threshold, to read), `boilerplate.jsonl`, `stats.json`. Documents are compared within the
role that they play, and replay with the corpus, too, of which a part will be held out. Evaluation and instruction
documents lose exact duplicates only: in such a set, similar questions are intended. Corpus, replay and instruction
documents are rejected if they repeat an evaluation text. Documents for classifiers alone are not changed. Replay
comes last, in a separate pass: a source of replay may precede the corpus in the canonical order, and the domain's own
text is the one to keep. Property kept: the bytes do not depend on the number of shards.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from domainlm.config.text import UniqueShards, UniqueShardsSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.text.characters import words
from domainlm.text.cleaning.excerpt import masked_excerpt, masked_place
from domainlm.text.document import Document, write_documents
from domainlm.text.json_files import read_json, write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.text.near_line import NearLine
from domainlm.text.order import merged
from domainlm.text.policy import acting_role
from domainlm.text.relevance import RelevanceModel, read_model, score_counts
from domainlm.text.repeats.boilerplate import (
    Boilerplate,
    TooManyLines,
    frequent_lines,
    line_digest,
    without_boilerplate,
)
from domainlm.text.repeats.duplicates import RepeatFinder
from domainlm.text.repeats.evaluation_texts import MIN_WHOLE_WORDS, EvaluationTexts
from domainlm.text.repeats.instruction_repeats import parts_of
from domainlm.text.repeats.kinds import REPEAT_REASONS, Repeat

# roles whose text is trained on as running text: the others are short and repeat lines because they are meant to
RUNNING_TEXT = ("corpus", "replay")
DOCUMENTS_PER_BATCH = 200


def role_of(document: Document) -> str:
    return acting_role(document.role, document.use)


def evaluation_texts(paths: list[Path], section: UniqueShards) -> EvaluationTexts:
    texts = EvaluationTexts(section.evaluation_threshold, section.shingle_words)
    for document in merged(paths):
        if role_of(document) == "evaluation":
            texts.add(document.id, document.text, parts_of(document))
    return texts


def boilerplate_of(paths: list[Path], section: UniqueShards) -> Boilerplate:
    """Lines in too many documents of a source.

    There are none if the configuration sets no limit.
    """
    if section.max_line_documents is None:
        return Boilerplate({})

    def texts() -> Iterator[tuple[str, str]]:
        return ((each.source, each.text) for each in merged(paths) if role_of(each) in RUNNING_TEXT)

    try:
        return frequent_lines(texts, section.max_line_documents)
    except TooManyLines as error:
        raise StageError(
            f"{error.count} different lines occur in more than {section.max_line_documents} documents of their source, more "
            "than can be counted in memory; raise unique_shards.max_line_documents"
        ) from error


def repeat_of(document: Document, role: str, finder: RepeatFinder) -> Repeat | None:
    """The text that a document repeats, by the rules of its role."""
    if role == "evaluation":
        return finder.exactly_repeated(document.id, document.text)
    if role == "instruction":
        return finder.repeated_evaluation(document.text) or finder.exactly_repeated(document.id, document.text)
    return finder.repeated(document.id, document.text)


def place_of(document: Document) -> dict[str, str]:
    place = {"id": document.id, "source": document.source, "path": document.path}
    return {**place, "section": masked_place(document.section)}


class Rejected:
    """Rows of the documents that a rule rejects, with their counts.

    The counts are by source and reason.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.by_source: dict[str, Counter[str]] = {}

    def add(self, document: Document, reason: str, value: float, threshold: float) -> None:
        self.by_source.setdefault(document.source, Counter())[reason] += 1
        found = {"reason": reason, "value": value, "threshold": threshold, "excerpt": masked_excerpt(document.text)}
        write_row(self._file, {**place_of(document), **found})


class LinesTaken:
    """Removed boilerplate: characters, documents and lines by source.

    Each distinct line gets one row. The rows are written as lines are met, because lines are as long as their writers
    liked: only digests are remembered.
    """

    def __init__(self, found: Boilerplate, file: TextIO) -> None:
        self._found = found
        self._file = file
        self.counts: dict[str, Counter[str]] = {}
        self._written: set[bytes] = set()

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
            self._write(document.source, line)
        return replace(document, text=text)

    def _write(self, source: str, line: str) -> None:
        """A row for each new line, with its number of documents."""
        digest = line_digest(source, line)
        if digest not in self._written:
            self._written.add(digest)
            count = self._found.count(source, line)
            write_row(self._file, {"source": source, "line": masked_excerpt(line), "documents": count})


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
    """The documents without corpus documents below the model's threshold.

    counts: scores by source and tenth.
    """
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


class Repeats:
    """Detection of repeats by the roles that documents play, with rows."""

    def __init__(self, section: UniqueShards, evaluation: EvaluationTexts, file: TextIO) -> None:
        self._section = section
        self._evaluation = evaluation
        self._file = file
        self._finders: dict[str, RepeatFinder] = {}
        self._thresholds = {"exact": 1.0, "near": section.threshold, "evaluation": section.evaluation_threshold}

    def _finder(self, role: str) -> RepeatFinder:
        if role not in self._finders:
            before = self._finders.get("corpus") if role == "replay" else None
            section = self._section
            self._finders[role] = RepeatFinder(
                section.permutations, section.threshold, section.shingle_words, self._evaluation, before
            )
        return self._finders[role]

    def reason(self, document: Document) -> str | None:
        """Why a document is a repeat; None if it is kept.

        A repeat is added to the list.
        """
        role = role_of(document)
        repeat = None if role == "classifier" else repeat_of(document, role, self._finder(role))
        if repeat is None:
            return None
        row = {**place_of(document), "duplicate_of": repeat.duplicate_of, "kind": repeat.kind}
        write_row(self._file, {**row, "similarity": repeat.similarity, "threshold": self._thresholds[repeat.kind]})
        return REPEAT_REASONS[repeat.kind]


def run(inputs: Inputs, config: UniqueShardsSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    folder = inputs.folders["clean_shards"]
    paths = sorted(folder.glob("[0-9]*/documents.parquet"))
    upstream = read_json(folder / "stats.json")
    total, has_evaluation = upstream["documents"], bool(upstream["documents_by_role"].get("evaluation"))
    model = read_model(inputs.folders["relevance_model"]) if "relevance_model" in inputs.folders else None
    near_line, seen = NearLine(), itertools.count()
    by_source: dict[str, Counter[str]] = {}
    score_counts_by_source: dict[str, list[int]] = {}
    with (
        open_rows(out / "duplicates.jsonl") as duplicates_file,
        open_rows(out / "rejected.jsonl") as rejected_file,
        open_rows(out / "boilerplate.jsonl") as boilerplate_file,
    ):
        rejected = Rejected(rejected_file)
        lines = LinesTaken(boilerplate_of(paths, section), boilerplate_file)
        evaluation = evaluation_texts(paths if has_evaluation else [], section)
        repeats = Repeats(section, evaluation, duplicates_file)

        def without_lines(is_replay: bool) -> Iterator[Document]:
            for read in merged(paths):
                if (role_of(read) == "replay") != is_replay:
                    continue
                if (done := next(seen)) % 500 == 0:
                    resources.progress(done, total, {})
                by_source.setdefault(read.source, Counter())["input"] += 1
                document = lines.cleaned(read)
                if document.text == read.text or words(document.text.removeprefix(document.title)):
                    yield document
                else:
                    rejected.add(read, "boilerplate", 0, 1)

        def unique(is_replay: bool) -> Iterator[Document]:
            found = relevant(without_lines(is_replay), model, rejected, near_line, score_counts_by_source)
            for document in found:
                reason = repeats.reason(document)
                by_source[document.source][reason or "documents"] += 1
                if reason is None:
                    yield document

        parts = scratch / "own.parquet", scratch / "replay.parquet"
        for path, is_replay in zip(parts, (False, True), strict=True):
            write_documents(path, unique(is_replay))
        count = write_documents(out / "documents.parquet", merged(parts))
    figures = ("input", "documents", *REPEAT_REASONS.values())
    stats: dict[str, Any] = {name: sum(counts[name] for counts in by_source.values()) for name in figures}
    stats["rejected"] = sum(rejected.by_source.values(), Counter[str]())
    if not count:
        raise StageError(
            f"none of {stats['input']} documents is left after duplicates, evaluation texts and rejected documents are removed "
            f"({dict(stats['rejected']) or 'none'}); expected at least one; check sources of role evaluation, "
            "unique_shards.evaluation_threshold and relevance_model.threshold"
        )
    stats["by_source"] = {
        source: {name: counts[name] for name in figures} | {"rejected": rejected.by_source.get(source, {})}
        for source, counts in by_source.items()
    }
    stats["evaluation_too_short"] = evaluation.too_short
    if evaluation.too_short:
        resources.log(
            f"{evaluation.too_short} evaluation texts have fewer than {MIN_WHOLE_WORDS} words (8 CJK characters or syllables) and are not "
            "searched for within longer texts, as unrelated texts contain the same words"
        )
    stats["boilerplate"] = lines.counts
    stats["relevance"] = None
    if model is not None:
        stats["relevance"] = {"threshold": model.shape.threshold, "score_counts_by_source": score_counts_by_source}
    with open_rows(out / "near_line.jsonl") as file:
        for row in near_line.rows():
            write_row(file, row)
    write_json(out / "stats.json", stats)
    return {name: stats[name] for name in figures} | {"rejected": sum(stats["rejected"].values())}
