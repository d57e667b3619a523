"""Own conversations of several forms beside a corpus of plain text: imported, split, and alone in the SFT adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from material.tiny_domain import words

NAME = "config/domains/tiny.yaml"
ROWS_PER_FILE = 12


def asked_and_said(name: str, number: int) -> tuple[str, str]:
    return f"{words(f'asked{name}{number}', 8)}?", f"{words(f'said{name}{number}', 10)}."


def write_conversations(folder: Path) -> None:
    """Four files of a form each, one of which has a row that cannot be used and one of preference data."""
    folder.mkdir()
    rows: dict[str, list[Any]] = {"alpaca": [], "messages": [], "conversations": [], "prompt_completion": []}
    for number in range(ROWS_PER_FILE):
        asked, said = asked_and_said("alpaca", number)
        rows["alpaca"].append({"instruction": asked, "input": "", "output": said})
        asked, said = asked_and_said("messages", number)
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        rows["messages"].append({"messages": turns})
        asked, said = asked_and_said("conversations", number)
        turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]
        rows["conversations"].append({"conversations": turns})
        asked, said = asked_and_said("trl", number)
        prompt, completion = [{"role": "user", "content": asked}], [{"role": "assistant", "content": said}]
        rows["prompt_completion"].append({"prompt": prompt, "completion": completion})
    rows["alpaca"] += [{"frage": "x", "antwort": "y"}, {"prompt": "x", "chosen": "y", "rejected": "z"}]
    for name, found in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")


@pytest.fixture
def own_tree(fresh_tree: Any) -> Any:
    """The tiny domain with a corpus without headings, own conversations, and no derived questions."""
    corpus = fresh_tree.path / "data/tiny/corpus"
    shutil.rmtree(corpus)
    corpus.mkdir()
    for number in range(40):
        (corpus / f"{number}.txt").write_text(f"{words(f'plain{number}', 60)}.\n", encoding="utf-8")
    write_conversations(fresh_tree.path / "data/tiny/mine")
    fresh_tree.edit(
        NAME, "sources:\n", "sources:\n  mine: {role: instruction, local: data/tiny/mine, licence: CC0-1.0}\n"
    )
    fresh_tree.edit(NAME, "sft_dataset: {", "sft_dataset: {has_derived_questions: false, ")
    return fresh_tree


@pytest.mark.long
def test_an_adapter_is_trained_on_own_conversations_alone(own_tree: Any) -> None:
    own_tree.snakemake("sft_adapter", "documents")

    def stats(artifact: str) -> dict[str, Any]:
        return dict(json.loads((own_tree.artifact(artifact) / "stats.json").read_text(encoding="utf-8")))

    forms = {name: ROWS_PER_FILE for name in ("alpaca", "messages", "conversations", "prompt_completion")}
    assert stats("documents")["instruction"]["mine"] == {
        "forms": forms,
        "rejected": {"unknown_form": 1, "preference_row": 1},
        "keys": {"frage, antwort": 1, "prompt, chosen, rejected": 1},
    }
    dataset = stats("sft_dataset")
    assert {split: set(sources) for split, sources in dataset["rows_by_source"].items()} == {
        "train": {"mine"}, "validation": {"mine"}, "test": {"mine"}
    }  # fmt: skip
    assert dataset["rows"] == {"train": 43, "validation": 2, "test": 3}
    assert "derived" not in dataset["rows_by_form"]["train"]
    taken = stats("sft_tokens")["taken"]["train"]
    assert set(taken) == {"mine"}
    assert sum(counts["conversations"] for counts in taken["mine"].values()) == 43
    trained = stats("sft_adapter")
    assert trained["steps"] > 1
    assert trained["loss_last"] < trained["loss_first"]
    said = own_tree.run("python", "-m", "domainlm", "trace", "data/tiny/mine/alpaca.jsonl", "--domain", "tiny")
    assert "12 in instruction" in said
    assert all(reason in said for reason in ("unknown_form", "preference_row"))


@pytest.mark.long
def test_a_source_of_which_nothing_is_taken_stops_the_run(own_tree: Any) -> None:
    mine = own_tree.path / "data/tiny/mine"
    for path in mine.iterdir():
        path.write_text(json.dumps({"frage": "x", "antwort": "y"}) + "\n", encoding="utf-8")
    own_tree.snakemake("sft_adapter", expect=1)
    said = (own_tree.path / "logs/tiny/clean_shards.log").read_text(encoding="utf-8")
    assert "sources.mine (role instruction): of 4 rows and files 0 were taken as conversations" in said
    assert "frage, antwort (4)" in said
    assert "conversations, conversation" in said
    assert {row["artifact"] for row in own_tree.builds() if row["outcome"] == "built"} <= {
        "raw_corpus",
        "base_model",
        "documents",
        "clean_shards",
    }
