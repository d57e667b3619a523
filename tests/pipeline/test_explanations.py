"""plan, why and lineage on a built tree: each kind of edit is named, and what was planned is what Snakemake does."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CONFIG = "config/domains/tiny.yaml"


def ask(tree: Any, *arguments: str) -> dict[str, Any]:
    output = tree.run("python", "-m", "domainlm", *arguments, "--domain", "tiny", "--json", PYTHONDONTWRITEBYTECODE="1")
    found: dict[str, Any] = json.loads(output)
    return found


def planned(tree: Any, target: str) -> dict[str, dict[str, Any]]:
    return {row["artifact"]: row for row in ask(tree, "plan", target)["artifacts"]}


def check_plan(tree: Any, target: str) -> dict[str, dict[str, Any]]:
    """Plan, run, compare; returns the plan."""
    plan = planned(tree, target)
    before = len(tree.builds())
    tree.snakemake(target)
    done: dict[str, Counter[str]] = {}
    for row in tree.builds()[before:]:
        done.setdefault(row["artifact"], Counter())[row["outcome"]] += 1
    words = {"restore": "restored", "fetch": "fetched", "build": "built", "up_to_date": "up_to_date"}
    for artifact, row in plan.items():
        outcomes = set(done.get(artifact, ()))
        if row["unless"]:
            assert outcomes <= {"built", words[row["otherwise"]], "up_to_date"}, artifact
        else:
            assert outcomes - {"up_to_date"} == {words[row["state"]]} - {"up_to_date"}, artifact
    assert set(done) <= set(plan)
    return plan


def test_each_kind_of_edit_is_named(built_tree: Any) -> None:
    tree = built_tree
    assert ask(tree, "why", "pt_tokens")["state"] == "up_to_date"

    tree.edit(CONFIG, "max_train_tokens: 4000", "max_train_tokens: 3000")
    found = ask(tree, "why", "pt_tokens")
    assert found["unless"] == ["corpus_split"]
    assert [row["text"] for row in found["upstream"]["corpus_split"]] == [
        "config corpus_split.max_train_tokens 4000 → 3000"
    ]
    tree.edit(CONFIG, "max_train_tokens: 3000", "max_train_tokens: 4000")

    tree.edit("domainlm/text/split.py", "FULL_SHARE = 0.99", "FULL_SHARE = 0.98")
    tree.edit("domainlm/text/split.py", "def group_sizes(", "def group_sizes_(")
    [row, *inputs] = ask(tree, "why", "corpus_split")["differences"]
    assert {(other["kind"], other["change"]) for other in inputs} <= {("input", "pending")}
    assert row["text"] == ("code domainlm/text/split.py: FULL_SHARE changed, group_sizes removed, group_sizes_ added")
    tree.edit("domainlm/text/split.py", "FULL_SHARE = 0.98", "FULL_SHARE = 0.99")
    tree.edit("domainlm/text/split.py", "def group_sizes_(", "def group_sizes(")

    corpus = tree.path / "data/tiny/corpus"
    (corpus / "note1.txt").write_text("Another text altogether.\n", encoding="utf-8")
    (corpus / "note2.txt").unlink()
    found = ask(tree, "why", "documents")
    texts = [row["text"] for row in found["upstream"]["raw_corpus"]]
    assert texts[0].startswith("raw file tiny_corpus/note1.txt changed (")
    assert texts[1:] == ["raw file tiny_corpus/note2.txt removed"]

    lock = (tree.path / "envs/cpu.lock").read_text(encoding="utf-8")
    version = lock.split("\ndatasketch==")[1].split()[0]
    tree.edit("envs/cpu.lock", f"\ndatasketch=={version}", "\ndatasketch==99.0")
    texts = [row["text"] for row in ask(tree, "why", "unique_shards")["differences"]]
    assert f"distribution datasketch {version} → 99.0" in texts


def test_what_is_planned_is_what_snakemake_does(built_tree: Any) -> None:
    tree = built_tree
    # a local's new name: the code changes, the bytes do not
    stage = tree.path / "domainlm/stages/clean_shards.py"
    text = stage.read_text(encoding="utf-8")
    assert "source_folder" in text
    stage.write_text(text.replace("source_folder", "folder_above"), encoding="utf-8")
    plan = check_plan(tree, "sft_dataset")
    assert (plan["clean_shards"]["state"], plan["clean_shards"]["unless"]) == ("build", [])
    assert (plan["unique_shards"]["unless"], plan["unique_shards"]["otherwise"]) == (["clean_shards"], "up_to_date")
    assert plan["clean_shards"]["seconds"] > 0
    # early cutoff came
    assert {row["state"] for row in planned(tree, "sft_dataset").values()} == {"up_to_date"}

    # a file more, and a knob further down
    (tree.path / "data/tiny/corpus/more.txt").write_text("Something that was not there before.\n" * 3, encoding="utf-8")
    tree.edit(CONFIG, "max_documents: 12", "max_documents: 11")
    plan = check_plan(tree, "sft_dataset")
    assert plan["raw_corpus"]["shards"] == {"build": 1, "up_to_date": 1}
    assert plan["sft_dataset"]["state"] == "build"
    found = ask(tree, "why", "sft_dataset")
    assert (found["state"], found["compared_with"]) == ("up_to_date", "build before")
    assert "config sft_dataset.max_documents 12 → 11" in [row["text"] for row in found["differences"]]

    # and back: nothing is built
    (tree.path / "data/tiny/corpus/more.txt").unlink()
    tree.edit(CONFIG, "max_documents: 11", "max_documents: 12")
    plan = check_plan(tree, "sft_dataset")
    assert "build" not in {row["state"] for row in plan.values()}
    assert plan["sft_dataset"]["state"] == "restore"


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder with time and size, but for what a running program leaves beside it."""
    found = {}
    for path in sorted(root.rglob("*")):
        if not {".snakemake", "__pycache__"} & set(path.parts):
            stat = path.lstat()
            found[path.relative_to(root).as_posix()] = (stat.st_mtime_ns, stat.st_size)
    return found


