"""What lies in a store or a workspace that several people write to: links, torn notes, closed folders, odd host names."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack

from domainlm.builder.hollow import is_hollow, marker_path
from domainlm.builder.inputs import own_stamp
from domainlm.builder.origins import note_path, read_origin
from domainlm.builder.requested import is_requested, write_requested
from domainlm.contract import StageError
from domainlm.explain.former import read_builds
from domainlm.explain.plan import read_history as read_domain_history
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, read_installed_note, read_stamp
from domainlm.pipeline.stamps import write_stamps
from domainlm.sources.fetch import declared_digests
from domainlm.sources.index import INDEX_FILE, LocalIndex
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.collect import Limits, collect
from domainlm.store.install import read_record
from domainlm.store.integrity import objects_of
from domainlm.store.inventory import read_history
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.objects import expected_mtime_ns
from domainlm.store.records import check_records
from domainlm.store.roots import (
    Pin,
    find_workspaces,
    read_pins,
    register_workspace,
    remove_pin,
    workspace_file,
    write_pin,
)
from domainlm.store.sharing import FOLDERS, StoreRefused, check_folders, naming_refusals
from domainlm.store.staging import replace_file, staged_path, write_whole
from domainlm.store.trees import read_code, read_tree, write_code, write_tree
from domainlm.upkeep.workspace_needs import CollectionError, find_roots

KEY = "a" * 64
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


def silent(_: str) -> None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store(tmp_path / "store")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no build has a business in, with one file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("untouched")
    return tmp_path / "outside"


def collected(store: Store, project: Path) -> None:
    collect(store, lambda: find_roots(store, project), lambda action: [], Limits(0.0), False, silent)


@attack(
    "store",
    "closed folder (umask 077)",
    "a store whose folders another user has closed",
    "one line with the folder, its owner and mode, and the remedies; no search treats the folder as empty",
)
def test_a_closed_store_is_named(open_folder: Path, as_nobody: Callable[[Callable[[], Any]], Any]) -> None:
    (open_folder / "store/actions").mkdir(parents=True)
    (open_folder / "store/actions").chmod(0o700)

    def said() -> str:
        try:
            check_folders(open_folder / "store")
        except StoreRefused as error:
            return str(error)
        return ""

    assert "owner root, group root, mode 0700" in as_nobody(said)


@attack(
    "store",
    "symlink race on a temporary name",
    "a temporary name made beforehand as a link to a file elsewhere",
    "the link is replaced; nothing is written where it leads",
)
def test_a_temporary_name_that_is_a_link_is_not_written_through(store: Store, outside: Path) -> None:
    (store.root / "staged").symlink_to(outside / "kept")
    write_whole(store.root / "note", b"data", store.root / "staged")
    assert (store.root / "note").read_bytes() == b"data"
    assert not (store.root / "note").is_symlink()
    with staged_path(store.root, "x") as staged:
        pass
    front, number = staged.name.split(".", 1)[0].rsplit("-", 1)
    # the next name that this process takes
    link = staged.with_name(staged.name.replace(f"{front}-{number}.", f"{front}-{int(number) + 2}."))
    link.symlink_to(outside)
    with store.temporary("other"), store.temporary("x") as folder:
        assert folder == link
        (folder / "out").write_text("x")
        assert not folder.is_symlink()
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "untouched"


@attack(
    "store",
    "symlink at a final name",
    "a record, a note or an object that is a link to a file elsewhere",
    "a write replaces the link; the file that it leads to keeps its bytes",
)
def test_a_final_name_that_is_a_link_is_replaced(store: Store, outside: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for path in (workspace_file(store.root, workspace), store.root / "code/bb" / f"{'b' * 64}.json"):
        path.parent.mkdir(parents=True)
        path.symlink_to(outside / "kept")
    register_workspace(store.root, workspace)
    write_code(store.root, "b" * 64, {"file": {"name": "digest"}})
    (tmp_path / "link").symlink_to(outside / "kept")
    replace_file(tmp_path / "link", b"data")
    assert (outside / "kept").read_text() == "untouched"
    assert read_code(store.root, "b" * 64) == {"file": {"name": "digest"}}


@attack(
    "store",
    "symlink as an object",
    "an object that is a link to a file elsewhere with the right bytes",
    "what is installed is a plain file with these bytes, never the link",
)
def test_an_object_that_is_a_link_is_installed_as_a_file(store: Store, tmp_path: Path) -> None:
    sha256 = sha256_of(b"bytes")
    (tmp_path / "elsewhere").write_bytes(b"bytes")
    os.utime(tmp_path / "elsewhere", ns=(expected_mtime_ns(sha256),) * 2)
    store.objects.path(sha256).parent.mkdir(parents=True)
    store.objects.path(sha256).symlink_to(tmp_path / "elsewhere")
    store.objects.install(sha256, tmp_path / "workspace/file")
    assert not (tmp_path / "workspace/file").is_symlink()
    assert (tmp_path / "workspace/file").read_bytes() == b"bytes"


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "text"])
@attack(
    "store",
    "foreign file as a lease",
    "a lease that is a link, a link to nothing, a pipe or other text",
    "it is taken over after one heartbeat; nothing hangs, and no other file is quoted in a message or removed",
)
def test_a_lease_that_is_none_is_taken_over(
    store: Store, outside: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("domainlm.store.lease.HEARTBEAT_SECONDS", 0.3)
    store.leases.mkdir()
    path = store.leases / f"{KEY}.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "text":
        path.write_text('{"host": 1, "pid": 99999999999999999999, "start": []}')
    else:
        path.symlink_to(outside / ("kept" if kind == "link" else "nothing"))
    began = time.monotonic()
    with lease(store.leases, KEY, 20.0, silent):
        assert time.monotonic() - began < 10
        assert not path.is_symlink()
    assert (outside / "kept").read_text() == "untouched"


@pytest.mark.parametrize("name", [f"scratch/{KEY}", "tmp/old.x", "quarantine/old"])
@attack(
    "store",
    "symlink in a folder that is cleared",
    "a link to a folder elsewhere below scratch, tmp or quarantine",
    "a collection removes the link, but not its target; checkpoints are not written there",
)
def test_a_link_is_removed_not_what_it_leads_to(store: Store, outside: Path, name: str) -> None:
    link = store.root / name
    link.parent.mkdir()
    link.symlink_to(outside)
    if name.startswith("scratch"):
        (store.scratch(KEY) / "checkpoint").write_text("x")
        store.remove_scratch(KEY)
    else:
        long_ago = time.time() - 10 * 86_400
        os.utime(link, (long_ago, long_ago), follow_symlinks=False)
        collected(store, outside.parent)
    assert [path.name for path in outside.iterdir()] == ["kept"]


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


@pytest.mark.parametrize(
    "host",
    [
        "node",
        "node.example.org",
        "node-1.example.org",
        "10.0.0.1",
        "1234",
        "knöten",
        "a/b",
        "n" * 300,
        "[a-z]*",
        "..",
        "",
    ],
)
@attack(
    "workspace",
    "host names",
    "hosts whose names have dots, digits only, a slash, wildcards, other letters, or 300 characters; one begins with another's",
    "each recognises its own notes, temporary files and leases, and leaves those of the others untouched",
)
def test_odd_host_names(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    others = ["node.7.7.json", "node.example.org.7.7.json", "node.example.7.x.json", "1.2.3.4.5.6.json", "x.json"]
    for name in others:
        replace_file(tmp_path / ".domainlm/requested" / name, b'{"domain": "tiny", "artifacts": ["documents"]}')
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    # no process has this number
    dead = str(2**22 + 1)
    write_requested(tmp_path, "tiny", ["clean_shards"])
    [own] = [path for path in (tmp_path / ".domainlm/requested").iterdir() if path.name not in others]
    ended = own.with_name(".".join([*own.stem.split(".")[:-2], dead, "1", "json"]))
    ended.write_text("{}")
    write_requested(tmp_path, "tiny", ["clean_shards"])
    assert own.exists()
    assert not ended.exists()
    assert is_requested(tmp_path, "tiny", "clean_shards")
    with lease(store.leases, KEY, 1.0, silent), store.temporary(KEY[:16]) as folder:
        left = folder.with_name(".".join([*folder.name.split(".")[:-2], dead, "1"]))
        left.mkdir()
        store.append_history({"artifact": "x"})
        with store.temporary("other"):
            assert folder.exists()
            assert not left.exists()


@attack(
    "store",
    "stray files",
    "files of other programs in every folder of the store (.nfs*, .DS_Store, a text)",
    "builds, collections and checks ignore them and leave them in place, except in folders that are cleared",
)
def test_stray_files_are_passed_over(store: Store, tmp_path: Path) -> None:
    with store.temporary("x") as folder:
        (folder / "file").write_text("bytes")
        manifest = store.commit(folder)
    store.actions.put(KEY, manifest, {"key": KEY, "action": {}})
    stray = []
    for folder in (store.root, *(store.root / name for name in FOLDERS), store.root / "objects/ab"):
        folder.mkdir(exist_ok=True)
        stray += [folder / name for name in (".nfs0001", ".DS_Store", "notes.txt")]
    for path in stray:
        path.write_text("x")
    assert [item.sha256 for item in objects_of(store)] == [manifest.entries[0].sha256]
    check_records(store, lambda action: [])
    collected(store, tmp_path)
    assert read_pins(store.root) == ([], [])
    assert {path.parent.name for path in stray if not path.exists()} == {"quarantine"}


@attack(
    "store",
    "part of the store is another's",
    "tmp/, leases/ or objects/ of a shared store made by a colleague for themselves alone to write",
    "a build is refused with the folder, its owner and its mode; what can be read is read",
)
def test_a_folder_that_only_another_may_write(open_folder: Path, as_nobody: Callable[[Callable[[], Any]], Any]) -> None:
    root = open_folder / "store"
    store = Store(root)
    with store.temporary("x") as folder:
        (folder / "file").write_text("bytes")
        manifest = store.commit(folder)
    for name in ("tmp", "objects"):
        (root / name).chmod(0o755)
    root.chmod(0o777)

    def said() -> list[Any]:
        try:
            with naming_refusals(root), store.temporary("y"):
                pass
        except StoreRefused as error:
            return [str(error), store.has_all(manifest)]
        return []

    words, is_read = as_nobody(said)
    assert words.startswith(f"{root}/tmp in the store {root}")
    assert "owner root, group root, mode 0755" in words
    assert is_read


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
