"""Builds against a remote folder, without Snakemake: what is fetched, what stays there, what is built after all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.projects import DOCUMENTS, ONE_SHARD, RAW, write_project

from domainlm.builder import hollow
from domainlm.builder.build import Outcome, build
from domainlm.builder.hollow import hollow_folders, is_hollow
from domainlm.builder.requested import is_requested, write_requested
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.store import remote_files
from domainlm.store.install import read_record
from domainlm.store.manifest import read_manifest
from domainlm.store.remote import object_name
from domainlm.upkeep.push_pull import pull_hollow, pull_named, push
from domainlm.workflow.prepare import prepare

CORPUS = {"a.txt": "a text that is long enough", "b.txt": "b text that is long enough"}


def silent(message: str) -> None:
    return None


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """make(name): a project with its own store; all share one remote folder."""

    def made(name: str) -> Path:
        return write_project(tmp_path / name, CORPUS, ONE_SHARD)

    (tmp_path / "remote").mkdir()
    monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "remote"))
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())
    return made


def go(project: Path, artifact: str, is_wanted: bool = False, shard: str | None = "0000", **overrides: Any) -> Outcome:
    """Build one shard, or with shard=None the whole artifact, as a rule does."""
    stamp: Stamp = prepare(overrides, project, targets=["eval_report"]).stamps[artifact, shard]
    return build(project, stamp, Resources(log=silent), is_wanted)


@pytest.fixture
def full(make: Callable[[str], Path]) -> Path:
    """A project whose raw_corpus and documents were built and pushed."""
    project = make("full")
    go(project, "raw_corpus")
    go(project, "documents")
    assert push(project, "tiny", [], silent).sent.pushed == [RAW, DOCUMENTS]
    return project


def is_whole(project: Path, folder: str) -> bool:
    manifest = read_manifest(project / folder)
    return manifest is not None and all((project / folder / entry.path).is_file() for entry in manifest.entries)


def test_records_are_enough_where_nobody_wants_the_bytes(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    outcomes = [go(clone, "raw_corpus"), go(clone, "documents"), go(clone, "raw_corpus")]
    assert [(o.outcome, o.moved_bytes) for o in outcomes] == [("fetched", 0), ("fetched", 0), ("up_to_date", 0)]
    assert hollow_folders(clone, "tiny") == [DOCUMENTS, RAW]
    for folder in (RAW, DOCUMENTS):
        assert (clone / folder / "manifest.json").read_bytes() == (full / folder / "manifest.json").read_bytes()
        assert sorted(path.name for path in (clone / folder).iterdir()) == ["action.json", "manifest.json"]
    wanted = go(clone, "documents", is_wanted=True)
    assert (wanted.outcome, wanted.moved_bytes) == ("fetched", wanted.size_bytes)
    assert hollow_folders(clone, "tiny") == [RAW]


def test_a_miss_fills_its_inputs_and_nothing_else(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "documents")
    assert go(clone, "documents", documents={"group_depth": 1}).outcome == "built"
    assert hollow_folders(clone, "tiny") == []
    assert is_whole(clone, RAW)


def test_a_gather_fills_its_shards(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "documents")
    assert go(clone, "raw_corpus", shard=None).outcome == "built"
    assert hollow_folders(clone, "tiny") == [DOCUMENTS]
    # and with the whole artifact at the remote, shard and whole are each as hollow as what was asked for
    push(clone, "tiny", ["raw_corpus"], silent)
    other = make("other")
    go(other, "raw_corpus")
    assert go(other, "raw_corpus", shard=None).outcome == "fetched"
    assert hollow_folders(other, "tiny") == ["artifacts/tiny/raw_corpus", RAW]
    go(other, "raw_corpus", shard=None, is_wanted=True)
    assert hollow_folders(other, "tiny") == []
    assert is_whole(other, RAW)


def remove_object(folder: Path, remote: Path) -> None:
    # the largest: an empty file may also be one of another artifact
    entry = max(json.loads((folder / "manifest.json").read_bytes())["files"], key=lambda each: each["size"])
    (remote / object_name(entry["sha256"])).unlink()


def test_an_input_that_the_remote_lost_is_built(full: Path, make: Callable[[str], Path], tmp_path: Path) -> None:
    remove_object(full / RAW, tmp_path / "remote")
    clone = make("clone")
    go(clone, "raw_corpus")
    with pytest.raises(StageError, match="run the same command again"):
        go(clone, "documents", documents={"group_depth": 1})
    assert go(clone, "raw_corpus").outcome == "built"
    assert go(clone, "documents", documents={"group_depth": 1}).outcome == "built"
    assert hollow_folders(clone, "tiny") == []
    # and a push from there mends the remote
    assert push(clone, "tiny", ["raw_corpus"], silent).sent.moved_objects == 1


def test_a_wanted_artifact_that_the_remote_lost_is_built(
    full: Path, make: Callable[[str], Path], tmp_path: Path
) -> None:
    remove_object(full / DOCUMENTS, tmp_path / "remote")
    clone = make("clone")
    go(clone, "raw_corpus")
    outcome = go(clone, "documents", is_wanted=True)
    assert outcome.outcome == "built"
    assert outcome.tree_digest == go(full, "documents").tree_digest


def test_files_that_came_another_way_are_not_asked_for_again(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "documents")
    # a `dvc pull`: the same files, with times of their own
    shutil.rmtree(clone / DOCUMENTS)
    shutil.copytree(full / DOCUMENTS, clone / DOCUMENTS, copy_function=shutil.copyfile)
    assert hollow_folders(clone, "tiny") == [RAW]
    outcome = go(clone, "documents", is_wanted=True)
    assert (outcome.outcome, outcome.moved_bytes) in [("restored", 0), ("up_to_date", 0)]
    assert is_whole(clone, DOCUMENTS)


def test_the_store_is_asked_before_the_remote(full: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.rmtree(full / "artifacts")
    monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "gone"))
    outcomes = [go(full, "raw_corpus"), go(full, "documents")]
    assert [outcome.outcome for outcome in outcomes] == ["restored", "restored"]
    assert is_whole(full, DOCUMENTS)


def test_pull_brings_what_the_configuration_asks_for(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    with pytest.raises(StageError, match="no record of artifacts/tiny/clean_shards"):
        pull_named(clone, "tiny", ["clean_shards"], silent)
    # nothing moved before the miss was known
    assert not (clone / "artifacts").exists()
    go(clone, "raw_corpus")
    go(clone, "documents")
    planned = pull_hollow(clone, "tiny", silent, is_dry_run=True)
    assert hollow_folders(clone, "tiny") == [DOCUMENTS, RAW]
    pulled = pull_hollow(clone, "tiny", silent)
    assert (pulled.filled, pulled.missing) == (planned.filled, {})
    assert pulled.filled == {folder: read_size(full / folder) for folder in (DOCUMENTS, RAW)}
    assert hollow_folders(clone, "tiny") == []


def read_size(folder: Path) -> int:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest.size


def test_pull_names_what_the_remote_lost_and_keeps_it_hollow(
    full: Path, make: Callable[[str], Path], tmp_path: Path
) -> None:
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "documents")
    remove_object(full / RAW, tmp_path / "remote")
    pulled = pull_hollow(clone, "tiny", silent)
    assert (list(pulled.filled), pulled.missing) == ([DOCUMENTS], {RAW: "inventory.jsonl"})
    assert hollow_folders(clone, "tiny") == [RAW]


def test_a_dry_run_counts_a_shard_once(full: Path, make: Callable[[str], Path]) -> None:
    go(full, "raw_corpus", shard=None)
    push(full, "tiny", [], silent)
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "raw_corpus", shard=None)
    planned = pull_hollow(clone, "tiny", silent, is_dry_run=True)
    assert list(planned.filled) == ["artifacts/tiny/raw_corpus"]
    assert pull_hollow(clone, "tiny", silent).filled == planned.filled


def test_push_leaves_out_what_is_hollow(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    go(clone, "raw_corpus")
    go(clone, "documents", is_wanted=True)
    report = push(clone, "tiny", [], silent)
    assert (report.sent.present, report.hollow, report.sent.moved_objects) == ([DOCUMENTS], (RAW,), 0)


def test_push_tells_non_determinism_from_another_platform(full: Path, make: Callable[[str], Path]) -> None:
    clone = make("clone")
    go(clone, "raw_corpus", is_wanted=True)
    go(clone, "documents", is_wanted=True)
    path = next(path for path in (clone / DOCUMENTS).iterdir() if path.name not in ("manifest.json", "action.json"))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"\n")
    manifest = json.loads((clone / DOCUMENTS / "manifest.json").read_bytes())
    record = read_record(clone / DOCUMENTS)
    assert record is not None
    for entry in manifest["files"]:
        if entry["path"] == path.name:
            entry |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
    (clone / DOCUMENTS / "manifest.json").write_text(json.dumps(manifest))
    report = push(clone, "tiny", ["documents"], silent)
    assert report.others[DOCUMENTS].is_nondeterminism
    assert report.others[DOCUMENTS].file == path.name
    assert not report.is_clean
    record["built"]["machine"] = "another"
    (clone / DOCUMENTS / "action.json").write_text(json.dumps(record))
    report = push(clone, "tiny", ["documents"], silent)
    assert not report.others[DOCUMENTS].is_nondeterminism
    assert (report.is_clean, report.sent.moved_objects) == (True, 0)


def test_a_fill_of_raw_corpus_fetches_the_raw_files(
    full: Path, make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, seen = make("clone"), []
    monkeypatch.setattr(
        "domainlm.builder.inputs.fetch_declared", lambda action, store, log: seen.append(action["artifact"])
    )
    go(clone, "raw_corpus")
    assert seen == []
    go(clone, "documents", documents={"group_depth": 1})
    assert "raw_corpus_shard" in seen


def test_what_a_run_was_asked_for_is_known_until_it_ends(tmp_path: Path) -> None:
    write_requested(tmp_path, "tiny", ["sft_adapter"])
    assert is_requested(tmp_path, "tiny", "sft_adapter")
    assert not is_requested(tmp_path, "tiny", "merged_model")
    assert not is_requested(tmp_path, "other", "sft_adapter")
    note = next((tmp_path / ".domainlm/requested").iterdir())
    ended = note.with_name(f"{socket.gethostname()}.{2**22 + 1}.1.json")
    os.rename(note, ended)
    write_requested(tmp_path, "tiny", ["documents"])
    assert not is_requested(tmp_path, "tiny", "sft_adapter")


def test_a_marker_of_another_key_counts_for_nothing(tmp_path: Path) -> None:
    hollow.mark_hollow(tmp_path, RAW, "1")
    assert is_hollow(tmp_path, RAW, "1")
    assert not is_hollow(tmp_path, RAW, "2")
    hollow.mark_filled(tmp_path, "artifacts/tiny/raw_corpus")
    assert not is_hollow(tmp_path, RAW, "1")
