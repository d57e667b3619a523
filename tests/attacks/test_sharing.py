"""What lies in a store or a workspace that several people write to: links, stray files, closed folders, odd host names."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.stores import KEY, collected, silent

from domainlm.builder.requested import is_requested, write_requested
from domainlm.store.canonical import sha256_of
from domainlm.store.integrity import objects_of
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.objects import expected_mtime_ns
from domainlm.store.records import check_records
from domainlm.store.roots import (
    read_pins,
    register_workspace,
    workspace_file,
)
from domainlm.store.sharing import FOLDERS, StoreRefused, check_folders, naming_refusals
from domainlm.store.staging import replace_file, staged_path, write_whole
from domainlm.store.trees import read_code, write_code


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no build has a business in, with one file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("untouched")
    return tmp_path / "outside"


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
