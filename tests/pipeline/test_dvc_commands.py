"""The real dvc on the built tree: it versions what the store built, and both hold one copy of the bytes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
FILE = "domains/tiny/dvc.yaml"
CLEAN = "Data and pipelines are up to date."


@pytest.fixture
def tree(versioned_tree: Any) -> Any:
    return versioned_tree


def test_repro_builds_nothing_and_is_then_clean(tree: Any, built_tree: Any) -> None:
    built = len(built_tree.builds())
    assert {row["outcome"] for row in tree.builds()[built:]} == {"restored"}
    assert tree.digests() == built_tree.digests()
    assert tree.run("dvc", "status", FILE).strip() == CLEAN
    with tree.outcomes() as done:
        tree.run("dvc", "repro", FILE)
        assert "Nothing to be done" in tree.snakemake()
    assert done == {}


def test_store_workspace_and_dvc_cache_hold_one_copy(tree: Any) -> None:
    objects = tree.path / ".dvc/domainlm-store/objects"
    for name in tree.digests():
        for entry in json.loads((tree.artifact(name) / "manifest.json").read_text(encoding="utf-8"))["files"]:
            if entry["size"]:
                installed = tree.artifact(name) / entry["path"]
                stored = objects / entry["sha256"][:2] / entry["sha256"][2:]
                assert os.path.samefile(installed, stored), installed
                # store, workspace, DVC's cache
                assert installed.stat().st_nlink >= 3, installed
    assert {path.suffix for path in objects.rglob("*") if path.is_file()} == {""}


def test_a_code_edit_is_dirty_until_repro_which_computes_nothing(tree: Any) -> None:
    path = tree.path / "domainlm/stages/merged_model.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    status = tree.run("dvc", "status", FILE)
    assert "domainlm/stages/merged_model.py" in status
    assert "Nothing to be done" in tree.snakemake()
    with tree.outcomes() as done:
        tree.run("dvc", "repro", "--quiet", FILE)
    assert set(done) <= {"restored", "up_to_date"}
    assert tree.run("dvc", "status", FILE).strip() == CLEAN


def test_checkout_brings_everything_back(tree: Any) -> None:
    before = tree.digests()
    shutil.rmtree(tree.artifact(""))
    tree.run("dvc", "checkout", "--quiet", FILE)
    assert tree.digests() == before
    with tree.outcomes() as done:
        assert "Nothing to be done" in tree.snakemake()
    assert done == {}


def test_what_is_pulled_into_a_fresh_clone_is_learnt_by_its_empty_store(
    tree: Any, tmp_path: Path, tree_type: Callable[[Path], Any]
) -> None:
    tree.run("dvc", "remote", "add", "--default", "share", str(tmp_path / "share"))
    tree.commit("A remote")
    tree.run("dvc", "push", "--quiet", FILE)
    tree.run("git", "clone", "--quiet", str(tree.path), str(tmp_path / "clone"))
    clone = tree_type(tmp_path / "clone")
    clone.run("dvc", "pull", "--quiet", FILE)
    assert clone.digests() == tree.digests()
    assert clone.run("dvc", "status", FILE).strip() == CLEAN
    with clone.outcomes() as done:
        clone.snakemake()
        clone.snakemake("--forceall", "corpus_split")
    assert set(done) <= {"up_to_date", "restored"}


def test_an_older_commit_comes_back_whole(tree: Any) -> None:
    before = tree.digests()
    tree.edit("config/domains/tiny.yaml", "max_documents: 12", "max_documents: 11")
    tree.run("dvc", "repro", "--quiet", "-s", f"{FILE}:sft_dataset")
    tree.commit("Fewer documents")
    after = tree.digests()
    assert after["sft_dataset"] != before["sft_dataset"]
    for commit, digests in (("HEAD~1", before), ("main", after)):
        tree.run("git", "checkout", "--quiet", commit)
        tree.run("dvc", "checkout", "--quiet", FILE)
        assert tree.digests() == digests
        with tree.outcomes() as done:
            tree.snakemake("sft_dataset")
        assert set(done) <= {"up_to_date"}


def test_a_section_that_a_file_did_not_have_is_not_passed_over(tree: Any) -> None:
    path = tree.path / "config/domains/tiny.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "clean_shards: {min_chars: 80}\n", encoding="utf-8")
    # DVC would skip every stage: its list knows no clean_shards in this file
    assert tree.run("dvc", "status", FILE).strip() != CLEAN
    assert "python -m domainlm.workflow.dvc tiny" in tree.run("dvc", "repro", f"{FILE}:clean_shards", expect=255)
    tree.run("python", "-m", "domainlm.workflow.dvc", "tiny")
    with tree.outcomes() as done:
        tree.run("dvc", "repro", "--quiet", f"{FILE}:clean_shards")
    assert done["built"] == {"clean_shards"}


def test_another_version_s_checkout_is_not_taken_for_this_one(tree: Any) -> None:
    mine = tree.digests()
    lock = tree.path / "domains/tiny/dvc.lock"
    kept = lock.read_bytes()
    # a colleague's version: other sft data, locked
    tree.edit("config/domains/tiny.yaml", "max_documents: 12", "max_documents: 11")
    tree.run("dvc", "repro", "--quiet", "-s", f"{FILE}:sft_dataset")
    other = lock.read_bytes()
    tree.edit("config/domains/tiny.yaml", "max_documents: 11", "max_documents: 12")
    lock.write_bytes(kept)
    tree.run("dvc", "checkout", "--quiet", FILE)
    tree.snakemake("sft_dataset")
    assert tree.digests() == mine
    # their dvc.lock is checked out, the configuration stays
    lock.write_bytes(other)
    tree.run("dvc", "checkout", "--quiet", f"{FILE}:sft_dataset")
    assert tree.digests()["sft_dataset"] != mine["sft_dataset"]
    # the right one comes back, and what follows still fits and stays
    with tree.outcomes() as done:
        tree.snakemake()
    assert done["restored"] == {"sft_dataset"}
    assert set(done) == {"restored", "up_to_date"}
    assert tree.digests() == mine


def test_metrics_and_plots_are_shown(tree: Any, tmp_path: Path) -> None:
    name = "artifacts/tiny/eval_report/metrics.json"
    values = json.loads(tree.run("dvc", "metrics", "show", "--json", name))[""]["data"][name]["data"]
    assert values == json.loads((tree.artifact("eval_report") / "metrics.json").read_text(encoding="utf-8"))
    tree.run("dvc", "plots", "show", "-q", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
    assert "pt_adapter: training loss" in page
    assert "sft_adapter: training loss" in page


def test_status_names_the_stages_of_a_knob(tree: Any) -> None:
    tree.edit("config/domains/tiny.yaml", "max_documents: 12", "max_documents: 11")
    status = tree.run("dvc", "status", FILE)
    changed = [line.strip() for line in status.splitlines() if line.strip().startswith(FILE)]
    # the first two depend on the whole file of a domain, whatever they are restored by
    assert changed == [f"{FILE}:{name}:" for name in ("raw_corpus", "base_model", "sft_dataset")]


def test_names_that_are_not_utf8_are_followed_by_dvc(fresh_tree: Any) -> None:
    stage = f"{FILE}:documents"
    path = Path(os.fsdecode(os.fsencode(fresh_tree.path / "data/tiny/corpus") + "/病历.txt".encode("gbk")))
    path.write_text("kola bimo tera vona siku pafe lodi gura neha foco", encoding="utf-8")
    fresh_tree.run("python", "-m", "domainlm.workflow.dvc", "tiny")
    fresh_tree.run("dvc", "repro", "--quiet", stage)
    assert "always changed" in fresh_tree.run("dvc", "status", FILE)
    with fresh_tree.outcomes() as done:
        fresh_tree.run("dvc", "repro", "--quiet", stage)
    assert set(done) <= {"restored", "up_to_date"}
    path.write_text("kola bimo tera vona, changed", encoding="utf-8")
    with fresh_tree.outcomes() as done:
        fresh_tree.run("dvc", "repro", "--quiet", stage)
    assert done["built"] >= {"raw_corpus", "documents"}
    fresh_tree.commit("With a name in GBK")
    fresh_tree.run("dvc", "exp", "run", "--temp", "-S", "config/domains/tiny.yaml:raw_corpus.segment_bytes=5000", stage)


def test_odd_names_of_folders_are_their_own(fresh_tree: Any) -> None:
    names = [
        "d${ollar}",
        "b{race}",
        "a\nb",
        'q"uote',
        "c:olon",
        "-dash",
        " blank ",
        "h#ash",
        "😀",
        "p%d",
        "dot.",
        "a*b",
    ]
    sources = []
    for number, name in enumerate(names):
        folder = fresh_tree.path / "data" / name
        folder.mkdir()
        (folder / f"{name}.txt").write_text(f"kola bimo tera vona siku {number} pafe lodi gura neha foco")
        sources.append(f"  odd{number}: {{role: corpus, local: {json.dumps(f'data/{name}', ensure_ascii=False)}}}\n")
    fresh_tree.edit("config/domains/tiny.yaml", "sources:\n", f"sources:\n{''.join(sources)}")
    fresh_tree.run("python", "-m", "domainlm.workflow.dvc", "tiny")
    fresh_tree.run("dvc", "repro", "--quiet", f"{FILE}:raw_corpus")
    assert "raw_corpus" not in fresh_tree.run("dvc", "status", f"{FILE}:raw_corpus")
