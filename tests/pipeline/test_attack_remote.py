"""Attacks by a remote on a whole build, by the real snakemake and the real dvc."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack

from domainlm.store.remote import action_name

pytestmark = pytest.mark.long

DVC_FILE = "domains/tiny/dvc.yaml"


def dvc_cache(tree: Any) -> set[str]:
    return {path.relative_to(tree.path).as_posix() for path in (tree.path / ".dvc/cache/files").rglob("*")}


@attack(
    "remote",
    "cache poisoning",
    "a record with false sizes, for an artifact whose sound bytes lie in the store and in DVC's cache",
    "built once, and never met again; store and DVC's cache lose nothing, and what verify gives back dvc repro restores",
)
def test_a_poisoned_record_harms_no_later_build(fresh_tree: Any, tmp_path: Path) -> None:
    tree, stage = fresh_tree, f"{DVC_FILE}:unique_shards"
    tree.run("dvc", "repro", "--quiet", stage)
    remote = {"DOMAINLM_REMOTE": str(tmp_path / "remote")}
    tree.run("python", "-m", "domainlm", "push", "--domain", "tiny", **remote)
    folder, store = tree.artifact("unique_shards"), tree.path / ".dvc/domainlm-store"
    record = json.loads((folder / "action.json").read_bytes())
    path = tmp_path / "remote" / action_name(record["key"])
    row = json.loads(path.read_bytes())
    for entry in row["manifest"]["files"]:
        entry["size"] += 1
    path.write_text(json.dumps(row))
    before = dvc_cache(tree), sorted(store.glob("objects/*/*"))

    tree.run("rm", "-rf", str(folder), str(store / action_name(record["key"])))
    with tree.outcomes() as done:
        printed = tree.snakemake("unique_shards", **remote)
    assert "unique_shards" in done["built"]
    assert printed.count(action_name(record["key"])) <= 1
    assert (dvc_cache(tree), sorted(store.glob("objects/*/*"))) == before
    assert not (store / "quarantine").exists()
    tree.run("rm", "-rf", str(folder))
    with tree.outcomes() as done:
        tree.snakemake("unique_shards")
    assert done.get("built", set()) == set()
    assert "unique_shards" in done["restored"]

    # the store loses it: what dvc removes before it runs the stage would be the last sound copy
    for entry in json.loads((folder / "manifest.json").read_bytes())["files"]:
        (store / "objects" / entry["sha256"][:2] / entry["sha256"][2:]).unlink(missing_ok=True)
    (store / action_name(record["key"])).unlink()
    printed = tree.run("python", "-m", "domainlm", "verify", "--domain", "tiny")
    assert "records that the store had lost" in printed
    with tree.outcomes() as done:
        tree.run("dvc", "repro", "--quiet", "--force", "--single-item", stage)
    assert "unique_shards" in done["restored"]
    assert "built" not in done
