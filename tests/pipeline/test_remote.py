"""Builds without the bytes: a fresh clone and a full remote, by the real snakemake; versions guarded, by the real dvc."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from material.servers import BUCKET, s3_server

from domainlm.builder.hollow import hollow_folders

DVC_FILE = "domains/tiny/dvc.yaml"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An S3 server; gives the environment of its clients."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    with s3_server(tmp_path / "s3.log") as environment:
        yield {**environment, "DOMAINLM_REMOTE": f"s3://{BUCKET}/team"}


@pytest.fixture(scope="session")
def full_folder(
    shared_folder: Callable[..., Path], built_folder: Path, tree_type: Callable[[Path], Any]
) -> Callable[[Path], dict[str, str]]:
    """full_folder(tmp_path): environment of a remote folder, the test's own, to which the built tree was pushed."""

    def make(folder: Path) -> None:
        domainlm(tree_type(built_folder), "push", DOMAINLM_REMOTE=str(folder))

    whole = shared_folder("remote", make)

    def remote(tmp_path: Path) -> dict[str, str]:
        shutil.copytree(whole, tmp_path / "remote")
        return {"DOMAINLM_REMOTE": str(tmp_path / "remote")}

    return remote


def domainlm(tree: Any, command: str, *arguments: str, expect: int = 0, **environment: str) -> Any:
    domain = () if command in ("doctor",) else ("--domain", "tiny")
    printed = tree.run("python", "-m", "domainlm", command, *arguments, *domain, "--json", expect=expect, **environment)
    return json.loads(printed[printed.index("{") :]) if "{" in printed else printed


def bytes_moved(tree: Any) -> int:
    return sum(row.get("bytes_moved", 0) for row in tree.builds())


def is_whole(tree: Any, artifact: str) -> bool:
    manifest = json.loads((tree.artifact(artifact) / "manifest.json").read_text(encoding="utf-8"))
    return all((tree.artifact(artifact) / entry["path"]).is_file() for entry in manifest["files"])


def test_a_fresh_clone_fetches_what_it_needs_and_trains_nothing(
    s3: dict[str, str], built_tree: Any, fresh_tree: Any
) -> None:
    pushed = domainlm(built_tree, "push", **s3)
    all_bytes = sum(entry["size"] for text in built_tree.digests().values() for entry in json.loads(text)["files"])
    assert pushed["objects_moved"] > 0
    assert domainlm(built_tree, "push", **s3)["objects_moved"] == 0

    tree = fresh_tree
    with tree.outcomes() as done:
        tree.snakemake("sft_adapter", **s3)
    assert set(done) == {"fetched"}
    assert tree.digests()["sft_adapter"] == built_tree.digests()["sft_adapter"]
    assert is_whole(tree, "sft_adapter")
    assert not is_whole(tree, "merged_model")
    assert 0 < bytes_moved(tree) <= all_bytes / 10

    before = bytes_moved(tree)
    with tree.outcomes() as done:
        tree.snakemake(**s3)
    assert set(done) == {"fetched"}
    assert is_whole(tree, "eval_report")
    assert not is_whole(tree, "eval_results")
    moved = sum(p.stat().st_size for p in tree.artifact("eval_report").iterdir()) - before
    assert bytes_moved(tree) - before < moved + before
    assert tree.digests() == built_tree.digests()

    path = tree.path / "domainlm/stages/sft_adapter.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    with tree.outcomes() as done:
        assert "Nothing to be done" in tree.snakemake(**s3)
    assert done == {}

    # what it reads is fetched, nothing else
    tree.edit("config/domains/tiny.yaml", "sft_adapter: {learning_rate: 0.02", "sft_adapter: {learning_rate: 0.01")
    with tree.outcomes() as done:
        tree.snakemake("sft_adapter", **s3)
    assert done == {"built": {"sft_adapter"}}
    assert is_whole(tree, "merged_model")
    assert is_whole(tree, "sft_tokens")
    assert not is_whole(tree, "pt_adapter")
    assert not is_whole(tree, "base_model")


