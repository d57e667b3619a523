from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domainlm.store.lease import LeaseTimeout, lease
from domainlm.store.local import Store
from domainlm.store.manifest import make_manifest
from domainlm.store.objects import expected_mtime_ns
from domainlm.store.roots import Pin, register_workspace, write_pin
from domainlm.store.sharing import (
    StoreRefused,
    check_folders,
    group_bits,
    make_folder,
    naming_refusals,
    open_lock,
    share,
    sharing_umask,
)
from domainlm.store.trees import write_code, write_tree

AsNobody = Callable[[Callable[[], Any]], Any]
KEY = "a" * 64


@pytest.fixture(params=[0o002, 0o022, 0o077], ids=["002", "022", "077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def fill(root: Path) -> Store:
    """A store in which every kind of file was written."""
    store = Store(root)
    with store.temporary("x") as folder, store.guard():
        (folder / "file").write_text("bytes")
        manifest = store.commit(folder)
    store.actions.put(KEY, manifest, {"key": KEY})
    write_tree(root, make_manifest([]))
    write_code(root, "b" * 64, {"file": {"name": "digest"}})
    store.append_history({"artifact": "x"})
    register_workspace(root, root.parent)
    write_pin(root, Pin("p", "d", "a", (KEY,), "/w", "2026-01-02T03:04:05Z"))
    store.scratch(KEY)
    return store


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("bits", [0o070, 0o050])
def test_in_a_store_with_the_setgid_bit_everything_has_the_root_s_group_bits(tmp_path: Path, bits: int) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o2700 | bits)
    store = fill(root)
    with lease(store.leases, "held", 1, lambda _: None):
        for path in root.rglob("*"):
            wanted = bits if path.is_dir() else bits & 0o060
            if path.parent.parent.name == "objects":
                wanted = 0o040
            assert mode_of(path) & wanted == wanted, (path, oct(mode_of(path)))
            assert not mode_of(path) & 0o002, path
            assert not path.is_dir() or mode_of(path) & stat.S_ISGID


def test_without_the_bit_the_umask_alone_decides(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o1777)
    former = os.umask(0o077)
    try:
        fill(root)
    finally:
        os.umask(former)
    found = {mode_of(path) & 0o077 for path in root.rglob("*") if path.parent.parent.name != "objects"}
    assert found == {0}


def test_the_root_itself_is_made_as_the_umask_says(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    former = os.umask(0o077)
    try:
        make_folder(tmp_path / "store", "objects", "ab")
    finally:
        os.umask(former)
    assert [mode_of(tmp_path / name) & 0o777 for name in ("store", "store/objects", "store/objects/ab")] == [0o700] * 3


def test_a_folder_that_two_make_at_once_is_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    barrier = threading.Barrier(8)

    def make(number: int) -> None:
        barrier.wait()
        (make_folder(tmp_path, "objects", "ab") / str(number)).touch()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((tmp_path / "objects/ab").iterdir())) == 8
    assert [path.name for path in (tmp_path / "objects").iterdir()] == ["ab"]


@pytest.mark.parametrize("mode", [0o700, 0o2770])
def test_a_lock_s_file_is_made_once_and_no_link_is_followed(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    descriptors = [open_lock(folder / "x.lock") for _ in range(2)]
    assert os.path.samestat(*map(os.fstat, descriptors))
    assert [path.name for path in folder.iterdir()] == ["x.lock"]
    for descriptor in descriptors:
        os.close(descriptor)
    (folder / "y.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        open_lock(folder / "y.lock")
    assert not (tmp_path / "victim").exists()


def test_the_umask_of_a_stage_is_put_back(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    former = os.umask(0o077)
    try:
        with sharing_umask(tmp_path):
            (tmp_path / "checkpoint").write_text("x")
            subprocess.run([sys.executable, "-c", f"open({str(tmp_path / 'child')!r}, 'w')"], check=True)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(former)
    assert [mode_of(tmp_path / name) for name in ("checkpoint", "child")] == [0o660] * 2


def test_what_is_not_ours_is_not_needed_to_be_shared(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    share(tmp_path / "x")
    assert group_bits(tmp_path) == 0


@pytest.mark.parametrize("name", ["", "actions", "leases", "quarantine", "tmp"])
def test_a_closed_folder_is_named_with_its_owner_its_mode_and_the_ways_out(
    open_folder: Path, as_nobody: AsNobody, name: str
) -> None:
    root = open_folder / "store"
    (root / "actions").mkdir(parents=True)
    (root / name).mkdir(exist_ok=True)
    (root / name).chmod(0o700)

    def said() -> str:
        try:
            check_folders(root)
        except StoreRefused as error:
            return str(error)
        return ""

    words = as_nobody(said)
    assert words.startswith(f"{root / name} in the store {root}" if name else f"the store {root}")
    for part in ("nobody", "owner root, group root, mode 0700", "chmod -R g+rwX", "DOMAINLM_STORE"):
        assert part in words


def test_a_closed_folder_above_the_store_is_named(open_folder: Path, as_nobody: AsNobody) -> None:
    root = open_folder / "closed/store"
    root.mkdir(parents=True)
    root.parent.chmod(0o700)

    def said() -> str:
        try:
            check_folders(root)
        except StoreRefused as error:
            return str(error)
        return ""

    assert as_nobody(said).startswith(f"{root.parent}, which leads to the store {root},")


@pytest.mark.parametrize("closed", [f"actions/{KEY[:2]}", f"actions/{KEY[:2]}/{KEY}.json", "trees/e3"])
def test_what_is_closed_further_down_is_named_where_it_is_met(
    open_folder: Path, as_nobody: AsNobody, closed: str
) -> None:
    root = open_folder / "store"
    fill(root)
    (root / "trees/e3").mkdir(exist_ok=True)
    (root / closed).chmod(0o600)

    def said() -> str:
        from domainlm.store.records import check_records

        try:
            with naming_refusals(root):
                check_records(Store(root), lambda action: [])
        except StoreRefused as error:
            return str(error)
        return ""

    words = as_nobody(said)
    assert words.startswith(f"{root / closed} in the store {root} may not be used by this user (nobody): owner root")
    assert list((root / "quarantine").iterdir() if (root / "quarantine").exists() else []) == []


def test_another_s_file_system_of_the_store_s_own_is_no_refusal(open_folder: Path, as_nobody: AsNobody) -> None:
    root = open_folder / "store"
    (root / "lost+found").mkdir(parents=True)
    (root / "lost+found").chmod(0o700)
    as_nobody(lambda: check_folders(root))


def test_a_refusal_elsewhere_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError) as found, naming_refusals(tmp_path / "store"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "elsewhere"))
    assert not isinstance(found.value, StoreRefused)


def test_another_s_lease_that_is_closed_is_waited_for_by_its_renewal(open_folder: Path, as_nobody: AsNobody) -> None:
    leases = open_folder / "leases"
    leases.mkdir()
    leases.chmod(0o777)
    (leases / "key.json").write_text("{}")
    (leases / "key.json").chmod(0o600)

    def waited() -> str:
        try:
            with lease(leases, "key", 0.3, lambda _: None):
                return "taken"
        except LeaseTimeout as error:
            return str(error)

    assert "another user" in as_nobody(waited)


def test_an_object_of_another_is_used_copied_and_left_as_it_is(open_folder: Path, as_nobody: AsNobody) -> None:
    root = open_folder / "store"
    store = fill(root)
    [path] = [path for path in (root / "objects").rglob("*") if path.is_file()]
    sha256 = path.parent.name + path.name
    root.chmod(0o2777)
    for folder in (path for path in root.rglob("*") if path.is_dir()):
        folder.chmod(0o2777)
    (open_folder / "work").mkdir()
    (open_folder / "work").chmod(0o777)

    def use() -> list[int]:
        store.actions.mark_used(KEY)
        assert store.objects.has(sha256, 5)
        return [store.objects.install(sha256, open_folder / "work/file")]

    assert as_nobody(use) == [5]
    # touched: its bytes count, and its time stays, being another's
    os.utime(path)
    assert as_nobody(use) == [5]
    assert path.stat().st_mtime_ns != expected_mtime_ns(sha256)
    # written to: out of service, by whoever finds it
    path.chmod(0o644)
    path.write_text("other")
    path.chmod(0o444)
    assert as_nobody(lambda: store.objects.has(sha256, 5)) is False
    assert not path.exists()
    assert len(list((root / "quarantine").iterdir())) == 1
