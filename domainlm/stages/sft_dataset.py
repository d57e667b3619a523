"""Artifact `sft_dataset`: conversations to learn answering from, with provenance.

In: `corpus_split`. Out: train.jsonl, validation.jsonl, test.jsonl (id, kind, split, messages, source, path, section,
document, group, title) and stats.json. A document's questions stay in its split, so no held-out answer is trained on;
hand-written conversations teach style and go to train only. Questions are derived only from documents that the policy
permits for SFT. Lines are in the order of a stable hash, so their first n are a fair sample.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from domainlm.config.instruction import SftDatasetSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.instruction.questions import Asking, Question, questions_of
from domainlm.text.document import Document, read_documents
from domainlm.text.json_files import write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.text.stable_hash import stable_hash

# files of corpus_split that a split's questions are about
FILES = {
    "train": ("train", "train_sft_only"),
    "validation": ("validation", "validation_sft_only"),
    "test": ("test",),
}


# documents that are looked at together, at least
MIN_LOOK = 200


def row_of(document: Document, split: str, kind: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "id": f"{document.id}:{kind}",
        "kind": kind,
        "split": split,
        "messages": messages,
        "source": document.source,
        "path": document.path,
        "section": document.section,
        "document": document.id,
        "group": document.group,
        "title": document.title,
    }


def messages_of(question: Question) -> list[dict[str, str]]:
    return [{"role": "user", "content": question.question}, {"role": "assistant", "content": question.answer}]


def read_all(paths: Iterable[Path]) -> Iterator[Document]:
    return itertools.chain.from_iterable(read_documents(path) for path in paths)


def _place(document: Document) -> tuple[str, str, str]:
    return document.source, document.path, document.section


def chosen_documents(paths: list[Path], max_documents: int | None, seed: int, asking: Asking) -> frozenset[str]:
    """Ids of the corpus documents to derive questions from.

    They are the first ones by a stable hash, of those that SFT may use, up to the one by which `max_documents` give
    questions: of a manual many sections give none. Parts of one section count once.
    """
    ids = (d.id for d in read_all(paths) if d.role == "corpus" and "sft" in d.use.split(","))
    order = sorted(ids, key=lambda name: stable_hash(seed, name))
    asked: set[tuple[str, str, str]] = set()
    looked = 0
    while max_documents is not None and looked < len(order) and len(asked) < max_documents:
        # some more than are missing, because each look reads all documents, of which few are asked
        part = order[looked : looked + max(4 * (max_documents - len(asked)), MIN_LOOK)]
        near = frozenset(part)
        places = {d.id: _place(d) for d in read_all(paths) if d.id in near and questions_of(d, asking)}
        for identifier in part:
            if len(asked) == max_documents:
                break
            looked += 1
            if identifier in places:
                asked.add(places[identifier])
    return frozenset(order if max_documents is None else order[:looked])


def question_rows(
    paths: list[Path], split: str, wanted: frozenset[str], asking: Asking
) -> Iterator[list[dict[str, Any]]]:
    """Rows of each wanted document.

    Parts of one section give like questions, so only one of them is used.
    """
    asked: set[tuple[str, str, str]] = set()
    for document in read_all(paths):
        if document.id not in wanted:
            continue
        found = [] if _place(document) in asked else questions_of(document, asking)
        if found:
            asked.add(_place(document))
        yield [row | {"id": name} for row, name in _named(document, split, found)]


def _named(document: Document, split: str, found: list[Question]) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows with their ids, numbered from the second of a kind on."""
    numbers: Counter[str] = Counter()
    for question in found:
        numbers[question.kind] += 1
        number = numbers[question.kind]
        row = row_of(document, split, question.kind, messages_of(question))
        yield row, row["id"] if number == 1 else f"{row['id']}:{number}"


def style_rows(path: Path) -> Iterator[dict[str, Any]]:
    for document in read_documents(path):
        yield row_of(document, "train", "style", json.loads(document.meta)["messages"])


def run(inputs: Inputs, config: SftDatasetSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    seed = config.seed
    most, least = section.max_questions_per_document, section.min_questions_per_document
    asking = Asking(seed, config.language, most, section.max_answer_chars, least)
    folder = inputs.folders["corpus_split"]
    stats: dict[str, Any] = {"documents": {}, "without_question": {}, "rows": {}, "kinds": {}, "rows_by_source": {}}
    for done, (split, names) in enumerate(FILES.items()):
        resources.progress(done, len(FILES), {})
        paths = [folder / f"{name}.parquet" for name in names]
        wanted = chosen_documents(paths, section.max_documents if split == "train" else None, seed, asking)
        by_document = list(question_rows(paths, split, wanted, asking))
        rows = [row for found in by_document for row in found]
        if not rows:
            raise StageError(
                f"no question could be derived from the {len(by_document)} documents of the {split} split; expected"
                " terms with definitions, or sections with headings and whole sentences that answer at least"
                f" {min(most, least)} questions, which the policy lets into sft: lower"
                f" sft_dataset.min_questions_per_document ({least}), raise sft_dataset.max_answer_chars"
                f" ({section.max_answer_chars}) or use text with headings"
            )
        if split == "train":
            rows += style_rows(folder / "instruction.parquet")
        rows.sort(key=lambda row: stable_hash(seed, row["id"]))
        with open_rows(out / f"{split}.jsonl") as file:
            for row in rows:
                write_row(file, row)
        stats["documents"][split] = len(by_document)
        stats["without_question"][split] = sum(not found for found in by_document)
        stats["rows"][split] = len(rows)
        stats["kinds"][split] = dict(Counter(row["kind"] for row in rows))
        stats["rows_by_source"][split] = dict(Counter(row["source"] for row in rows))
    write_json(out / "stats.json", stats)
    return stats
