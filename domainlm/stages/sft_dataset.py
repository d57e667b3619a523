"""Artifact `sft_dataset`: conversations to learn answering from, with provenance.

In: `corpus_split`. Out: train.jsonl, validation.jsonl, test.jsonl (id, kind, form, split, messages, source, path,
section, document, group, title), left_out.jsonl and stats.json. A document's questions stay in its split, so no
held-out answer is trained on; own conversations are split by whole groups, and one that asks what a held-out one asks
is left out. Either kind alone is enough. Questions are derived only from documents that the policy permits for SFT.
Lines are in the order of a stable hash, so their first n are a fair sample.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.config.instruction import SftDataset, SftDatasetSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.instruction.own import has_field_s_group, own_of, split_of_own
from domainlm.instruction.questions import Asking, Question, questions_of
from domainlm.text.document import MESSAGES_FORM, Document, read_documents
from domainlm.text.json_files import write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.text.stable_hash import stable_hash

# files of corpus_split that a split's questions are about
FILES = {
    "train": ("train", "train_sft_only"),
    "validation": ("validation", "validation_sft_only"),
    "test": ("test",),
}


# kind of the rows that were imported, and the form of those that were not
CONVERSATION = "conversation"
DERIVED = "derived"
# documents that are looked at together, at least
MIN_LOOK = 200


def row_of(
    document: Document, split: str, kind: str, messages: list[dict[str, str]], form: str = DERIVED
) -> dict[str, Any]:
    return {
        "id": f"{document.id}:{kind}",
        "kind": kind,
        "form": form,
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
        # some more than are missing, because each look reads all documents, of which few are asked; twice as many each
        # time, because they may be very few
        part = order[looked : looked + max(4 * (max_documents - len(asked)), MIN_LOOK, looked)]
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


def own_rows(path: Path, split: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of own conversations, by split."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in FILES}
    for document in read_documents(path):
        if (name := split.get(document.id)) is not None:
            meta = json.loads(document.meta)
            found[name].append(
                row_of(document, name, CONVERSATION, meta["messages"], meta.get(MESSAGES_FORM, "messages"))
            )
    return found


def split_own(
    path: Path, section: SftDataset, derived: Mapping[str, int], seed: int
) -> tuple[dict[str, str], list[str]]:
    """Split of own conversations by document, and ids of those left out.

    derived: the number of derived rows by split.
    """
    own = [own_of(document) for document in read_documents(path)]
    named = {each.group for each in own if has_field_s_group(each)}
    of_corpus = {
        document.group: split
        for split, parts in (FILES.items() if named else ())
        for document in read_all(path.with_name(f"{part}.parquet") for part in parts)
        if document.group in named
    }
    shares = {"validation": section.validation_share, "test": section.test_share}
    return split_of_own(own, shares, [name for name in shares if not derived[name]], seed, of_corpus)


def no_row(split: str, documents: int, section: SftDataset, own: int) -> StageError:
    """The error of a split without any row."""
    held = f"{own} own conversations (sources of role instruction), none of them in this split"
    if own and split != "train":
        held += (
            f": expected sft_dataset.{split}_share more than 0, and at least three groups, which are the values of"
            " documents.group_field, files, or the rows of a large file"
        )
    if not section.has_derived_questions:
        return StageError(
            f"the {split} split is empty: sft_dataset.has_derived_questions is false, and there are {held}; add conversations,"
            " or derive questions from the documents"
        )
    most, least = section.max_questions_per_document, section.min_questions_per_document
    return StageError(
        f"no question could be derived from the {documents} documents of the {split} split; expected terms with definitions, or"
        f" sections with headings and whole sentences that answer at least {min(most, least)} questions, which the policy lets"
        f" into sft; and there are {held}: lower sft_dataset.min_questions_per_document ({least}), raise"
        f" sft_dataset.max_answer_chars ({section.max_answer_chars}), use text with headings, or add conversations"
    )


def write_left_out(out: Path, path: Path, left_out: Iterable[str]) -> None:
    """List own conversations that ask what a held-out one asks."""
    names = set(left_out)
    found = {each.id: each for each in read_documents(path) if each.id in names} if names else {}
    with open_rows(out / "left_out.jsonl") as file:
        for identifier, each in sorted(found.items()):
            place = {"source": each.source, "path": each.path, "section": each.section}
            write_row(file, {"document": identifier, **place, "reason": "asks_as_held_out"})


def run(inputs: Inputs, config: SftDatasetSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    seed = config.seed
    most, least = section.max_questions_per_document, section.min_questions_per_document
    asking = Asking(seed, config.language, most, section.max_answer_chars, least)
    folder = inputs.folders["corpus_split"]
    names = ("documents", "without_question", "rows", "kinds", "rows_by_source", "rows_by_form", "own_conversations")
    stats: dict[str, Any] = {name: {} for name in names}
    derived: dict[str, list[dict[str, Any]]] = {}
    for done, (split, parts) in enumerate(FILES.items()):
        resources.progress(done, len(FILES), {})
        paths = [folder / f"{name}.parquet" for name in parts]
        limit = section.max_documents if split == "train" else None
        wanted = chosen_documents(paths, limit, seed, asking) if section.has_derived_questions else frozenset[str]()
        by_document = list(question_rows(paths, split, wanted, asking)) if wanted else []
        derived[split] = [row for found in by_document for row in found]
        stats["documents"][split] = len(by_document)
        stats["without_question"][split] = sum(not found for found in by_document)
    imported = folder / "instruction.parquet"
    side, left_out = split_own(imported, section, {split: len(rows) for split, rows in derived.items()}, seed)
    own = own_rows(imported, side)
    write_left_out(out, imported, left_out)
    for split in FILES:
        rows = [*derived[split], *own[split]]
        if not rows:
            raise no_row(split, stats["documents"][split], section, len(side))
        rows.sort(key=lambda row: stable_hash(seed, row["id"]))
        with open_rows(out / f"{split}.jsonl") as file:
            for row in rows:
                write_row(file, row)
        stats["rows"][split] = len(rows)
        stats["kinds"][split] = dict(Counter(row["kind"] for row in rows))
        stats["rows_by_source"][split] = dict(Counter(row["source"] for row in rows))
        stats["rows_by_form"][split] = dict(Counter(row["form"] for row in rows))
        stats["own_conversations"][split] = len(own[split])
    stats["own_conversations"]["left_out"] = len(left_out)
    write_json(out / "stats.json", stats)
    return stats
