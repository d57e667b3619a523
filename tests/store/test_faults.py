"""Full disks, read-only stores, other owners, other file systems, power cuts: what the store does then."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of, sha256_of_file
from domainlm.store.install import adopt_installed, install, is_installed
from domainlm.store.lease import LeaseRefused, can_lease, lease
from domainlm.store.local import Store, append_line
from domainlm.store.manifest import Manifest
from domainlm.store.objects import expected_mtime_ns, is_untouched
from domainlm.store.space import explain_full_disk, free_bytes

SmallDisk = Callable[[int], Path]
AsNobody = Callable[[Callable[[], Any]], Any]


def filled(store: Store, files: dict[str, bytes]) -> Manifest:
    with store.temporary("test") as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return store.commit(folder)


def stored(store: Store) -> dict[str, Path]:
    return {path.parent.name + path.name: path for path in (store.root / "objects").glob("*/*")}


def assert_whole(store: Store) -> None:
    """Every object is what its name says, and nothing unfinished is left."""
    assert all(sha256_of_file(path) == name for name, path in stored(store).items())
    assert list((store.root / "tmp").iterdir()) == []


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


class TestFullDisk:
    def test_a_commit_that_finds_no_room_leaves_the_store_whole(self, small_disk: SmallDisk) -> None:
        store = Store(small_disk(400) / "store")
        kept = filled(store, {"a": b"kept"})
        action = {"artifact": "thing"}
        store.actions.put(action_key(action), kept, {"key": action_key(action), "action": action})
        with pytest.raises(OSError, match="No space"):
            filled(store, {"a": b"x" * 100_000, "b": b"y" * 400_000})
        assert_whole(store)
        assert store.actions.get(action_key(action)) is not None
        # a smaller one fits
        assert store.has_all(filled(store, {"a": b"x" * 100_000}))

    def test_an_install_that_finds_no_room_leaves_no_artifact(self, small_disk: SmallDisk, tmp_path: Path) -> None:
        store = Store(tmp_path / "store")
        manifest = filled(store, {"a": b"1" * 50_000, "b": b"2" * 100_000})
        folder = small_disk(120) / "artifact"
        with pytest.raises(OSError, match="No space"):
            install(folder, manifest, {}, store.objects)
        assert [path.name for path in folder.iterdir()] == ["a"]
        subprocess.run(["mount", "-o", "remount,size=400k", str(folder.parent)], check=True)
        assert install(folder, manifest, {}, store.objects).copied_bytes == 150_000
        assert is_installed(folder, manifest)

    def test_adopting_without_room_leaves_nothing(self, small_disk: SmallDisk, tmp_path: Path) -> None:
        first, second = Store(tmp_path / "store"), Store(small_disk(60) / "store")
        manifest = filled(first, {"a": b"1" * 90_000})
        install(tmp_path / "art", manifest, {}, first.objects)
        with pytest.raises(OSError, match="No space"):
            adopt_installed(tmp_path / "art", manifest, second.objects)
        assert_whole(second)

    def test_a_record_without_room_is_none(self, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
        store = Store(small_disk(200) / "store")
        manifest = filled(store, {"a": b"1"})
        (store.root / "filler").write_bytes(b"0" * max(0, free_bytes(store.root) - 4096))
        with pytest.raises(OSError, match="No space"):
            store.actions.put("k" * 64, manifest, {"key": "k" * 20_000})
        assert store.actions.get("k" * 64) is None
        assert list((store.root / "actions").glob("*/*")) == []
        assert_whole(store)

    def test_a_cut_line_takes_no_other_with_it(self, tmp_path: Path) -> None:
        path = tmp_path / "lines"
        append_line(path, {"n": 1})
        with path.open("a") as file:
            file.write('{"n": 2, "cut')
        append_line(path, {"n": 3})
        assert path.read_text().splitlines() == ['{"n": 1}', '{"n": 2, "cut', '{"n": 3}']

    @pytest.mark.parametrize(
        ("error", "is_full"),
        [
            (OSError(errno.ENOSPC, "No space left on device"), True),
            (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
            (RuntimeError("I/O error: No space left on device (os error 28)"), True),
            (OSError("[Errno 28] Error writing bytes to file"), True),
            (OSError(errno.EIO, "Input/output error"), False),
            (RuntimeError("file write failed"), False),
        ],
    )
    def test_the_cause_is_recognised(self, tmp_path: Path, error: Exception, is_full: bool) -> None:
        words = explain_full_disk(error, [tmp_path], False)
        assert (words is not None) == is_full
        wrapped = ValueError("in a stage")
        wrapped.__cause__ = error
        assert (explain_full_disk(wrapped, [tmp_path], False) is not None) == is_full

    def test_an_error_without_a_reason_is_judged_by_the_disk(self, small_disk: SmallDisk) -> None:
        disk = small_disk(400)
        error = RuntimeError("file write failed")
        assert explain_full_disk(error, [disk / "store" / "not yet there"], False) is None
        (disk / "filler").write_bytes(b"0" * 380_000)
        words = explain_full_disk(error, [disk / "store" / "not yet there"], False)
        assert words is not None
        assert f"bytes free on the file system {disk}" in words
        assert str(free_bytes(disk)) in words
        # one that gives another reason is believed
        assert explain_full_disk(error, [disk], True) is None


class TestReadOnly:
    def test_what_is_there_is_installed(self, small_disk: SmallDisk, tmp_path: Path) -> None:
        disk = small_disk(400)
        store = Store(disk / "store")
        manifest = filled(store, {"a": b"1" * 1000, "empty": b""})
        touched = store.objects.path(manifest.entries[0].sha256)
        os.utime(touched)
        remount(disk, "ro")
        assert store.has_all(manifest)
        with store.guard():
            done = install(tmp_path / "art", manifest, {}, store.objects)
        assert done.copied_bytes == 1000
        assert is_installed(tmp_path / "art", manifest)
        assert not can_lease(store.leases)
        remount(disk, "rw")
        assert can_lease(store.leases)

    def test_damage_there_counts_as_absent(self, small_disk: SmallDisk) -> None:
        disk = small_disk(400)
        store = Store(disk / "store")
        manifest = filled(store, {"a": b"1" * 1000})
        path = store.objects.path(manifest.entries[0].sha256)
        path.chmod(0o644)
        path.write_bytes(b"2" * 1000)
        remount(disk, "ro")
        assert not store.has_all(manifest)

    def test_a_lease_is_refused_with_the_store_s_name(self, small_disk: SmallDisk) -> None:
        disk = small_disk(400)
        remount(disk, "ro")
        for folder in (disk / "leases", disk / "deep/leases"):
            with (
                pytest.raises(LeaseRefused, match=f"{folder.parent} cannot be written"),
                lease(folder, "k", 1, lambda message: None),
            ):
                pass


class TestAnotherOwner:
    def test_files_are_copied_where_links_are_forbidden(self, open_folder: Path, as_nobody: AsNobody) -> None:
        store = Store(open_folder / "store")
        manifest = filled(store, {"a": b"1" * 1000, "empty": b""})
        own = open_folder / "own"
        own.mkdir()
        os.chown(own, 65534, 65534)

        def installed() -> list[Any]:
            with store.guard():
                done = install(own / "art", manifest, {}, store.objects)
            return [done.copied_bytes, is_installed(own / "art", manifest), can_lease(store.leases)]

        protected = Path("/proc/sys/fs/protected_hardlinks").read_text().strip() == "1"
        assert as_nobody(installed) == [1000 if protected else 0, True, False]
        assert (own / "art/a").stat().st_uid == (65534 if protected else 0)
        assert_whole(store)

    def test_another_s_installed_file_is_adopted_as_a_copy(self, open_folder: Path, as_nobody: AsNobody) -> None:
        # a workspace of root's that others may write to, and a store of nobody's
        first, second = Store(open_folder / "first"), Store(open_folder / "own/second")
        manifest = filled(first, {"a": b"1" * 1000})
        install(open_folder / "art", manifest, {}, first.objects)
        (open_folder / "art/a").chmod(0o666)
        (open_folder / "own").mkdir()
        os.chown(open_folder / "own", 65534, 65534)
        assert as_nobody(lambda: adopt_installed(open_folder / "art", manifest, second.objects)) == []
        copied = second.objects.path(manifest.entries[0].sha256)
        assert is_untouched(copied, manifest.entries[0].sha256, 1000)
        assert copied.stat().st_uid == 65534

    def test_a_touched_object_of_another_is_copied_with_its_right_time(
        self, open_folder: Path, as_nobody: AsNobody
    ) -> None:
        store = Store(open_folder / "store")
        manifest = filled(store, {"a": b"1" * 1000})
        path = store.objects.path(manifest.entries[0].sha256)
        path.chmod(0o666)
        os.utime(path, (1, 1))
        (open_folder / "own").mkdir()
        os.chown(open_folder / "own", 65534, 65534)

        def installed() -> bool:
            assert store.has_all(manifest)
            install(open_folder / "own/art", manifest, {}, store.objects)
            return is_installed(open_folder / "own/art", manifest)

        assert as_nobody(installed)
        assert path.stat().st_mtime == 1


def test_only_a_forbidden_link_is_replaced_by_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    manifest = filled(store, {"a": b"1"})

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fails)
    with pytest.raises(OSError, match="Input/output"):
        install(tmp_path / "art", manifest, {}, store.objects)
    assert list((tmp_path / "art").iterdir()) == []


def test_the_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        order.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        order.append((Path(target).parent.parent.name, os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    store = Store(tmp_path)
    store.actions.put("k" * 64, filled(store, {"a": b"1", "b": b"2"}), {})
    for position, (what, inode) in enumerate(order):
        if what in ("objects", "actions"):
            assert ("fsync", inode) in order[:position]
    assert [what for what, _ in order].count("objects") == 2
    assert "actions" in [what for what, _ in order]


def test_what_a_kill_leaves_of_an_adoption_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from domainlm.store import objects\n"
        "objects.Objects.put = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "objects.Objects(Path(sys.argv[1])).adopt(Path(sys.argv[2]), sys.argv[3])\n"
    )
    (tmp_path / "file").write_bytes(b"1")
    digest = sha256_of(b"1")
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(tmp_path / "file"), digest]
    assert subprocess.run(command, check=False).returncode == -9
    store = Store(tmp_path / "store")
    assert len(list((store.root / "tmp").iterdir())) == 1
    assert stored(store) == {}
    filled(store, {"b": b"2"})
    assert_whole(store)
    # the installed file whose link was swept is as it was
    assert (tmp_path / "file").read_bytes() == b"1"


def test_a_shard_of_another_configuration_ends_the_whole_one(tmp_path: Path) -> None:
    """Whole artifacts and their shards share files, so their manifests must not contradict each other."""
    store, folder = Store(tmp_path / "store"), tmp_path / "art"
    one, two, whole = (
        filled(store, {"x": b"1"}),
        filled(store, {"x": b"2"}),
        Manifest(tuple(sorted(
            type(entry)(f"{shard}/{entry.path}", entry.sha256, entry.size)
            for shard, part in (("0000", filled(store, {"x": b"1"})), ("0001", filled(store, {"x": b"3"})))
            for entry in part.entries
        ))),
    )  # fmt: skip
    install(folder, whole, {}, store.objects)
    install(folder / "0000", one, {}, store.objects)
    assert (folder / "manifest.json").exists()
    install(folder / "0000", two, {}, store.objects)
    assert not (folder / "manifest.json").exists()
    # and the other way round
    install(folder, whole, {}, store.objects)
    assert not (folder / "0000/manifest.json").exists()
    assert is_installed(folder, whole)
    assert expected_mtime_ns(one.entries[0].sha256) == (folder / "0000/x").stat().st_mtime_ns
