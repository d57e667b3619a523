from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainlm.builder.hollow import mark_hollow
from domainlm.builder.outlook import Outlook, needed_stamps, predict
from domainlm.config.errors import ConfigurationError
from domainlm.store.install import install_hollow
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest
from domainlm.store.remote import Remote

DOCUMENTS = {"documents": {"min_charset_score": 0.6}}


class Records(Remote):
    """A remote that knows what a store knew."""

    # it has no place of its own, so nothing of the real one's is wanted
    def __init__(self, store: Store) -> None:
        self.found: dict[str, tuple[Manifest, dict[str, Any]]] = {}
        for path in store.root.glob("actions/*/*.json"):
            record = store.actions.get(path.stem)
            assert record is not None
            self.found[path.stem] = record

    def action(self, key: str, log: Any = None) -> tuple[Manifest, dict[str, Any]] | None:
        return self.found.get(key)


def store_of(project: Any) -> Store:
    return Store(project.path / ".dvc/domainlm-store")


def look(
    project: Any, artifact: str = "unique_shards", remote: Remote | None = None, **overrides: Any
) -> dict[tuple[str, str | None], Outlook]:
    found = predict(project.path, project.stamps(**overrides), artifact, store_of(project), remote)
    return {(outlook.stamp.artifact, outlook.stamp.shard): outlook for outlook in found}


def states(found: dict[tuple[str, str | None], Outlook]) -> dict[str, set[str]]:
    by_artifact: dict[str, set[str]] = {}
    for (artifact, _), outlook in found.items():
        words = f"{outlook.state} unless {' '.join(outlook.unless)}" if outlook.unless else outlook.state
        by_artifact.setdefault(artifact, set()).add(words)
    return by_artifact


def test_a_target_needs_what_it_is_made_from_and_nothing_else(text_project: Any) -> None:
    stamps = needed_stamps(text_project.stamps(), "unique_shards")
    assert [f"{s.artifact} {s.shard or ''}".strip() for s in stamps] == [
        "raw_corpus 0000",
        "raw_corpus 0001",
        "documents 0000",
        "documents 0001",
        "clean_shards 0000",
        "clean_shards 0001",
        "clean_shards",
        "unique_shards",
    ]


def test_nothing_built(text_project: Any) -> None:
    found = look(text_project)
    assert {outlook.state for outlook in found.values()} == {"build"}
    assert all(not outlook.unless and outlook.last is None for outlook in found.values())


def test_everything_built(built_text_project: Any) -> None:
    assert {outlook.state for outlook in look(built_text_project).values()} == {"up_to_date"}


def test_below_a_build_nothing_is_certain(built_text_project: Any) -> None:
    assert states(look(built_text_project, **DOCUMENTS)) == {
        "raw_corpus": {"up_to_date"},
        "documents": {"build"},
        "clean_shards": {"build unless documents"},
        "unique_shards": {"build unless documents"},
    }
    # its own knob changed too: whatever comes out above, it is built
    own = look(built_text_project, **DOCUMENTS, unique_shards={"threshold": 0.7})
    assert states(own)["unique_shards"] == {"build"}


def test_what_an_early_cutoff_would_bring_back_is_said(built_text_project: Any) -> None:
    other = {"unique_shards": {"threshold": 0.7}}
    built_text_project.build(**other)
    built_text_project.build()
    outlook = look(built_text_project, **DOCUMENTS, **other)["unique_shards", None]
    assert (outlook.state, outlook.unless, outlook.otherwise) == ("build", ("documents",), "restore")


def test_what_the_store_has_is_restored_and_what_is_below_is_known(built_text_project: Any) -> None:
    built_text_project.build(**DOCUMENTS)
    built_text_project.build()
    assert states(look(built_text_project, **DOCUMENTS)) == {
        "raw_corpus": {"up_to_date"},
        "documents": {"restore"},
        # another knob, the same text: the store's documents are those that are installed
        "clean_shards": {"up_to_date"},
        "unique_shards": {"up_to_date"},
    }
    shutil.rmtree(built_text_project.path / "artifacts/tiny/unique_shards")
    assert look(built_text_project)["unique_shards", None].state == "restore"


