from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.text import UniqueShards
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import unique_shards
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.policy import acting_role
from domainlm.text.relevance import RelevanceModel, Shape, trained_model, write_model
from domainlm.text.repeats.boilerplate import frequent_lines

QUIET = Resources(log=lambda line: None)
USES = {"corpus": "pt,sft", "replay": "pt", "evaluation": "evaluation", "instruction": "sft", "seed": "classifier"}


def words(prefix: str, count: int = 60) -> str:
    return " ".join(f"{prefix}{number}" for number in range(count))


def document(identifier: str, text: str, role: str = "corpus", use: str = "", title: str = "") -> Document:
    labels = ("", "", "", "", use or USES[role])
    return Document(identifier, role, role, "p", identifier, 0, 1, "g", "[]", title, text, "{}", *labels)


DOCUMENTS = [
    document("c1", words("a")),
    document("c2", words("a")),
    document("c3", words("a") + " more"),
    document("c4", words("b")),
    document("c5", words("question", 30) + " and little else"),
    document("e1", words("question", 40), "evaluation"),
    document("e2", words("question", 41), "evaluation"),
    document("e3", words("question", 40), "evaluation"),
    document("i1", words("a"), "instruction"),
    document("i2", words("a") + " more", "instruction"),
    document("i3", words("question", 39), "instruction"),
    document("r1", words("a"), "replay"),
    document("r2", words("r"), "replay"),
]


def build(
    folder: Path,
    shards: int,
    documents: list[Document] | None = None,
    model: RelevanceModel | None = None,
    **knobs: int | None,
) -> Path:
    upstream, out = folder / "clean_shards", folder / "out"
    out.mkdir(parents=True)
    found = DOCUMENTS if documents is None else documents
    for shard in range(shards):
        (upstream / f"{shard:04d}").mkdir(parents=True)
        write_documents(upstream / f"{shard:04d}" / "documents.parquet", found[shard::shards])
    roles = Counter(acting_role(d.role, d.use) for d in found)
    (upstream / "stats.json").write_text(
        json.dumps({"documents": len(found), "documents_by_role": roles}), encoding="utf-8"
    )
    folders = {"clean_shards": upstream}
    if model is not None:
        folders["relevance_model"] = folder / "relevance_model"
        folders["relevance_model"].mkdir()
        write_model(folders["relevance_model"], model)
    section = UniqueShards.model_validate(knobs).model_dump(mode="json")
    unique_shards.run(Inputs(folders), parse_slice("unique_shards", {"section": section}), out, folder, QUIET)
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def kept(out: Path) -> list[str]:
    return [document.id for document in read_documents(out / "documents.parquet")]


@pytest.fixture(scope="module")
def model() -> RelevanceModel:
    """Tells words that begin with a from words that begin with b."""
    shape = Shape(threshold=0.5, ngrams=1, feature_bits=12, max_chars=1000)
    sides = [
        [" ".join(random.Random(f"{side}{n}").sample(words(side).split(), 20)) for n in range(40)] for side in "ab"
    ]
    return trained_model(sides[0], sides[1], shape, 1)


def test_lists_show_no_personal_data_in_a_section(tmp_path: Path) -> None:
    contact = replace(document("c2", words("a")), section="contact / jane.doe@clinic-of-the-valley.net")
    [row] = rows(build(tmp_path, 1, [document("c1", words("a")), contact]) / "duplicates.jsonl")
    assert (row["id"], row["section"]) == ("c2", "contact / [email]")


def test_what_is_kept_by_role(tmp_path: Path) -> None:
    out = build(tmp_path, 1)
    assert kept(out) == ["c1", "c4", "e1", "e2", "i1", "i2", "r2"]
    repeats = rows(out / "duplicates.jsonl")
    assert [(row["id"], row["duplicate_of"], row["kind"]) for row in repeats] == [
        ("c2", "c1", "exact"),
        ("c3", "c1", "near"),
        ("c5", "e1", "evaluation"),
        ("e3", "e1", "exact"),
        ("i3", "e1", "evaluation"),
        ("r1", "c1", "exact"),
    ]
    assert all(row["similarity"] >= row["threshold"] for row in repeats)
    assert {row["kind"]: row["threshold"] for row in repeats} == {"exact": 1.0, "near": 0.8, "evaluation": 0.5}
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["input"], stats["documents"]) == (13, 7)
    assert (stats["exact_duplicates"], stats["near_duplicates"], stats["evaluation_overlaps"]) == (3, 1, 2)
    assert stats["by_source"]["replay"] == {
        "input": 2, "documents": 1, "exact_duplicates": 1, "near_duplicates": 0, "evaluation_overlaps": 0,
        "rejected": {},
    }  # fmt: skip
    assert (stats["rejected"], stats["boilerplate"], stats["relevance"]) == ({}, {}, None)
    assert all((out / f"{name}.jsonl").read_bytes() == b"" for name in ("rejected", "near_line", "boilerplate"))