def test_questions_change_nothing_and_answers_reach_the_sources(built_tree: Any) -> None:
    tree = built_tree
    tree.edit(CONFIG, "max_train_tokens: 4000", "max_train_tokens: 3000")
    before = files_of(tree.path)
    plan = ask(tree, "plan")
    ask(tree, "why", "eval_report")
    lineage = ask(tree, "lineage", "eval_report")
    assert files_of(tree.path) == before
    assert plan["totals"]["build"] == ["corpus_split"]
    assert set(plan["totals"]["build_unless"]) >= {"pt_tokens", "pt_adapter", "sft_adapter", "eval_report"}
    assert plan["totals"]["unknown_cost"] == []
    assert plan["totals"]["seconds_at_most"] > plan["totals"]["seconds_at_least"] > 0
    assert plan["totals"]["peak_memory_mb"] > 100

    assert len(lineage["artifacts"]) == 14
    sources = {source["name"]: source for source in lineage["sources"]}
    assert set(sources) == {"tiny_corpus", "tiny_general", "tiny_evaluation", "tiny_model", "style"}
    assert sources["tiny_corpus"]["where"] == "data/tiny/corpus"
    assert {row["path"] for row in sources["tiny_corpus"]["files"]} >= {"terms.obo", "page0.md", "rows.jsonl"}
    assert sources["tiny_model"]["facts"].items() >= {"licence": "CC0-1.0", "role": "base_model"}.items()
    adapter = lineage["artifacts"]["pt_adapter"]
    assert adapter["built"]["cpu_capability"]
    assert adapter["distributions"]["torch"]
    assert adapter["code_files"] > 5


def test_a_file_is_traced_to_where_its_pieces_ended(built_tree: Any) -> None:
    found = ask(built_tree, "trace", "data/tiny/corpus")
    outcomes = Counter(piece["fate"]["outcome"] for file in found["files"] for piece in file["pieces"])
    assert set(outcomes) >= {"train", "validation", "test"}
    assert not {"unknown", "kept"} & set(outcomes)
    assert [file["path"] for file in found["files"] if file["refused"] and not file["pieces"]] == [
        "binary.txt",
        "empty.md",
    ]
    card = json.loads((built_tree.path / "artifacts/tiny/eval_report/data_card.json").read_text(encoding="utf-8"))
    splits = card["funnel"]["tiny_corpus"]["splits"]
    assert {name: count for name, count in splits.items() if count} == {
        name: outcomes[name] for name in ("train", "validation", "test")
    }


@pytest.mark.parametrize("command", ["plan", "why", "lineage"])
def test_wrong_usage_exits_2_with_the_fix(fresh_tree: Any, command: str) -> None:
    output = fresh_tree.run("python", "-m", "domainlm", command, "pt_adaptor", expect=2)
    assert "no artifact 'pt_adaptor'" in output
    if command != "lineage":
        arguments = ("pt_adapter", "--domain", "tiny", "--set", "pt_adapter={rang: 2}")
        assert "'rank'" in fresh_tree.run("python", "-m", "domainlm", command, *arguments, expect=2)