def test_only_the_changed_file_s_shard_is_built(built_text_project: Any) -> None:
    path = built_text_project.path / "corpus/0.txt"
    path.write_text(path.read_text() + "more words that were not there before.\n")
    found = look(built_text_project)
    changed = {shard for (artifact, shard), o in found.items() if artifact == "raw_corpus" and o.state == "build"}
    assert len(changed) == 1
    for (artifact, shard), outlook in found.items():
        if shard is not None and artifact != "raw_corpus":
            assert (outlook.state == "build") is (shard in changed)


@pytest.mark.parametrize("damage", ["removed", "overwritten", "manifest"])
def test_damage_is_restored_and_a_touch_is_nothing(built_text_project: Any, damage: str) -> None:
    folder = built_text_project.path / "artifacts/tiny/unique_shards"
    file = folder / "documents.parquet"
    os.utime(file)
    assert look(built_text_project)["unique_shards", None].state == "up_to_date"
    if damage == "removed":
        file.unlink()
    elif damage == "manifest":
        (folder / "manifest.json").unlink()
    else:
        size = file.stat().st_size
        file.unlink()
        file.write_bytes(b"?" * size)
    assert look(built_text_project)["unique_shards", None].state == "restore"


def test_a_damaged_object_is_no_object(built_text_project: Any) -> None:
    folder = built_text_project.path / "artifacts/tiny/unique_shards"
    # in place: the store's object is the same file
    file = folder / "documents.parquet"
    file.chmod(0o644)
    file.write_bytes(b"?" * file.stat().st_size)
    assert look(built_text_project)["unique_shards", None].state == "build"


def test_what_the_store_lost_may_lie_in_the_workspace(built_text_project: Any) -> None:
    shutil.rmtree(store_of(built_text_project).root / "objects")
    (built_text_project.path / "artifacts/tiny/unique_shards/more").write_text("of no manifest")
    assert look(built_text_project)["unique_shards", None].state == "restore"


def test_another_output_of_the_key_serves_where_the_first_is_gone(built_text_project: Any) -> None:
    store = store_of(built_text_project)
    shutil.rmtree(built_text_project.path / "artifacts/tiny/unique_shards")
    key = next(p.stem for p in store.root.glob("actions/*/*.json") if '"unique_shards"' in p.read_text())
    record = store.actions.get(key)
    assert record is not None
    (lost,) = {e.sha256 for e in record[0].entries if e.path == "documents.parquet"}
    store.objects.path(lost).unlink()
    assert look(built_text_project)["unique_shards", None].state == "build"
    store.actions.put(key, Manifest(tuple(e for e in record[0].entries if e.sha256 != lost)), record[1])
    assert look(built_text_project)["unique_shards", None].state == "restore"


def test_what_was_removed_stays_absent_until_a_job_reads_it(built_text_project: Any) -> None:
    """As Snakemake leaves it: what is made from it is up to date without its bytes."""
    shutil.rmtree(built_text_project.path / "artifacts/tiny/documents")
    assert states(look(built_text_project)) == {
        "raw_corpus": {"up_to_date"},
        "documents": {"not_needed"},
        "clean_shards": {"up_to_date"},
        "unique_shards": {"up_to_date"},
    }
    # its digest is noted in the workspace, so that nothing else has to know it
    shutil.rmtree(store_of(built_text_project).root)
    assert look(built_text_project)["documents", "0000"].state == "not_needed"
    assert look(built_text_project, clean_shards={"min_chars": 41})["documents", "0000"].state == "build"
    # whoever asks for it by name wants it
    assert {outlook.state for outlook in look(built_text_project, "documents").values()} >= {"build"}


