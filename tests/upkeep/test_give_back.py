from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainlm.builder.origins import note_origin
from domainlm.store.actions import Origin, action_key, make_action
from domainlm.store.install import install
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest
from domainlm.upkeep.give_back import GivenBack, give_back

ACTION = make_action("pt_adapter", "0" * 64, {}, {}, {})
KEY = action_key(ACTION)
RECORD = {"key": KEY, "action": ACTION, "built": {"python": "3.11"}}
FOLDER = "artifacts/tiny/pt_adapter"
FILES = {"a": "one", "b/c": "two"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def manifest(store: Store, tmp_path: Path) -> Manifest:
    """Two files, installed and recorded."""
    with store.temporary("test") as folder:
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        made = store.commit(folder)
    store.actions.put(KEY, made, RECORD)
    install(tmp_path / FOLDER, made, RECORD, store.objects)
    return made


def given(tmp_path: Path, store: Store) -> GivenBack:
    return give_back(tmp_path, [tmp_path / FOLDER], store)


def test_what_the_store_has_is_not_given_back(store: Store, manifest: Manifest, tmp_path: Path) -> None:
    assert given(tmp_path, store) == GivenBack()
    assert given(tmp_path, store).in_words() is None


def test_lost_objects_and_records_are_taken_from_what_is_installed(
    store: Store, manifest: Manifest, tmp_path: Path
) -> None:
    for entry in manifest.entries:
        store.objects.path(entry.sha256).unlink()
    store.actions.path(KEY).unlink()
    assert given(tmp_path, store) == GivenBack(2, 6, (FOLDER,))
    assert store.has_all(manifest)
    assert store.actions.get(KEY) == (manifest, RECORD)
    assert given(tmp_path, store) == GivenBack()


def test_a_damaged_file_stays_out_and_with_it_the_record(store: Store, manifest: Manifest, tmp_path: Path) -> None:
    for entry in manifest.entries:
        store.objects.path(entry.sha256).unlink()
    store.actions.path(KEY).unlink()
    file = tmp_path / FOLDER / "a"
    file.chmod(0o644)
    file.write_text("eno")
    assert given(tmp_path, store) == GivenBack(1, 3, ())
    assert store.actions.get(KEY) is None


@pytest.mark.parametrize("change", [{"key": "0" * 64}, {"action": {**ACTION, "code": "other"}}, {"action": {}}])
def test_a_record_that_is_not_of_its_key_is_not_given_back(
    store: Store, manifest: Manifest, tmp_path: Path, change: dict[str, object]
) -> None:
    store.actions.path(KEY).unlink()
    path = tmp_path / FOLDER / "action.json"
    path.unlink()
    path.write_text(json.dumps({**RECORD, **change}))
    assert given(tmp_path, store) == GivenBack()
    assert list((store.root / "actions").glob("*/*.json")) == []


def test_a_record_given_back_says_where_it_came_from(store: Store, manifest: Manifest, tmp_path: Path) -> None:
    store.actions.path(KEY).unlink()
    note_origin(tmp_path, FOLDER, KEY, Origin("s3://bucket", ""))
    assert given(tmp_path, store).records == (FOLDER,)
    found = store.actions.find(KEY)
    assert found is not None
    assert found.origin == Origin("s3://bucket", "")


def test_a_hollow_folder_gives_nothing(store: Store, manifest: Manifest, tmp_path: Path) -> None:
    for entry in manifest.entries:
        store.objects.path(entry.sha256).unlink()
        (tmp_path / FOLDER / entry.path).unlink()
    store.actions.path(KEY).unlink()
    assert given(tmp_path, store) == GivenBack()
