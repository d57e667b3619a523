"""Notes of a store or a workspace that are torn, of another type, or under another name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.stores import KEY, collected

from domainlm.builder.hollow import is_hollow, marker_path
from domainlm.builder.inputs import own_stamp
from domainlm.builder.origins import note_path, read_origin
from domainlm.builder.requested import is_requested
from domainlm.contract import StageError
from domainlm.explain.former import read_builds
from domainlm.explain.plan import read_history as read_domain_history
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, read_installed_note, read_stamp
from domainlm.pipeline.stamps import write_stamps
from domainlm.sources.fetch import declared_digests
from domainlm.sources.index import INDEX_FILE, LocalIndex
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.install import read_record
from domainlm.store.inventory import read_history
from domainlm.store.local import Store
from domainlm.store.roots import (
    Pin,
    find_workspaces,
    read_pins,
    register_workspace,
    remove_pin,
    workspace_file,
    write_pin,
)
from domainlm.store.trees import read_code, read_tree, write_code, write_tree
from domainlm.upkeep.workspace_needs import CollectionError

PIN = Pin("release", "tiny", "documents", (KEY,), "/w", "2026-01-02T03:04:05Z")
TORN = (
    b"",
    b"{",
    b"[]",
    b"7",
    b'"text"',
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"path": 7}',
    b'{"path": "a\\u0000b"}',
)
torn = pytest.mark.parametrize("data", TORN, ids=range(len(TORN)))


@torn
@attack(
    "store",
    "torn note of a workspace",
    "a workspace's note that is empty, binary, of another JSON type, nested without end, or no path",
    "nothing is collected and the file is named; the workspace's next run writes it again",
)
def test_a_torn_note_of_a_workspace_stops_a_collection(store: Store, tmp_path: Path, data: bytes) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        register_workspace(store.root, tmp_path / name)
    file = workspace_file(store.root, tmp_path / "one")
    file.write_bytes(data)
    assert find_workspaces(store.root).torn == (file,)
    with pytest.raises(CollectionError, match=file.name):
        collected(store, tmp_path / "two")
    # its own note is known by its name
    collected(store, tmp_path / "one")
    register_workspace(store.root, tmp_path / "one")
    assert find_workspaces(store.root).there == (tmp_path / "one", tmp_path / "two")


@attack(
    "store",
    "note under another's name",
    "a workspace's note that names a folder other than its own",
    "it counts as torn: nothing that its workspace needs is collected",
)
def test_a_note_that_names_another_workspace_counts_as_torn(store: Store, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        register_workspace(store.root, tmp_path / name)
    one, two = (workspace_file(store.root, tmp_path / name) for name in ("one", "two"))
    shutil.copyfile(two, one)
    assert find_workspaces(store.root).torn == (one,)


@torn
@attack(
    "store",
    "torn pin",
    "a pin that is empty, binary, of another JSON type or without its fields",
    "nothing is collected, and the pin is named with the command that removes it; the other pins are listed",
)
def test_a_torn_pin_stops_a_collection(store: Store, tmp_path: Path, data: bytes) -> None:
    write_pin(store.root, PIN)
    file = store.root / "pins/other.json"
    file.write_bytes(data)
    assert read_pins(store.root) == ([PIN], [file])
    with pytest.raises(CollectionError, match="--unpin other"):
        collected(store, tmp_path)
    remove_pin(store.root, "other")
    collected(store, tmp_path)


@attack(
    "store",
    "wrong types in the history",
    "rows of the build history with other types, without fields, in binary, or nested without end",
    "they are skipped; costs come from the sound rows",
)
def test_wrong_rows_of_the_history_are_passed_over(store: Store) -> None:
    row = {"artifact": "documents", "domain": "tiny", "key": KEY, "shard": None, "seconds": 1.5, "device": "cpu"}
    row |= {"threads": 1, "peak_memory_mb": 100}
    store.append_history(row)
    shared, price = ("artifact", "domain", "shard", "seconds"), ("device", "threads", "peak_memory_mb")
    readers: list[tuple[tuple[str, ...], Callable[[], Any]]] = [
        ((*shared, "key"), lambda: read_history(store)),
        ((*shared, *price), lambda: read_domain_history(store, "tiny")),
    ]
    for names, read in readers:
        wrong: list[Any] = [{**row, name: value} for name in names for value in ([], {"a": 1}, True)]
        wrong += [{name: value for name, value in row.items() if name != "seconds"}, [row], "row"]
        for number, data in enumerate([*(json.dumps(value).encode() for value in wrong), *TORN]):
            (store.root / f"history/{number}.json").write_bytes(data)
        assert list(read()) == [row]


@torn
@attack(
    "store",
    "torn explanation",
    "a note of a former tree or of former code that is torn",
    "it is ignored, and the next build that has it writes it again",
)
def test_torn_trees_and_code_are_written_again(store: Store, data: bytes) -> None:
    from domainlm.store.manifest import make_manifest

    manifest, definitions = make_manifest([]), {"file": {"name": "digest"}}
    for _ in range(2):
        write_tree(store.root, manifest)
        write_code(store.root, "b" * 64, definitions)
        assert read_tree(store.root, manifest.tree_digest) == manifest
        assert read_code(store.root, "b" * 64) == definitions
        for folder, digest in (("trees", manifest.tree_digest), ("code", "b" * 64)):
            (store.root / folder / digest[:2] / f"{digest}.json").write_bytes(data)
        assert read_tree(store.root, manifest.tree_digest) is None
        assert read_code(store.root, "b" * 64) is None


@attack(
    "workspace",
    "binary or wrong lines in builds.jsonl",
    "lines that are binary, cut, of another type, or hold line ends of Unicode",
    "each is skipped alone; the other rows count",
)
def test_wrong_lines_of_builds_are_passed_over(tmp_path: Path) -> None:
    row = {"artifact": "documents", "domain": "tiny", "shard": None, "key": KEY, "tree_digest": KEY, "why": "a\u2028b"}
    row |= {"outcome": "built", "time": "2026-01-02T03:04:05Z"}
    sound = json.dumps(row, ensure_ascii=False).encode()
    wrong = [json.dumps({**row, name: 7}).encode() for name in row]
    wrong.append(json.dumps({name: value for name, value in row.items() if name != "key"}).encode())
    (tmp_path / ".domainlm").mkdir()
    lines = [sound, b"\xff\xfe", sound[:-5], *TORN, *wrong, sound]
    (tmp_path / ".domainlm/builds.jsonl").write_bytes(b"\n".join(lines))
    assert read_builds(tmp_path) == [row, row]


@torn
@attack(
    "workspace",
    "torn notes of a workspace",
    "an index of files, a hollow marker, a request, a stamp, a note of an install or of an origin, or an action record, torn",
    "each is ignored: files are read again, the artifact is checked again, and a stamp is written again",
)
def test_torn_notes_in_a_workspace_count_as_none(tmp_path: Path, data: bytes) -> None:
    folder = "artifacts/tiny/documents"
    for path in (
        tmp_path / INDEX_FILE,
        marker_path(tmp_path, folder),
        tmp_path / ".domainlm/requested/elsewhere.1.1.json",
        tmp_path / folder / "action.json",
        note_path(tmp_path, folder),
        tmp_path / ".domainlm/installed/tiny/documents",
        tmp_path / stamp_path("tiny", "documents"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "a.txt").write_text("a")
    assert LocalIndex(tmp_path).contents([]) == []
    assert not is_hollow(tmp_path, folder, KEY)
    assert not is_requested(tmp_path, "tiny", "documents")
    assert read_record(tmp_path / folder) is None
    assert read_origin(tmp_path, folder, KEY) is None
    stamp = Stamp("tiny", "documents", None, folder, {}, KEY, {}, {})
    assert read_installed_note(tmp_path, stamp) is None
    assert own_stamp(tmp_path, folder) is None
    with pytest.raises(StageError, match="is torn"):
        read_stamp(tmp_path / stamp_path("tiny", "documents"))
    write_stamps(tmp_path, [stamp])
    assert read_stamp(tmp_path / stamp_path("tiny", "documents")) == stamp


@torn
@attack(
    "store",
    "torn note of a download",
    "a note of what a hub revision holds that is torn",
    "it is ignored, and the revision is fetched again",
)
def test_a_torn_note_of_a_hub_revision_counts_as_none(store: Store, data: bytes) -> None:
    hub = {"source": "x", "repository": "a/b", "revision": "c" * 40, "patterns": ["*"]}
    action = {"artifact": "base_model", "config": {"files": [], "hub": hub}}
    file = store.root / "hub" / f"{sha256_of(canonical_json(['a/b', 'c' * 40, '*']))}.json"
    file.parent.mkdir()
    file.write_text(json.dumps([{"path": "model", "sha256": KEY, "size": 1}]))
    assert declared_digests(store, action) == [KEY]
    for wrong in (data, b'[{"path": "model"}]', b'[{"path": "model", "sha256": 1, "size": 1}]'):
        file.write_bytes(wrong)
        assert declared_digests(store, action) == []