def test_an_absent_artifact_that_is_built_may_come_out_the_same(built_text_project: Any) -> None:
    present = states(look(built_text_project, **DOCUMENTS))
    shutil.rmtree(built_text_project.path / "artifacts/tiny/documents")
    assert states(look(built_text_project, **DOCUMENTS)) == present


def test_an_absent_input_of_a_job_that_runs_for_another_input_is_made(built_text_project: Any) -> None:
    for name in ("documents", "raw_corpus/0001"):
        shutil.rmtree(built_text_project.path / "artifacts/tiny" / name)
    found = look(built_text_project)
    assert {outlook.state for outlook in found.values()} == {"not_needed", "up_to_date"}
    (built_text_project.path / "artifacts/tiny/raw_corpus/0000/inventory.jsonl").unlink()
    found = look(built_text_project)
    changed = {place: outlook.state for place, outlook in found.items() if outlook.state != "up_to_date"}
    # the gather of clean_shards runs after shard 0000 and reads shard 0001, which is there
    assert changed == {
        ("raw_corpus", "0000"): "restore",
        ("raw_corpus", "0001"): "not_needed",
        ("documents", "0000"): "restore",
        ("documents", "0001"): "not_needed",
    }


class TestRemote:
    def emptied(self, project: Any) -> Records:
        remote = Records(store_of(project))
        shutil.rmtree(project.path / "artifacts")
        shutil.rmtree(store_of(project).root)
        return remote

    def test_only_the_target_s_bytes_move(self, built_text_project: Any) -> None:
        remote = self.emptied(built_text_project)
        found = look(built_text_project, remote=remote)
        assert {outlook.state for outlook in found.values()} == {"fetch"}
        target = found.pop(("unique_shards", None))
        assert target.manifest is not None
        assert target.fetch_bytes == sum({e.sha256: e.size for e in target.manifest.entries}.values()) > 0
        assert not target.is_hollow
        assert all(o.is_hollow and o.fetch_bytes == 0 for o in found.values())

    def test_a_hollow_artifact_is_up_to_date_unless_it_is_asked_for(self, built_text_project: Any) -> None:
        remote = self.emptied(built_text_project)
        for outlook in look(built_text_project, remote=remote).values():
            assert outlook.manifest is not None
            key = next(key for key, (manifest, record) in remote.found.items() if record["action"] == outlook.action)
            install_hollow(built_text_project.path / outlook.stamp.folder, *remote.found[key])
            mark_hollow(built_text_project.path, outlook.stamp.folder, key)
        assert look(built_text_project, "unique_shards", remote)["clean_shards", None].state == "up_to_date"
        assert look(built_text_project, "unique_shards", remote)["unique_shards", None].state == "fetch"
        # no remote to fetch from: it is built
        assert look(built_text_project, "unique_shards")["unique_shards", None].state == "build"


def test_a_compared_domain_must_be_built(text_project: Any) -> None:
    compare = {"eval_results": {"compare": ["other"]}}
    with pytest.raises(ConfigurationError, match=r"names 'other'.*--config domain=other"):
        look(text_project, "eval_results", **compare)
    folder = text_project.path / "artifacts/other/eval_results"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(Manifest((Entry("a", "0" * 64, 1),)).to_bytes())
    assert look(text_project, "eval_results", **compare)["eval_results", None].inputs["compare:other"] is not None


def test_nothing_is_written(built_text_project: Any) -> None:
    # touched: build would give it its object's time back
    os.utime(built_text_project.path / "artifacts/tiny/unique_shards/documents.parquet")

    def files() -> dict[Path, tuple[int, int]]:
        found = {path: path.lstat() for path in sorted(built_text_project.path.rglob("*"))}
        return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}

    before = files()
    look(built_text_project)
    look(built_text_project, **DOCUMENTS)
    assert files() == before
