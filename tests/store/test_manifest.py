from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainlm.store.canonical import sha256_of
from domainlm.store.manifest import Entry, files_below, make_manifest, parse_manifest, read_manifest, scan, shard_fault


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_manifest_lists_sorted_paths_digests_and_sizes(tmp_path: Path) -> None:
    manifest = scan(write(tmp_path, {"b.txt": "two", "a/c.txt": "1", "a.txt": ""}))
    assert [entry.path for entry in manifest.entries] == ["a.txt", "a/c.txt", "b.txt"]
    assert manifest.entries[2] == Entry("b.txt", sha256_of(b"two"), 3)
    assert manifest.size == 4


def test_tree_digest_is_of_content_only(tmp_path: Path) -> None:
    first = write(tmp_path / "first", {"x": "1", "y/z": "2"})
    second = write(tmp_path / "second", {"y/z": "2", "x": "1"})
    os.utime(second / "x", (1, 1))
    (second / "x").chmod(0o600)
    assert scan(first).tree_digest == scan(second).tree_digest == sha256_of(scan(first).to_bytes())


@pytest.mark.parametrize("change", [{"x": "2"}, {"w": "1"}, {"x": "1", "empty": ""}])
def test_tree_digest_changes_with_content_name_and_number(tmp_path: Path, change: dict[str, str]) -> None:
    before = scan(write(tmp_path / "before", {"x": "1"}))
    after = scan(write(tmp_path / "after", change))
    assert before.tree_digest != after.tree_digest


def test_round_trip() -> None:
    manifest = make_manifest([Entry("b", "0" * 64, 1), Entry("a", "1" * 64, 2)])
    assert parse_manifest(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "a//b", ""])
def test_paths_that_leave_the_artifact_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="plain relative path"):
        make_manifest([Entry(path, "0" * 64, 1)])


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["./a"], "plain relative path"),
        (["a/."], "plain relative path"),
        (["a\\b"], "backslash"),
        (["a\nb"], "control character"),
        (["\ud800"], "half a character"),
        (["x" * 256], "too long"),
        (["é" * 128], "too long"),
        (["/".join(["x" * 64] * 16)], "too long"),
        (["/".join("x" * 40)], "40 folders deep"),
        (["manifest.json"], "name of a record"),
        (["0000/action.json"], "name of a record"),
        (["a", "a/b"], "a file and a folder"),
        (["a/b", "a/b/c/d"], "a file and a folder"),
        (["A", "a/b"], "a file and a folder"),
        (["a", "A"], "are one name"),
        (["a/x", "A/y"], "are one name"),
        (["\u00e9", "e\u0301"], "are one name"),
    ],
)
def test_names_that_no_artifact_holds_are_refused(paths: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_manifest(Entry(path, "0" * 64, 1) for path in paths)


def test_names_that_artifacts_hold_pass() -> None:
    paths = [
        "model.safetensors",
        ".hidden",
        "0000/a",
        "a/manifest.json",
        "x" * 255,
        "文/é",
        "a b",
        "a/b/c",
        "a/d",
        "-x",
    ]
    assert len(make_manifest(Entry(path, "0" * 64, 1) for path in paths).entries) == len(paths)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "A" * 64, "\u0660" * 64, "0" * 64 + "\n"])
def test_a_digest_is_64_hex_digits(sha256: str) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        make_manifest([Entry("a", sha256, 1)])


@pytest.mark.parametrize("size", [-1, 1 << 54])
def test_a_size_is_one_that_a_file_can_have(size: int) -> None:
    with pytest.raises(ValueError, match="no size"):
        make_manifest([Entry("a", "0" * 64, size)])


def test_there_is_a_limit_to_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.store.manifest.MAX_ENTRIES", 2)
    with pytest.raises(ValueError, match="3 files; expected 2"):
        make_manifest(Entry(path, "0" * 64, 1) for path in "abc")


def test_a_gather_holds_the_shards_that_its_action_names() -> None:
    shard = make_manifest([Entry("x", "0" * 64, 1)])
    whole = make_manifest([Entry("0000/x", "0" * 64, 1), Entry("figures.json", "1" * 64, 1)])
    inputs = {"0000": shard.tree_digest, "0001": make_manifest([]).tree_digest}
    assert shard_fault(whole, inputs) is None
    assert "shard 0000, of which" in str(shard_fault(whole, {}))
    assert "shard 0000 is not" in str(shard_fault(whole, {"0000": "0" * 64}))
    assert "shard 0001 is not" in str(shard_fault(whole, {**inputs, "0001": shard.tree_digest}))


def test_a_path_stands_once() -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        make_manifest([Entry("a", "0" * 64, 1), Entry("a", "1" * 64, 1)])


@pytest.mark.parametrize("kind", ["file", "folder", "dangling"])
def test_links_are_refused(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "elsewhere", {"x": "1"})
    folder = write(tmp_path / "out", {"plain": "1"})
    target = {"file": "elsewhere/x", "folder": "elsewhere", "dangling": "nowhere"}[kind]
    (folder / "link").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match="plain files only"):
        files_below(folder)


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="plain files only"):
        scan(tmp_path)


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"[]", b"{}", b'{"files": [{"path": "a"}]}', b'{"files": 1}', b"[" * 99_999]
)
def test_what_is_no_manifest_reads_as_none(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "manifest.json").write_bytes(data)
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "absent") is None
