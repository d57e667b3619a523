from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.store.install import adopt_installed, install, install_hollow, is_installed, read_record
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest, read_manifest

Make = Callable[[dict[str, str]], Manifest]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def make(store: Store) -> Make:
    """make(files): put files into the store, return their manifest."""

    def committed(files: dict[str, str]) -> Manifest:
        with store.temporary("test") as folder:
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            return store.commit(folder)

    return committed


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("manifest.json", "action.json")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(files)}


def write_into(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def test_an_installed_artifact_shares_its_bytes_with_the_store(store: Store, make: Make, tmp_path: Path) -> None:
    manifest = make({"a": "1", "b/c": "2"})
    done = install(tmp_path / "art", manifest, {"key": "k"}, store.objects)
    assert (done.linked_files, done.copied_bytes) == (2, 0)
    assert contents(tmp_path / "art") == {"a": "1", "b/c": "2"}
    assert all(os.path.samefile(tmp_path / "art" / e.path, store.objects.path(e.sha256)) for e in manifest.entries)
    assert read_manifest(tmp_path / "art") == manifest
    assert json.loads((tmp_path / "art/action.json").read_text()) == {"key": "k"}
    assert is_installed(tmp_path / "art", manifest)


def test_the_manifest_is_not_a_link_into_the_store(store: Store, make: Make, tmp_path: Path) -> None:
    install(tmp_path / "art", make({"a": "1"}), {}, store.objects)
    assert (tmp_path / "art/manifest.json").stat().st_nlink == 1


@pytest.mark.parametrize(("digest", "is_record"), [("1" * 64, True), ([], False), (3, False), (None, False)])
def test_a_record_whose_inputs_have_no_digests_is_none(digest: object, is_record: bool, tmp_path: Path) -> None:
    action = {"artifact": "pt_tokens", "code": "c", "config": {}, "inputs": {"a": digest}, "distributions": {}}
    (tmp_path / "action.json").write_text(json.dumps({"key": "k", "action": action}))
    assert (read_record(tmp_path) is not None) == is_record


def test_installing_again_links_nothing(store: Store, make: Make, tmp_path: Path) -> None:
    manifest = make({"a": "1"})
    install(tmp_path / "art", manifest, {}, store.objects)
    assert install(tmp_path / "art", manifest, {}, store.objects).linked_files == 0


def test_another_version_takes_the_place_of_the_first(store: Store, make: Make, tmp_path: Path) -> None:
    first, second = make({"a": "1", "old/x": "2"}), make({"a": "3", "new/y": "4"})
    install(tmp_path / "art", first, {}, store.objects)
    install(tmp_path / "art", second, {}, store.objects)
    assert contents(tmp_path / "art") == {"a": "3", "new/y": "4"}
    assert not (tmp_path / "art/old").exists()
    assert is_installed(tmp_path / "art", second)
    assert not is_installed(tmp_path / "art", first)
    assert store.has_all(first)


@pytest.mark.parametrize("what", ["written", "same_size", "touched", "removed", "added", "link", "manifest"])
def test_every_disagreement_is_seen(store: Store, make: Make, tmp_path: Path, what: str) -> None:
    manifest = make({"a": "one", "b": "two"})
    folder = tmp_path / "art"
    install(folder, manifest, {}, store.objects)
    if what == "written":
        write_into(folder / "a", "changed")
    elif what == "same_size":
        write_into(folder / "a", "1ne")
    elif what == "touched":
        os.utime(folder / "a")
    elif what == "removed":
        (folder / "a").unlink()
    elif what == "added":
        (folder / "c").write_text("")
    elif what == "link":
        (folder / "c").symlink_to(folder)
    else:
        (folder / "manifest.json").write_text("{}")
    assert not is_installed(folder, manifest)
    if what not in ("written", "same_size"):
        assert store.has_all(manifest)
        install(folder, manifest, {}, store.objects)
        assert is_installed(folder, manifest)
        assert contents(folder) == {"a": "one", "b": "two"}


def test_a_damaged_file_is_healed_from_a_sound_object(store: Store, make: Make, tmp_path: Path) -> None:
    manifest = make({"a": "one"})
    install(tmp_path / "art", manifest, {}, store.objects)
    # a copy, as after a checkout: the store is not damaged with it
    (tmp_path / "art/a").unlink()
    (tmp_path / "art/a").write_text("1ne")
    assert adopt_installed(tmp_path / "art", manifest, store.objects) == []
    assert is_installed(tmp_path / "art", manifest)


def test_damage_that_reaches_the_store_is_reported(store: Store, make: Make, tmp_path: Path) -> None:
    manifest = make({"a": "one", "b": "two"})
    install(tmp_path / "art", manifest, {}, store.objects)
    write_into(tmp_path / "art/a", "1ne")
    assert adopt_installed(tmp_path / "art", manifest, store.objects) == ["a"]
    assert not store.has_all(manifest)


def test_an_empty_store_adopts_what_is_installed(store: Store, make: Make, tmp_path: Path) -> None:
    manifest = make({"a": "one", "b": "two"})
    install(tmp_path / "art", manifest, {}, store.objects)
    # a checkout that copied gives new times
    os.utime(tmp_path / "art/b")
    other = Store(tmp_path / "other")
    assert adopt_installed(tmp_path / "art", manifest, other.objects) == []
    assert other.has_all(manifest)
    assert is_installed(tmp_path / "art", manifest)
    assert os.path.samefile(tmp_path / "art/b", other.objects.path(manifest.entries[1].sha256))


def test_records_of_shards_belong_to_the_whole(store: Store, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "art"
    install(folder / "0000", make({"x": "1"}), {}, store.objects)
    install(folder / "0001", make({"x": "2"}), {}, store.objects)
    whole = make({"0000/x": "1", "0001/x": "2", "stats.json": "{}"})
    install(folder, whole, {}, store.objects)
    assert is_installed(folder, whole)
    assert (folder / "0001/manifest.json").exists()
    for stray in ("0002/manifest.json", "0001/other", "0001/deep/x"):
        (folder / stray).parent.mkdir(exist_ok=True)
        (folder / stray).write_text("")
        assert not is_installed(folder, whole)
        (folder / stray).unlink()
    fewer = make({"0000/x": "1", "stats.json": "{}"})
    assert not is_installed(folder, fewer)
    install(folder, fewer, {}, store.objects)
    assert sorted(path.name for path in folder.iterdir()) == ["0000", "action.json", "manifest.json", "stats.json"]


@pytest.mark.parametrize("is_hollow", [False, True])
def test_what_is_of_another_kind_makes_way(store: Store, make: Make, tmp_path: Path, is_hollow: bool) -> None:
    manifest, folder, outside = make({"a": "1", "b/c": "2", "d/e": "3"}), tmp_path / "art", tmp_path / "outside"
    (folder / "a/below").mkdir(parents=True)
    (folder / "a/below/x").write_text("x")
    (folder / "b").write_text("a file")
    outside.mkdir()
    (outside / "e").write_text("somebody's")
    (folder / "d").symlink_to(outside)
    if is_hollow:
        install_hollow(folder, manifest, {})
        assert contents(folder) == {}
    else:
        install(folder, manifest, {}, store.objects)
        assert contents(folder) == {"a": "1", "b/c": "2", "d/e": "3"}
        assert is_installed(folder, manifest)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("e", "somebody's")]
