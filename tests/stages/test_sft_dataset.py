from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.instruction import SftDataset
from domainlm.contract import Inputs, Resources, StageError
from domainlm.instruction.asked import Asking
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import sft_dataset
from domainlm.stages.sft_dataset import run
from domainlm.text.document import Document, read_documents, write_documents


def document(
    identifier: str, role: str, title: str, meta: dict[str, Any], text: str = "", use: str = "pt,sft"
) -> Document:
    labels = {"licence": "L", "authority": "unlabelled", "stance": "unlabelled"}
    place = {
        "source": role,
        "path": "file",
        "section": identifier,
        "start": 0,
        "end": 1,
        "group": f"group {identifier}",
    }
    values = {"title": title, "text": text or title, "meta": json.dumps(meta), "links": "[]"}
    return Document(id=identifier, role=role, **place, **values, **labels, use=use)


def term(identifier: str, use: str = "pt,sft") -> Document:
    meta = {"definition": f"The thing numbered {identifier}.", "synonyms": ["Other"], "parents": ["Thing"]}
    return document(identifier, "corpus", f"Name {identifier}", meta, use=use)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus_split"
    folder.mkdir()
    replay = document("r", "replay", "Article", {}, "Article\n\nA general article is not asked about.")
    messages = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    write_documents(folder / "train.parquet", [*(term(f"t{index}") for index in range(12)), replay])
    write_documents(folder / "train_sft_only.parquet", [])
    write_documents(folder / "validation_sft_only.parquet", [])
    write_documents(folder / "validation.parquet", [term("v0"), term("v1")])
    write_documents(folder / "test.parquet", [term("x0"), document("x1", "corpus", "Bare", {}, "Bare")])
    write_documents(folder / "instruction.parquet", [document("s0", "instruction", "", {"messages": messages})])
    return folder