@pytest.mark.parametrize("shards", [2, 5])
def test_bytes_do_not_depend_on_the_number_of_shards(tmp_path: Path, shards: int) -> None:
    one, many = build(tmp_path / "one", 1), build(tmp_path / "many", shards)
    for file in one.iterdir():
        assert (many / file.name).read_bytes() == file.read_bytes()


def test_corpus_text_unlike_the_seeds_is_rejected(tmp_path: Path, model: RelevanceModel) -> None:
    found = [
        document("c1", words("a", 30)),
        document("c2", words("b", 30)),
        document("c3", f"{words('a', 15)} {words('b', 15)}"),
        document("e1", words("b", 40) + " of the evaluation set, which has another text", "evaluation"),
        document("r1", words("b", 20), "replay"),
        document("s1", words("b", 10), "seed"),
    ]
    out = build(tmp_path, 1, found, model)
    judged = {row["id"]: row for row in rows(out / "near_line.jsonl")}
    assert sorted(judged) == ["c1", "c2", "c3"]
    assert judged["c1"]["value"] > 0.9 > 0.1 > judged["c2"]["value"]
    assert list(judged)[1] == "c3"
    [row] = [row for row in rows(out / "rejected.jsonl") if row["id"] == "c2"]
    assert row == {
        "id": "c2", "source": "corpus", "path": "p", "section": "c2", "reason": "min_relevance",
        "value": judged["c2"]["value"], "threshold": 0.5, "excerpt": words("b", 30)[:160],
    }  # fmt: skip
    assert {"c1", "s1"} <= set(kept(out))
    assert "c2" not in kept(out)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["rejected"]["min_relevance"] == stats["by_source"]["corpus"]["rejected"]["min_relevance"]
    assert sum(stats["relevance"]["score_counts_by_source"]["corpus"]) == 3


def test_boilerplate_goes_before_duplicates_are_looked_for(tmp_path: Path) -> None:
    menu = words("menu", 60)
    pages = [document(f"c{n}", f"Page {n}\n\n{menu}\n\n{words(f'{n}x')}", title=f"Page {n}") for n in range(4)]
    only_menu = document("c9", f"Page 9\n\n{menu}", title="Page 9")
    untouched = [document(f"e{n}", f"{menu}\n\n{words(f'e{n}')}", "evaluation") for n in range(5)]
    # of the same source, but only to be measured with
    measured_with = document("c8", f"{menu}\n\n{words('8x')}", use="evaluation")
    out = build(tmp_path, 2, [*pages, measured_with, only_menu, *untouched], max_line_documents=4)
    assert kept(out) == ["c0", "c1", "c2", "c3", "c8", "e0", "e1", "e2", "e3", "e4"]
    texts = {d.id: d.text for d in read_documents(out / "documents.parquet")}
    assert texts["c2"] == f"Page 2\n\n{words('2x')}"
    assert (texts["c8"], texts["e2"]) == (measured_with.text, untouched[2].text)
    assert rows(out / "boilerplate.jsonl") == [{"source": "corpus", "line": menu[:160], "documents": 5}]
    [row] = rows(out / "rejected.jsonl")
    assert (row["id"], row["reason"], row["value"], row["threshold"]) == ("c9", "boilerplate", 0, 1)
    assert row["excerpt"] == only_menu.text[:160]
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    # with the blank line that went with it
    gone = len(menu) + 2
    assert stats["boilerplate"] == {"corpus": {"documents": 5, "lines": 5, "chars": 5 * gone}}
    assert stats["by_source"]["corpus"]["rejected"] == {"boilerplate": 1}
    # in fewer documents than the threshold, and nothing asked for: nothing is taken
    for name, threshold in (("five", 5), ("none", None)):
        again = build(tmp_path / name, 1, [*pages, only_menu], max_line_documents=threshold)
        assert menu in next(read_documents(again / "documents.parquet")).text


def test_what_a_document_may_be_used_for_is_the_role_that_it_plays(tmp_path: Path) -> None:
    found = [
        document("c1", words("a")),
        document("c2", words("a"), use="evaluation"),
        document("c3", words("a"), use="classifier"),
        document("c4", words("b"), use="sft"),
    ]
    out = build(tmp_path, 1, found)
    # c1 repeats what may only be evaluated on; c3 is for classifiers alone and is compared with nothing
    assert kept(out) == ["c2", "c3", "c4"]