def test_what_is_asked_for_by_name_is_filled(
    full_folder: Callable[[Path], dict[str, str]], fresh_tree: Any, tmp_path: Path
) -> None:
    tree, remote = fresh_tree, full_folder(tmp_path)
    plan = domainlm(tree, "pull", "sft_adapter", "--dry-run", **remote)
    assert not tree.artifact("").exists()
    pulled = domainlm(tree, "pull", "sft_adapter", **remote)
    assert pulled["filled"] == plan["filled"] == {"artifacts/tiny/sft_adapter": pulled["bytes_moved"]}
    hollow = hollow_folders(tree.path, "tiny")
    assert "artifacts/tiny/merged_model" in hollow
    assert "artifacts/tiny/sft_adapter" not in hollow
    assert domainlm(tree, "verify", **remote)
    printed = tree.snakemake("sft_adapter", **remote)
    assert "domainlm pull merged_model --domain tiny" in printed
    tree.snakemake("merged_model", "clean_shards", **remote)
    assert is_whole(tree, "merged_model")
    assert is_whole(tree, "clean_shards")
    assert set(hollow) - set(hollow_folders(tree.path, "tiny")) == {
        f"artifacts/tiny/{name}" for name in ("merged_model", "clean_shards", "clean_shards/0000", "clean_shards/0001")
    }
    with tree.outcomes() as done:
        tree.snakemake("sft_adapter", **remote)
    assert set(done) <= {"up_to_date"}
    # a code edit: the stage's inputs come from the remote, the raw files from where they are
    tree.edit("domainlm/stages/documents.py", "def run_shard(", "UNUSED = 1\n\n\ndef run_shard(")
    with tree.outcomes() as done:
        tree.snakemake("clean_shards", **remote)
    assert done["built"] == {"documents"}
    assert is_whole(tree, "raw_corpus/0000")
    assert domainlm(tree, "pull", **remote)["missing"] == {}
    assert hollow_folders(tree.path, "tiny") == []


def test_a_remote_that_is_gone_stops_the_build_and_says_how_to_go_on(fresh_tree: Any, tmp_path: Path) -> None:
    printed = fresh_tree.snakemake("raw_corpus", expect=1, DOMAINLM_REMOTE=str(tmp_path / "gone"))
    assert "DOMAINLM_REMOTE=none" in printed
    assert {row["outcome"] for row in fresh_tree.builds()} == {"failed"}


def test_no_version_holds_a_hollow_artifact(
    full_folder: Callable[[Path], dict[str, str]], fresh_tree: Any, tmp_path: Path
) -> None:
    tree, remote = fresh_tree, full_folder(tmp_path)
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    remote |= identity
    domainlm(tree, "pull", "corpus_split", **remote)
    # base_model is hollow, and this is how it gets into a version without a word
    tree.run("dvc", "commit", "-f", "--quiet", f"{DVC_FILE}:base_model", **remote)
    checks = domainlm(tree, "doctor", "--hollow", expect=1, **remote)["checks"]
    assert "artifacts/tiny/base_model" in checks[0]["found"]
    assert "domainlm pull base_model --domain tiny" in checks[0]["fix"]

    hook = tree.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho kept >> kept_hook_ran\n")
    hook.chmod(0o755)
    domainlm(tree, "doctor", "--install-hooks", **remote)
    domainlm(tree, "doctor", "--install-hooks", **remote)
    lock = f"{DVC_FILE.removesuffix('.yaml')}.lock"
    tree.run("git", "add", "-f", lock)
    assert "artifacts/tiny/base_model" in tree.run("git", "commit", "-qm", "hollow", expect=1, **remote)
    assert not (tree.path / "kept_hook_ran").exists()
    # past the hook, it is stopped at the push
    tree.run("git", "commit", "-qnm", "hollow", **remote)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "origin")], check=True)
    tree.run("git", "push", "-q", str(tmp_path / "origin"), "HEAD:main", expect=1, **remote)

    domainlm(tree, "pull", "base_model", **remote)
    tree.run("dvc", "commit", "-f", "--quiet", f"{DVC_FILE}:base_model", **remote)
    tree.run("git", "add", "-f", lock)
    tree.run("git", "commit", "-qm", "filled", **remote)
    assert (tree.path / "kept_hook_ran").exists()
    tree.run("git", "push", "-q", str(tmp_path / "origin"), "HEAD:main", **remote)