def build(split: Path, out: Path, **section: Any) -> dict[str, list[dict[str, Any]]]:
    out.mkdir()
    config = {"section": SftDataset(**section).model_dump(mode="json"), "seed": 17, "language": "en"}
    run(Inputs({"corpus_split": split}), parse_slice("sft_dataset", config), out, out.parent, Resources())
    return {
        name: [json.loads(line) for line in (out / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("train", "validation", "test")
    }


def test_every_row_names_where_it_comes_from(split: Path, tmp_path: Path) -> None:
    rows = build(split, tmp_path / "out")
    [row] = [row for row in rows["test"] if row["kind"] == "definition"]
    assert row["id"] == "x0:definition"
    assert (row["source"], row["path"], row["section"], row["document"]) == ("corpus", "file", "x0", "x0")
    assert (row["group"], row["title"], row["split"]) == ("group x0", "Name x0", "test")
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    assert row["messages"][1]["content"] == "The thing numbered x0."


def test_splits_share_no_document_and_a_single_conversation_is_trained_on(split: Path, tmp_path: Path) -> None:
    rows = build(split, tmp_path / "out")
    documents = {name: {row["document"] for row in found} for name, found in rows.items()}
    assert documents["train"] == {f"t{index}" for index in range(12)} | {"s0"}
    assert documents["validation"] == {"v0", "v1"}
    assert documents["test"] == {"x0"}
    [own] = [row for row in rows["train"] if row["kind"] == "conversation"]
    assert (own["id"], own["form"]) == ("s0:conversation", "messages")
    assert {row["form"] for row in rows["train"] if row is not own} == {"derived"}
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["without_question"]["test"] == 1
    assert stats["rows"]["train"] == len(rows["train"])
    assert stats["own_conversations"] == {"train": 1, "validation": 0, "test": 0, "left_out": 0}


def conversation(number: int, path: str, asked: str = "", group: str = "") -> Document:
    turns = [
        {"role": "user", "content": asked or f"Question {number}?"},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    found = document(f"s{number}", "instruction", "", {"messages": turns, "messages_form": "alpaca"})
    return replace(found, path=path, group=group or f"{path}#{number}")


def without_headings(split: Path) -> None:
    for name in ("train", "validation", "test"):
        write_documents(split / f"{name}.parquet", [document(f"{name}0", "corpus", "", {}, "plain text, no heading")])


def own_ids(rows: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    return {name: {row["document"] for row in found if row["kind"] == "conversation"} for name, found in rows.items()}


def test_own_conversations_alone_are_enough(split: Path, tmp_path: Path) -> None:
    without_headings(split)
    write_documents(split / "instruction.parquet", [conversation(number, "many.jsonl") for number in range(60)])
    found = own_ids(build(split, tmp_path / "out"))
    assert {name: len(ids) for name, ids in found.items()} == {"train": 54, "validation": 2, "test": 4}
    assert len(set.union(*found.values())) == 60
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["rows_by_form"] == {"train": {"alpaca": 54}, "validation": {"alpaca": 2}, "test": {"alpaca": 4}}


def test_derived_questions_can_be_switched_off(split: Path, tmp_path: Path) -> None:
    write_documents(split / "instruction.parquet", [conversation(number, "many.jsonl") for number in range(9)])
    rows = build(split, tmp_path / "out", has_derived_questions=False)
    assert {row["kind"] for found in rows.values() for row in found} == {"conversation"}
    assert {name: len(found) for name, found in rows.items()} == {"train": 7, "validation": 1, "test": 1}
    write_documents(split / "instruction.parquet", [])
    with pytest.raises(StageError, match="has_derived_questions is false"):
        build(split, tmp_path / "none", has_derived_questions=False)


def test_conversations_of_a_small_file_and_of_a_field_s_value_stay_together(split: Path, tmp_path: Path) -> None:
    files = [conversation(10 * file + n, f"{file}.jsonl") for file in range(40) for n in range(2)]
    write_documents(split / "instruction.parquet", files)
    found = own_ids(build(split, tmp_path / "files", validation_share=0.1, test_share=0.1))
    sides = {name: {int(each[1:]) // 10 for each in ids} for name, ids in found.items()}
    assert [len(sides[name]) for name in ("train", "validation", "test")] == [32, 4, 4]
    patients = [conversation(n, f"{n % 3}.jsonl", group=f"patient={n % 10}") for n in range(80)]
    write_documents(split / "instruction.parquet", patients)
    found = own_ids(build(split, tmp_path / "patients", validation_share=0.1, test_share=0.1))
    sides = {name: {int(each[1:]) % 10 for each in ids} for name, ids in found.items()}
    assert [len(sides[name]) for name in ("train", "validation", "test")] == [8, 1, 1]


def test_what_a_held_out_conversation_asks_is_not_trained_on(split: Path, tmp_path: Path) -> None:
    # every question is asked twice, in other letters
    asked = [conversation(n, "a.jsonl", f"QUESTION {n % 20}" if n < 20 else f"question {n % 20}?") for n in range(40)]
    write_documents(split / "instruction.parquet", asked)
    rows = build(split, tmp_path / "out", validation_share=0.1, test_share=0.1)
    numbers = {name: {int(each[1:]) % 20 for each in ids} for name, ids in own_ids(rows).items()}
    assert not numbers["train"] & (numbers["validation"] | numbers["test"])
    assert not numbers["validation"] & numbers["test"]
    lines = [json.loads(line) for line in (tmp_path / "out/left_out.jsonl").read_text().splitlines()]
    assert {line["reason"] for line in lines} == {"asks_as_held_out"}
    places = {each.id: (each.source, each.path, each.section) for each in asked}
    assert all((line["source"], line["path"], line["section"]) == places[line["document"]] for line in lines)
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["own_conversations"]["left_out"] == len(lines) > 0
    assert sum(stats["own_conversations"].values()) == 40


def test_conversations_of_a_document_s_group_are_on_its_side(split: Path, tmp_path: Path) -> None:
    for name, patients in (("train", range(6)), ("validation", range(6, 8)), ("test", range(8, 10))):
        notes = [replace(term(f"{name}{number}"), group=f"patient={number}") for number in patients]
        write_documents(split / f"{name}.parquet", notes)
    own = [conversation(n, f"{n % 3}.jsonl", group=f"patient={n % 12}") for n in range(96)]
    write_documents(split / "instruction.parquet", own)
    found = own_ids(build(split, tmp_path / "out", validation_share=0.5, test_share=0.5))
    sides = {name: {int(each[1:]) % 12 for each in ids} for name, ids in found.items()}
    assert sides["train"] >= set(range(6))
    assert {name: ids & set(range(10)) for name, ids in sides.items()} == {
        "train": set(range(6)),
        "validation": {6, 7},
        "test": {8, 9},
    }


def test_formulas_of_other_signs_are_other_questions(split: Path, tmp_path: Path) -> None:
    without_headings(split)
    signs = "+-*/%=<>&|"
    asked = [f"What is {n} {sign} 4?" for n in (3, 5) for sign in signs] + [f"{sign}{sign}?" for sign in signs]
    found = [conversation(number, "a.jsonl", text) for number, text in enumerate(asked)]
    twins = [conversation(90, "a.jsonl", "A well-known pump"), conversation(91, "a.jsonl", "a well known pump!")]
    write_documents(split / "instruction.parquet", [*found, *twins])
    build(split, tmp_path / "out", validation_share=0.4, test_share=0.4)
    lines = [json.loads(line) for line in (tmp_path / "out/left_out.jsonl").read_text().splitlines()]
    assert len(lines) <= 1
    assert {line["document"] for line in lines} <= {"s90", "s91"}


def test_texts_that_are_hardly_ever_asked_are_read_few_times(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = [document(f"b{number}", "corpus", "", {}, "plain text") for number in range(4000)]
    write_documents(split / "train.parquet", [*bare, *(term(f"t{number}") for number in range(3))])
    reads: list[Path] = []

    def counted(path: Path) -> Iterator[Document]:
        reads.append(path)
        return read_documents(path)

    monkeypatch.setattr(sft_dataset, "read_documents", counted)
    asking = Asking(17, "en", 4, 320)
    assert len(sft_dataset.chosen_documents([split / "train.parquet"], 50, 17, asking)) == 4003
    # one for the ids, and 200, 400, 800, ... looked at
    assert len(reads) == 7


def test_training_documents_are_capped_in_a_stable_order(split: Path, tmp_path: Path) -> None:
    few = {row["document"] for row in build(split, tmp_path / "few", max_documents=3)["train"]}
    more = {row["document"] for row in build(split, tmp_path / "more", max_documents=6)["train"]}
    assert len(few - {"s0"}) == 3
    assert len(more - {"s0"}) == 6
    assert few < more


def section(identifier: str, body: str) -> Document:
    return document(identifier, "corpus", f"Pump of kind {identifier}", {}, f"Pump of kind {identifier}\n\n{body}")


PUMP = """The pump moves water from the well to the tank. It has two valves.

If the upper valve is left open, the water flows back into the well.

If the motor of the pump is too hot, the current is switched off."""


def test_a_second_question_of_a_kind_has_its_own_id(split: Path, tmp_path: Path) -> None:
    write_documents(split / "test.parquet", [section("x0", PUMP)])
    rows = build(split, tmp_path / "out")["test"]
    assert {row["id"] for row in rows} == {"x0:section", "x0:condition", "x0:condition:2"}
    assert [row["kind"] for row in sorted(rows, key=lambda row: row["id"])] == ["condition", "condition", "section"]


def test_documents_count_that_give_questions(split: Path, tmp_path: Path) -> None:
    few = [section(f"e{index}", "The pump is green and stands behind the house.") for index in range(40)]
    write_documents(split / "train.parquet", [*few, *(term(f"t{index}") for index in range(12))])
    rows = build(split, tmp_path / "out", max_documents=5)["train"]
    assert len({row["document"] for row in rows} - {"s0"}) == 5
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["documents"]["train"] - stats["without_question"]["train"] == 5


def test_a_document_gives_as_many_questions_as_are_asked_for_or_none(split: Path, tmp_path: Path) -> None:
    bare = document("x1", "corpus", "Name x1", {"definition": "Name x1 is a thing.", "parents": [], "synonyms": []})
    write_documents(split / "test.parquet", [term("x0"), bare])
    assert {row["document"] for row in build(split, tmp_path / "three")["test"]} == {"x0"}
    one = build(split, tmp_path / "one", min_questions_per_document=1)["test"]
    assert {row["document"] for row in one} == {"x0", "x1"}
    # more than the maximum is not asked for
    two = build(split, tmp_path / "two", min_questions_per_document=4, max_questions_per_document=2)["test"]
    assert [row["document"] for row in two] == ["x0", "x0"]


def test_bytes_do_not_depend_on_the_run(split: Path, tmp_path: Path) -> None:
    build(split, tmp_path / "one")
    build(split, tmp_path / "two")
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_split_without_any_question_is_an_error(split: Path, tmp_path: Path) -> None:
    write_documents(split / "test.parquet", [document("x1", "corpus", "Bare", {}, "Bare")])
    expected = (
        r"at least 3 questions.*1 own conversations.*min_questions_per_document \(3\).*sft_dataset\.max_answer_chars"
    )
    with pytest.raises(StageError, match=rf"test split.*{expected}"):
        build(split, tmp_path / "out")


def test_only_documents_of_use_sft_are_asked_about(split: Path, tmp_path: Path) -> None:
    write_documents(split / "train.parquet", [term("t0"), term("t1", use="pt")])
    write_documents(split / "train_sft_only.parquet", [term("t2", use="sft"), term("t3", use="evaluation,sft")])
    write_documents(split / "validation_sft_only.parquet", [term("v2", use="sft")])
    write_documents(split / "test.parquet", [term("x0"), term("x1", use="pt")])
    rows = build(split, tmp_path / "out")
    assert {row["document"] for row in rows["train"] if row["kind"] != "conversation"} == {"t0", "t2", "t3"}
    assert {row["document"] for row in rows["validation"]} == {"v0", "v1", "v2"}
    assert {row["document"] for row in rows["test"]} == {"x0"}