def test_nothing_left_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="evaluation_threshold"):
        build(tmp_path, 1, [])


def test_corpus_text_for_evaluation_only_is_subtracted_from_training(tmp_path: Path) -> None:
    found = [
        document("c1", words("question", 40)),
        document("c2", words("question", 40), use="evaluation"),
        document("c3", words("b")),
        document("c4", words("b"), use="classifier"),
    ]
    out = build(tmp_path, 2, found)
    assert [d.id for d in read_documents(out / "documents.parquet")] == ["c2", "c3", "c4"]
    [row] = [json.loads(line) for line in (out / "duplicates.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (row["id"], row["duplicate_of"], row["kind"]) == ("c1", "c2", "evaluation")
    assert (row["source"], row["path"], row["section"]) == ("corpus", "p", "c1")


def test_replay_that_repeats_the_corpus_goes_wherever_its_source_stands(tmp_path: Path) -> None:
    found = [
        replace(document("g1", words("a") + " more", "replay"), source="a_general"),
        replace(document("g2", words("g"), "replay"), source="a_general"),
        document("c1", words("a")),
        document("c2", words("b")),
        document("r1", words("b"), "replay"),
    ]
    out = build(tmp_path, 2, found)
    assert kept(out) == ["g2", "c1", "c2"]
    assert [(row["id"], row["duplicate_of"], row["kind"]) for row in rows(out / "duplicates.jsonl")] == [
        ("g1", "c1", "near"),
        ("r1", "c2", "exact"),
    ]


def test_a_short_test_question_within_a_long_training_text(tmp_path: Path) -> None:
    question = "Which valve closes first in systole?"
    found = [
        document("c1", f"{words('a')}\n\n{question.lower()}\n\n{words('b')}"),
        document("c2", words("what is pneumonia")),
        document("e1", question, "evaluation"),
        document("e2", "What is pneumonia0?", "evaluation"),
        document("i1", f"{words('i')} {question}", "instruction"),
        document("r1", f"{words('r')} {question}", "replay"),
    ]
    out = build(tmp_path, 1, found)
    assert kept(out) == ["c2", "e1", "e2"]
    assert {row["duplicate_of"] for row in rows(out / "duplicates.jsonl")} == {"e1"}
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["evaluation_too_short"] == 1


def test_boilerplate_is_listed_once_and_in_part(tmp_path: Path) -> None:
    long, short = words("notice", 400), words("menu", 8)
    pages = [document(f"c{n}", f"{short}\n\n{words(f'{n}x')}\n\n{long}") for n in range(4)]
    out = build(tmp_path, 2, pages, max_line_documents=3)
    found = rows(out / "boilerplate.jsonl")
    assert [(row["line"], row["documents"]) for row in found] == [(short, 4), (long[:160], 4)]


def test_what_is_remembered_of_boilerplate_does_not_grow_with_its_lines(tmp_path: Path) -> None:
    line = words("notice", 100_000)
    texts = [f"{line}\n\nText of {owner}." for owner in ("one", "the other")]
    found = frequent_lines(lambda: [("corpus", text) for text in texts], 1)
    with (tmp_path / "rows").open("w", encoding="utf-8") as file:
        lines = unique_shards.LinesTaken(found, file)
        assert lines.cleaned(document("c1", texts[0])).text == "Text of one."
    assert not any(line in str(value) for value in vars(lines).values())


def test_a_question_of_a_conversation_and_below_a_title_is_sought(tmp_path: Path) -> None:
    question = (
        "A woman of 54 years presents with fatigue, polyuria and blurred vision; which test confirms the diagnosis?"
    )
    short = "Which vitamin deficiency causes scurvy in adults?"
    turns = [("system", words("system", 9)), ("user", question), ("assistant", words("answer"))]
    meta = json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]})
    spoken = replace(document("e1", "\n\n".join(content for _, content in turns), "evaluation"), meta=meta)
    found = [
        document("c1", f"{words('a')} {question} {words('b')}"),
        document("c2", f"{words('c')} {short} {words('d')}"),
        # the system's turn is the same in many conversations
        document("c3", f"{words('e')} {words('system', 9)} {words('f')}"),
        spoken,
        document("e2", f"Nutrition\n\n{short}", "evaluation", title="Nutrition"),
        document("i1", f"{question}\n\n{words('g')}", "instruction"),
    ]
    out = build(tmp_path, 1, found)
    assert kept(out) == ["c3", "e1", "e2"]
    repeats = {row["id"]: row["duplicate_of"] for row in rows(out / "duplicates.jsonl")}
    assert repeats == {"c1": "e1", "c2": "e2", "i1": "e1"}
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["evaluation_too_short"] == 0
