"""`domainlm gc` beside real builds: nothing that is in use goes, and what is gone is built again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from material.checkout import tree_environment

from domainlm.store.canonical import sha256_of_file
from domainlm.store.collect import Collection
from domainlm.upkeep.gc import collect_garbage

PIPELINE = "domains/tiny/dvc.yaml"
STORE = ".dvc/domainlm-store"


def gc(tree: Any, is_dry_run: bool = False) -> Collection:
    """`domainlm gc --keep-days 0` in this process, so that it can be repeated without a pause."""
    return collect_garbage(tree.path, 0.0, None, is_dry_run, lambda line: None)


def assert_nothing_is_lost(tree: Any, store: Path) -> None:
    """Every installed artifact and shard has its record, and every file is as its manifest says, here and in the store."""
    manifests = [*tree.path.glob("artifacts/*/*/manifest.json"), *tree.path.glob("artifacts/*/*/????/manifest.json")]
    assert manifests
    for path in manifests:
        key = json.loads((path.parent / "action.json").read_bytes())["key"]
        record = json.loads((store / "actions" / key[:2] / f"{key}.json").read_bytes())
        assert record["manifest"] == json.loads(path.read_bytes()), path
        for entry in record["manifest"]["files"]:
            stored = store / "objects" / entry["sha256"][:2] / entry["sha256"][2:]
            assert sha256_of_file(stored) == entry["sha256"], entry
            assert sha256_of_file(path.parent / entry["path"]) == entry["sha256"], entry


def test_what_is_replaced_goes_unless_it_is_pinned_or_locked(built_tree: Any) -> None:
    store = built_tree.path / STORE
    key = json.loads((built_tree.artifact("sft_dataset") / "action.json").read_bytes())["key"]
    record = store / "actions" / key[:2] / f"{key}.json"
    before = built_tree.digests()
    built_tree.run("dvc", "repro", "--quiet", "-s", f"{PIPELINE}:sft_dataset")
    lock = built_tree.path / "domains/tiny/dvc.lock"
    built_tree.run("python", "-m", "domainlm", "gc", "--pin", "sft_dataset", "--name", "kept", "--domain", "tiny")
    built_tree.edit("config/domains/tiny.yaml", "max_documents: 12", "max_documents: 11")
    built_tree.snakemake("sft_dataset")
    assert gc(built_tree).removed == []
    kept = lock.read_bytes()
    lock.unlink()
    assert gc(built_tree).removed == []
    lock.write_bytes(kept)
    built_tree.run("python", "-m", "domainlm", "gc", "--unpin", "kept")
    assert gc(built_tree).removed == []
    lock.unlink()
    assert [row.key for row in gc(built_tree, is_dry_run=True).removed] == [key]
    assert record.exists()
    done = json.loads(built_tree.run("python", "-m", "domainlm", "gc", "--keep-days", "0", "--json").splitlines()[-1])
    [row] = done["removed"]
    assert (row["key"], row["artifact"], row["domain"], row["is_shard"]) == (key, "sft_dataset", "tiny", False)
    assert row["seconds"] > 0
    # DVC's cache still holds the bytes
    assert done["removed_bytes"] == done["held_bytes"] > 0
    assert not record.exists()
    with built_tree.outcomes() as outcomes:
        assert "Nothing to be done" in built_tree.snakemake("sft_dataset")
        built_tree.edit("config/domains/tiny.yaml", "max_documents: 11", "max_documents: 12")
        built_tree.snakemake("sft_dataset")
    assert outcomes == {"built": {"sft_dataset"}}
    assert built_tree.digests() == before


def test_nothing_goes_that_another_workspace_is_building(
    built_tree: Any, make_tree: Callable[[str], Any], tmp_path: Path
) -> None:
    """Show 6: two workspaces share a store, one builds from scratch while the other collects without a pause."""
    store = built_tree.path / STORE
    other = make_tree("other")
    other.edit("config/domains/tiny.yaml", "documents: {group_depth: 1}", "documents: {group_depth: 2}")
    other.edit("config/domains/tiny.yaml", "rank: 2", "rank: 3")
    environment, seed = {"DOMAINLM_STORE": str(store)}, "seed=5"
    with (tmp_path / "said").open("w") as said:
        building = subprocess.Popen(
            ["snakemake", "--cores", "1", "pt_adapter", "--config", "domain=tiny", seed],
            cwd=other.path,
            env=tree_environment(other.path, environment),
            stdout=said,
            stderr=said,
        )
        reports = []
        while building.poll() is None:
            reports.append(gc(built_tree))
            # a pause, or the builder would rarely get the lock
            time.sleep(0.1)
    assert building.returncode == 0, (tmp_path / "said").read_text()
    assert len(reports) > 50
    assert reports[-1].roots.keys["installed"] > reports[0].roots.keys["installed"]
    assert any(report.roots.keys["being built"] for report in reports)
    built = {row["artifact"] for row in other.builds() if row["outcome"] == "built"}
    assert built >= {"documents", "unique_shards", "corpus_split", "pt_tokens", "pt_adapter"}
    for tree in (other, built_tree):
        assert_nothing_is_lost(tree, store)
    assert "Nothing to be done" in other.snakemake("pt_adapter", config=[seed], **environment)
