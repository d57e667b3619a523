from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.store.actions import action_key, make_action
from domainlm.store.canonical import sha256_of
from domainlm.store.damage import projects_of, remove_from_dvc
from domainlm.store.install import install, is_installed
from domainlm.store.integrity import Hashed, VerifyRunning, hash_all, objects_of
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest
from domainlm.store.objects import expected_mtime_ns
from domainlm.store.records import check_records
from domainlm.store.roots import register_workspace

FILES = {"a": "one", "b/c": "two", "large": "x" * 3_000_000, "empty": ""}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def manifest(store: Store) -> Manifest:
    """Four files in the store, recorded."""
    with store.temporary("test") as folder:
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        made = store.commit(folder)
    action = make_action("thing", "0" * 64, {}, {}, {})
    store.actions.put(action_key(action), made, {"key": action_key(action), "action": action, "built": {}})
    return made


def run(store: Store, again: bool = False, progress: Callable[..., None] = lambda *_: None) -> Hashed:
    return hash_all(store, objects_of(store), "objects", 2, again, progress)


def flip(path: Path, place: int = 0, is_time_kept: bool = True) -> None:
    """Change one byte, in place, through whatever link; keep or change the modification time."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    if is_time_kept:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_sound_store_is_read_once_and_left_as_it_is(store: Store, manifest: Manifest) -> None:
    seen: list[tuple[int, int]] = []
    found = run(store, progress=lambda done, total, figures: seen.append((done, total)))
    assert (found.files, found.bytes, found.damaged) == (4, manifest.size, ())
    assert seen[-1] == (manifest.size, manifest.size)
    assert store.has_all(manifest)
    assert list((store.root / "verify").iterdir()) == []
    assert not (store.root / "quarantine").exists()


@pytest.mark.parametrize("is_time_kept", [True, False])
def test_one_byte_in_every_object_is_found(
    store: Store, manifest: Manifest, tmp_path: Path, is_time_kept: bool
) -> None:
    install(tmp_path / "art", manifest, {}, store.objects)
    entries = [entry for entry in manifest.entries if entry.size]
    for entry in entries:
        flip(store.objects.path(entry.sha256), entry.size // 2, is_time_kept)
    assert is_installed(tmp_path / "art", manifest) is is_time_kept
    found = run(store)
    assert {damaged.sha256 for damaged in found.damaged} == {entry.sha256 for entry in entries}
    for damaged in found.damaged:
        assert not store.objects.path(damaged.sha256).exists()
        assert damaged.kept is not None
        # its bytes stay, and every other name of it shows the damage by its time
        assert sha256_of(Path(damaged.kept).read_bytes()) in damaged.reason
        assert Path(damaged.kept).stat().st_mtime_ns != expected_mtime_ns(damaged.sha256)
    assert not is_installed(tmp_path / "art", manifest)
    assert run(store).damaged == ()


def test_touched_is_not_damaged(store: Store, manifest: Manifest) -> None:
    path = store.objects.path(manifest.entries[0].sha256)
    os.utime(path)
    assert run(store).damaged == ()
    assert path.exists()


def test_what_another_process_is_putting_in_is_left_alone(store: Store, manifest: Manifest) -> None:
    path = store.objects.path(manifest.entries[0].sha256)
    path.with_name(f"{path.name}.123").write_text("half")
    assert run(store).files == 4


def test_an_interrupted_run_goes_on_where_it_stopped(
    store: Store, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainlm.store.integrity.BATCH_FILES", 1)
    damaged = manifest.entries[-1]
    assert damaged.path == "large"
    flip(store.objects.path(damaged.sha256))

    def interrupt(done: int, total: int, figures: Any) -> None:
        if done > damaged.size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, progress=interrupt)
    notes = store.root / "verify/objects.jsonl"
    known = len(notes.read_text().splitlines())
    assert known >= 2
    # a kill in the middle of a line
    with notes.open("a") as file:
        file.write('["12')
    found = run(store)
    assert found.earlier_files == known
    assert found.files + known == 4
    # what the first run found, and could not say any more, is said by the second
    assert [row.sha256 for row in found.damaged] == [damaged.sha256]
    assert not notes.exists()
    flip(store.objects.path(manifest.entries[0].sha256))
    with pytest.raises(KeyboardInterrupt):
        run(store, progress=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(store, again=True).earlier_files == 0


def test_two_runs_at_once_do_not_share_their_notes(store: Store, manifest: Manifest) -> None:
    (store.root / "verify").mkdir()
    with (store.root / "verify/objects.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(VerifyRunning, match="another run verifies this now"):
            run(store)
    assert run(store).files == 4


def test_a_build_that_heals_meanwhile_is_not_undone(store: Store, manifest: Manifest, tmp_path: Path) -> None:
    path = store.objects.path(manifest.entries[0].sha256)
    sound = path.read_bytes()
    flip(path)
    healed = threading.Event()

    def heal() -> None:
        (tmp_path / "sound").write_bytes(sound)
        path.unlink()
        store.objects.put(tmp_path / "sound", manifest.entries[0].sha256)
        healed.set()

    # between the reading and the putting aside: at the guard
    guard = store.guard

    def guard_after_healing() -> Any:
        if not healed.is_set():
            heal()
        return guard()

    store.guard = guard_after_healing  # type: ignore[method-assign]
    found = hash_all(store, objects_of(store), "objects", 1, False, lambda *_: None)
    assert [damaged.kept for damaged in found.damaged] == [None]
    assert path.read_bytes() == sound


class TestLinks:
    def test_every_name_of_a_damaged_inode_is_found_and_dvc_s_taken(
        self, store: Store, manifest: Manifest, tmp_path: Path
    ) -> None:
        entry = manifest.entries[0]
        here, there = tmp_path / "here", tmp_path / "there"
        for project in (here, there):
            install(project / "artifacts/d/thing", manifest, {}, store.objects)
            register_workspace(store.root, project)
        cache = here / ".dvc/cache/files/md5/ab/cdef"
        cache.parent.mkdir(parents=True)
        os.link(store.objects.path(entry.sha256), cache)
        other = cache.with_name("other")
        other.write_text("sound")
        os.link(store.objects.path(entry.sha256), tmp_path / "unknown")
        flip(here / "artifacts/d/thing/a")
        kept = Path(str(run(store).damaged[0].kept))
        links = remove_from_dvc([kept], projects_of(store.root, here))[kept]
        assert links.installed == (str(here / "artifacts/d/thing/a"), str(there / "artifacts/d/thing/a"))
        assert links.dvc_cache == (str(cache),)
        assert links.unknown == 1
        assert not cache.exists()
        assert other.exists()


class TestRecords:
    def paths(self, store: Store) -> tuple[Path, Path]:
        (action,) = (store.root / "actions").glob("*/*.json")
        (tree,) = (store.root / "trees").glob("*/*.json")
        return action, tree

    def test_sound_records_say_who_names_what(self, store: Store, manifest: Manifest) -> None:
        store.objects.path(manifest.entries[0].sha256).unlink()
        found = check_records(store, lambda action: ["f" * 64])
        assert (found.actions, found.trees, found.wrong) == (1, 1, ())
        key = self.paths(store)[0].stem
        assert {sha256: named for sha256, named in found.named_by.items()} == {
            sha256: (f"thing {key[:12]}",) for sha256 in [*(e.sha256 for e in manifest.entries), "f" * 64]
        }
        assert [(row.artifact, row.objects, row.bytes) for row in found.missing] == [("thing", 1, 3)]

    @pytest.mark.parametrize("change", ["torn", "action", "key", "digest", "name", "alternative"])
    def test_a_record_that_is_not_its_name_s_is_put_aside(self, store: Store, manifest: Manifest, change: str) -> None:
        path, _ = self.paths(store)
        row = json.loads(path.read_bytes())
        if change == "action":
            row["action_record"]["action"]["config"] = {"x": 1}
        elif change == "key":
            row["action_record"]["key"] = "0" * 64
        elif change == "digest":
            row["manifest"]["files"][0]["sha256"] = "nothing"
        path.write_text(json.dumps(row) if change != "torn" else "{")
        if change in ("name", "alternative"):
            name = f"{'0' * 64}.json" if change == "name" else f"{path.stem}.alternative.{'0' * 16}.json"
            path = path.rename(path.with_name(name))
        (wrong,) = check_records(store, lambda action: []).wrong
        assert wrong.name == path.relative_to(store.root).as_posix()
        assert not path.exists()
        assert wrong.kept is not None
        assert Path(wrong.kept).exists()

    def test_a_tree_that_is_not_its_name_s_is_put_aside(self, store: Store, manifest: Manifest) -> None:
        flip(self.paths(store)[1])
        (wrong,) = check_records(store, lambda action: []).wrong
        assert wrong.name.startswith("trees/")
        assert not self.paths_of_trees(store)

    def paths_of_trees(self, store: Store) -> list[Path]:
        return list((store.root / "trees").glob("*/*.json"))
