"""What workspaces need, on workspaces made by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest, make_manifest
from domainlm.store.roots import Pin, register_workspace, write_pin
from domainlm.upkeep.workspace_needs import CollectionError, find_roots

FETCHED = {"source": "x", "origin": "fetch", "sha256": "f" * 64}
STAMP = Stamp(
    domain="tiny",
    artifact="sft_adapter",
    shard=None,
    folder="artifacts/tiny/sft_adapter",
    inputs={"sft_tokens": "artifacts/tiny/sft_tokens"},
    code_digest="c" * 64,
    config={},
    distributions={},
)
RAW = replace(STAMP, artifact="raw_corpus", shard="0000", inputs={}, config={"files": [], "fetched": [FETCHED]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir()
    return path


def write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def install(workspace: Path, folder: str, key: str, text: str, action: dict[str, Any] | None = None) -> Manifest:
    manifest = make_manifest([Entry("file", sha256_of(text.encode()), len(text))])
    made = {"artifact": "any", "code": "d" * 64, "config": {}, "inputs": {}, **(action or {})}
    write(workspace / folder / "manifest.json", manifest.to_bytes())
    write(workspace / folder / "action.json", {"key": key, "action": made})
    return manifest


def test_what_is_installed_in_any_registered_workspace(store: Store, workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    manifest = install(workspace, "artifacts/tiny/raw_corpus", "1" * 64, "whole")
    install(workspace, "artifacts/tiny/raw_corpus/0000", "2" * 64, "shard", {"inputs": {"a": "e" * 64}})
    install(other, "artifacts/law/documents", "3" * 64, "elsewhere")
    install(tmp_path / "unknown", "artifacts/law/documents", "4" * 64, "uses another store")
    register_workspace(store.root, other)
    found = find_roots(store, workspace)
    assert found.keys["installed"] == {"1" * 64, "2" * 64, "3" * 64}
    objects = {sha256_of(text) for text in (b"whole", b"shard", b"elsewhere")}
    # its objects, its tree, its code, the trees it was made from
    assert found.digests >= {*objects, manifest.tree_digest, "d" * 64, "e" * 64}
    assert sha256_of(b"uses another store") not in found.digests


def test_an_artifact_whose_manifest_was_taken_is_still_a_root(store: Store, workspace: Path) -> None:
    install(workspace, "artifacts/tiny/documents", "1" * 64, "text")
    (workspace / "artifacts/tiny/documents/manifest.json").unlink()
    assert find_roots(store, workspace).keys["installed"] == {"1" * 64}


def test_raw_files_of_what_is_installed_and_of_what_is_asked_for(store: Store, workspace: Path) -> None:
    installed = {"artifact": "raw_corpus_shard", "config": {"fetched": [{**FETCHED, "sha256": "a" * 64}]}}
    install(workspace, "artifacts/tiny/raw_corpus/0000", "1" * 64, "inventory", installed)
    model = {"files": [{**FETCHED, "sha256": "b" * 64}, {"origin": "local", "sha256": "9" * 64}], "hub": None}
    write(workspace / stamp_path("tiny", "raw_corpus", "0000"), asdict(RAW))
    write(workspace / stamp_path("tiny", "base_model"), asdict(replace(STAMP, artifact="base_model", config=model)))
    found = find_roots(store, workspace).digests
    assert found >= {"a" * 64, "b" * 64, "f" * 64}
    assert "9" * 64 not in found


def test_what_a_stamp_asks_for_is_wanted_once_its_inputs_are_there(store: Store, workspace: Path) -> None:
    write(workspace / stamp_path("tiny", "sft_adapter"), asdict(STAMP))
    write(workspace / stamp_path("tiny", "raw_corpus", "0000"), asdict(RAW))
    no_inputs = action_key(action_of(RAW, {}))
    assert find_roots(store, workspace).keys["wanted"] == {no_inputs}
    manifest = install(workspace, "artifacts/tiny/sft_tokens", "1" * 64, "tokens")
    wanted = action_key(action_of(STAMP, {"sft_tokens": manifest.tree_digest}))
    assert find_roots(store, workspace).keys["wanted"] == {no_inputs, wanted}


def test_a_stamp_of_another_version_is_no_reason_to_stop(store: Store, workspace: Path) -> None:
    write(workspace / stamp_path("tiny", "sft_adapter"), {**asdict(STAMP), "new_field": 1})
    assert find_roots(store, workspace).keys["wanted"] == set()


def lock(cache: Path, workspace: Path, name: str, keys: dict[str, str]) -> None:
    """What DVC writes for one output folder: the lock, the list of the folder's files, the files. keys: path -> key."""
    rows = []
    for path, key in keys.items():
        md5 = f"{len(list(cache.rglob('*'))):032x}"
        write(cache / md5[:2] / md5[2:], {"key": key})
        rows.append({"md5": md5, "relpath": path})
    md5 = f"{len(list(cache.rglob('*'))):032x}.dir"
    write(cache / md5[:2] / md5[2:], rows)
    text = f"stages:\n  x:\n    cmd: x\n    outs:\n    - path: p\n      md5: {md5}\n    - path: f\n      md5: 0f\n  y:\n    cmd: y\n"
    write(workspace / name, text.encode())


def test_what_dvc_locks_is_found_through_its_cache(store: Store, workspace: Path, tmp_path: Path) -> None:
    write(workspace / ".dvc/config", f'[cache]\n    dir = "{tmp_path}/cache"\n'.replace('"', "").encode())
    cache = tmp_path / "cache/files/md5"
    lock(cache, workspace, "dvc.lock", {"action.json": "1" * 64, "0000/action.json": "2" * 64, "other.json": "3" * 64})
    lock(cache, workspace, "domains/law/dvc.lock", {"action.json": "4" * 64})
    found = find_roots(store, workspace)
    assert found.keys["dvc.lock"] == {"1" * 64, "2" * 64, "4" * 64}
    assert found.notes == ()
    shutil.rmtree(cache)
    found = find_roots(store, workspace)
    assert found.keys["dvc.lock"] == set()
    assert len(found.notes) == 2


@pytest.mark.parametrize("text", ["stages:\n<<<<<<< HEAD\n  x: 1\n=======\n", "- a\n", "stages: [a]\n"])
def test_a_lock_file_that_cannot_be_read_stops_the_collection(store: Store, workspace: Path, text: str) -> None:
    write(workspace / "dvc.lock", text.encode())
    with pytest.raises(CollectionError, match="resolve its conflict"):
        find_roots(store, workspace)


def test_pins_and_gone_workspaces(store: Store, workspace: Path, tmp_path: Path) -> None:
    write_pin(store.root, Pin("one", "tiny", "x", ("1" * 64, "2" * 64), "/x", "now"))
    write_pin(store.root, Pin("two", "tiny", "x", ("3" * 64,), "/x", "now"))
    (tmp_path / "gone").mkdir()
    register_workspace(store.root, tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = find_roots(store, workspace)
    assert found.keys["pinned"] == {"1" * 64, "2" * 64, "3" * 64}
    assert found.gone_workspaces == (tmp_path / "gone",)


def test_files_that_cannot_be_read_are_an_error(store: Store, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(workspace, "artifacts/tiny/documents", "1" * 64, "text")
    read_bytes = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "action.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(CollectionError, match=r"action\.json belongs to a workspace .* cannot be read by this user"):
        find_roots(store, workspace)
