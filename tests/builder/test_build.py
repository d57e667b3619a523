from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from material.projects import ONE_SHARD, write_project

from domainlm.builder.build import Outcome, build
from domainlm.builder.history import recorded_build
from domainlm.contract import Resources, StageError
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, read_stamp
from domainlm.store.actions import action_key
from domainlm.store.local import COLLECTION_LOCK, Store
from domainlm.store.manifest import read_manifest
from domainlm.store.roots import Workspaces, find_workspaces
from domainlm.workflow.prepare import prepare

Get = Callable[..., Stamp]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", {"a.txt": "a text", "b.txt": "b text"}, ONE_SHARD)


@pytest.fixture
def stamp(project: Path) -> Get:
    """stamp(artifact, shard, **overrides): the stamp of the configuration as it is now."""

    def get(artifact: str = "raw_corpus", shard: str | None = "0000", **overrides: Any) -> Stamp:
        return prepare(overrides, project).stamps[artifact, shard]

    return get


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts the runs of raw_corpus's shards."""
    from domainlm.stages import raw_corpus

    seen: list[str] = []
    original = raw_corpus.run_shard

    def counted(*arguments: Any) -> Any:
        seen.append("run")
        return original(*arguments)

    monkeypatch.setattr(raw_corpus, "run_shard", counted)
    return seen


def go(project: Path, stamp: Stamp) -> Outcome:
    return build(project, stamp, Resources(log=lambda message: None))


def folder(project: Path) -> Path:
    return project / "artifacts/tiny/raw_corpus/0000"


def store_of(project: Path) -> Store:
    return Store(project / ".dvc/domainlm-store")


def test_built_then_up_to_date(project: Path, stamp: Get, runs: list[str]) -> None:
    first = go(project, stamp())
    again = go(project, stamp())
    assert (first.outcome, again.outcome, len(runs)) == ("built", "up_to_date", 1)
    assert first.tree_digest == again.tree_digest
    rows = [json.loads(line) for line in (folder(project) / "inventory.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == ["a.txt", "b.txt"]


def test_action_json_says_what_it_was_made_from_and_where(project: Path, stamp: Get) -> None:
    outcome = go(project, stamp())
    record = json.loads((folder(project) / "action.json").read_text())
    assert record["key"] == outcome.key == action_key(record["action"])
    assert record["action"]["artifact"] == "raw_corpus_shard"
    assert record["built"]["python"]


def test_a_removed_artifact_is_restored(project: Path, stamp: Get, runs: list[str]) -> None:
    first = go(project, stamp())
    subprocess.run(["rm", "-rf", str(project / "artifacts")], check=True)
    assert go(project, stamp()).outcome == "restored"
    assert read_manifest(folder(project)) is not None
    assert (folder(project) / "inventory.jsonl").stat().st_nlink == 2
    assert (len(runs), first.tree_digest) == (1, go(project, stamp()).tree_digest)


def test_there_and_back_again_builds_nothing(project: Path, stamp: Get, runs: list[str]) -> None:
    other = {"sources": {"x": {"licence": "CC0"}}}
    outcomes = [go(project, stamp()), go(project, stamp(**other)), go(project, stamp()), go(project, stamp(**other))]
    assert [outcome.outcome for outcome in outcomes] == ["built", "built", "restored", "restored"]
    assert outcomes[1].why == "changed: config"
    assert outcomes[0].tree_digest != outcomes[1].tree_digest
    assert len(runs) == 2


@pytest.mark.parametrize("damage", ["touched", "removed", "added", "manifest", "action"])
def test_harmless_damage_is_healed_without_a_run(project: Path, stamp: Get, runs: list[str], damage: str) -> None:
    go(project, stamp())
    if damage == "touched":
        os.utime(folder(project) / "inventory.jsonl")
    elif damage == "removed":
        (folder(project) / "inventory.jsonl").unlink()
    elif damage == "added":
        (folder(project) / "more").write_text("x")
    else:
        (folder(project) / f"{damage}.json").write_text("{")
    assert go(project, stamp()).outcome == ("up_to_date" if damage == "touched" else "restored")
    assert go(project, stamp()).outcome == "up_to_date"
    assert [path.name for path in sorted(folder(project).iterdir())] == [
        "action.json",
        "inventory.jsonl",
        "manifest.json",
        "rejected.jsonl",
    ]
    assert len(runs) == 1


def test_bytes_that_were_overwritten_are_built_again(project: Path, stamp: Get, runs: list[str]) -> None:
    first = go(project, stamp())
    path = folder(project) / "inventory.jsonl"
    path.chmod(0o644)
    # in place, through the link into the store, of the same size
    path.write_bytes(b"x" * path.stat().st_size)
    assert go(project, stamp()).outcome == "built"
    assert go(project, stamp()).tree_digest == first.tree_digest
    assert b'"path": "a.txt"' in path.read_bytes()
    assert len(list((store_of(project).root / "quarantine").iterdir())) == 1


def test_dvc_s_link_to_overwritten_bytes_is_taken_and_the_build_says_so(
    project: Path, stamp: Get, runs: list[str]
) -> None:
    go(project, stamp())
    path = folder(project) / "inventory.jsonl"
    cached = project / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    os.link(path, cached)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    said: list[str] = []
    recorded_build(project, stamp(), Resources(log=said.append))
    assert not cached.exists()
    assert any(str(cached) in line and "dvc repro" in line for line in said)
    row = json.loads((project / ".domainlm/builds.jsonl").read_text().splitlines()[-1])
    assert row["outcome"] == "built"
    manifest = read_manifest(folder(project))
    assert manifest is not None
    assert row["quarantined"] == [manifest.entries[0].sha256]


def test_what_is_still_sound_of_a_damaged_artifact_is_used(project: Path, stamp: Get, runs: list[str]) -> None:
    first = go(project, stamp())
    path = folder(project) / "inventory.jsonl"
    # the workspace has a copy, as on another file system; the store's object is lost
    data = path.read_bytes()
    store_of(project).objects.path(first_digest(project)).unlink()
    path.unlink()
    path.write_bytes(data)
    (folder(project) / "manifest.json").unlink()
    assert go(project, stamp()).outcome == "restored"
    assert go(project, stamp()).tree_digest == first.tree_digest
    assert len(runs) == 1


def first_digest(project: Path) -> str:
    manifest = read_manifest(folder(project))
    assert manifest is not None
    return manifest.entries[0].sha256


@pytest.mark.parametrize("is_copied", [False, True])
def test_an_empty_store_learns_from_what_is_installed(
    project: Path, stamp: Get, runs: list[str], is_copied: bool
) -> None:
    go(project, stamp())
    subprocess.run(["rm", "-rf", str(store_of(project).root)], check=True)
    if is_copied:
        os.utime(folder(project) / "inventory.jsonl")
    assert go(project, stamp()).outcome == "up_to_date"
    other = {"sources": {"x": {"licence": "CC0"}}}
    assert [go(project, stamp(**other)).outcome, go(project, stamp()).outcome] == ["built", "restored"]


def test_a_lost_object_is_taken_from_the_installed_artifact(project: Path, stamp: Get, runs: list[str]) -> None:
    go(project, stamp())
    subprocess.run(["rm", "-rf", str(store_of(project).root / "objects")], check=True)
    (folder(project) / "action.json").unlink()
    assert go(project, stamp()).outcome == "restored"
    assert len(runs) == 1


def test_two_builders_of_one_key_build_once(project: Path, stamp: Get) -> None:
    wanted = stamp()
    code = (
        "import json, sys; from pathlib import Path; from domainlm.builder.build import build;"
        "from domainlm.pipeline.stamp import read_stamp; from domainlm.contract import Resources; project = Path(sys.argv[1]);"
        "print(build(project, read_stamp(project / sys.argv[2]), Resources(log=lambda m: None)).outcome)"
    )
    name = stamp_path("tiny", wanted.artifact, wanted.shard)

    def run(_: int) -> str:
        command = [sys.executable, "-c", code, str(project), name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        outcomes = sorted(pool.map(run, range(3)))
    assert outcomes.count("built") == 1
    assert set(outcomes) <= {"built", "restored", "up_to_date"}


def test_a_file_that_changed_since_it_was_listed_stops_the_build(project: Path, stamp: Get) -> None:
    wanted = stamp()
    (project / "corpus/a.txt").write_text("changed")
    with pytest.raises(
        StageError, match=r"source x: a\.txt has sha256 .* but the inventory lists .*run snakemake again"
    ):
        go(project, wanted)
    (project / "corpus/a.txt").unlink()
    with pytest.raises(StageError, match=r"source x: cannot read a\.txt: No such file"):
        go(project, wanted)
    assert not folder(project).exists()


def test_an_input_that_is_not_built_is_named(project: Path, stamp: Get) -> None:
    with pytest.raises(StageError, match=r"input artifacts/tiny/raw_corpus/0000 of documents is not built"):
        go(project, stamp("documents"))


def test_a_damaged_input_is_healed_or_named(project: Path, stamp: Get) -> None:
    go(project, stamp())
    path = folder(project) / "inventory.jsonl"
    sound = path.read_bytes()
    documents = stamp("documents")
    path.unlink()
    path.write_bytes(b"?" * len(sound))
    assert go(project, documents).outcome == "built"
    assert path.read_bytes() == sound
    other = stamp("documents", documents={"min_charset_score": 0.6})
    path.chmod(0o644)
    path.write_bytes(b"?" * len(sound))
    with pytest.raises(StageError, match=r"inventory\.jsonl differ from the manifest and the store has no sound copy"):
        go(project, other)


def test_a_file_too_many_in_an_input_is_not_read(project: Path, stamp: Get) -> None:
    go(project, stamp())
    for name in ("more.jsonl", "below/more.jsonl"):
        (folder(project) / name).parent.mkdir(exist_ok=True)
        (folder(project) / name).write_text("{}")
    assert go(project, stamp("documents")).outcome == "built"
    assert not list(folder(project).rglob("more.jsonl"))


def test_a_gather_is_its_shards_and_its_own_figures(project: Path, stamp: Get) -> None:
    go(project, stamp())
    whole = go(project, stamp(shard=None))
    manifest = read_manifest(project / "artifacts/tiny/raw_corpus")
    assert manifest is not None
    assert [entry.path for entry in manifest.entries] == ["0000/inventory.jsonl", "0000/rejected.jsonl", "stats.json"]
    assert whole.outcome == "built"
    assert go(project, stamp()).outcome == go(project, stamp(shard=None)).outcome == "up_to_date"


def test_packages_must_be_the_locked_ones(project: Path, stamp: Get) -> None:
    go(project, stamp())
    wrong = replace(stamp("documents"), distributions={"pyarrow": "0.0.1"})
    with pytest.raises(StageError, match=r"documents needs pyarrow 0\.0\.1 \(envs/\*\.lock\), but .* is installed"):
        go(project, wrong)
    absent = replace(stamp("documents"), distributions={"no-such-package": "1"})
    with pytest.raises(StageError, match="nothing is installed"):
        go(project, absent)


def test_nothing_partial_is_left_by_a_failure(
    project: Path, stamp: Get, monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    from domainlm.stages import raw_corpus

    def fails(inputs: Any, config: Any, out: Path, scratch: Path, resources: Any) -> Any:
        (out / "half").write_text("x")
        (scratch / "checkpoint").write_text("kept")
        raise StageError("no")

    original = raw_corpus.run_shard
    monkeypatch.setattr(raw_corpus, "run_shard", fails)
    with pytest.raises(StageError):
        go(project, stamp())
    assert not folder(project).exists()
    assert list((store_of(project).root / "tmp").iterdir()) == []
    assert [path.name for path in (store_of(project).root / "scratch").rglob("*") if path.is_file()] == ["checkpoint"]

    def resumed(inputs: Any, config: Any, out: Path, scratch: Path, resources: Any) -> Any:
        assert (scratch / "checkpoint").read_text() == "kept"
        return original(inputs, config, out, scratch, resources)

    monkeypatch.setattr(raw_corpus, "run_shard", resumed)
    assert go(project, stamp()).outcome == "built"
    assert list((store_of(project).root / "scratch").iterdir()) == []


def test_the_first_bytes_of_a_key_stay(project: Path, stamp: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.stages import raw_corpus

    first = go(project, stamp())
    record = store_of(project).actions.get(first.key)
    assert record is not None
    subprocess.run(["rm", "-rf", str(project / "artifacts")], check=True)
    # the record's object is lost, and the stage gives other bytes this time
    lost = store_of(project).objects.path(record[0].entries[0].sha256)
    lost.rename(lost.with_name("lost"))
    monkeypatch.setattr(raw_corpus, "KEPT", ["source"])
    second = go(project, stamp())
    assert second.outcome == "built"
    assert second.tree_digest != first.tree_digest
    assert go(project, stamp()).outcome == "up_to_date"
    assert store_of(project).actions.get(first.key) == record


class TestRecords:
    def rows(self, project: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (project / ".domainlm/builds.jsonl").read_text().splitlines()]

    def test_every_build_leaves_a_line(self, project: Path, stamp: Get) -> None:
        resources = Resources(threads=3, log=lambda message: None)
        recorded_build(project, stamp(), resources)
        recorded_build(project, stamp(), resources)
        other = stamp(sources={"x": {"licence": "CC0"}})
        (project / "corpus/a.txt").write_text("changed")
        with pytest.raises(StageError):
            recorded_build(project, other, resources)
        rows = self.rows(project)
        assert [row["outcome"] for row in rows] == ["built", "up_to_date", "failed"]
        assert rows[0].items() >= {"artifact": "raw_corpus", "shard": "0000", "domain": "tiny", "threads": 3}.items()
        assert {"key", "tree_digest", "seconds", "bytes", "peak_memory_mb", "device", "why", "time"} <= set(rows[0])
        assert rows[2]["why"].startswith("StageError: source x: a.txt has sha256")

    def test_only_builds_go_into_the_store_s_history(self, project: Path, stamp: Get) -> None:
        for _ in range(3):
            recorded_build(project, stamp(), Resources(log=lambda message: None))
        assert len(list((store_of(project).root / "history").iterdir())) == 1


def test_a_missing_stamp_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"does not exist; run snakemake, which writes it"):
        read_stamp(tmp_path / "stamp.json")


def test_a_build_registers_its_workspace(project: Path, stamp: Get) -> None:
    go(project, stamp())
    assert find_workspaces(store_of(project).root) == Workspaces((project,), ())


def test_a_record_s_time_is_when_it_was_last_installed(project: Path, stamp: Get) -> None:
    first = go(project, stamp())
    other = {"sources": {"x": {"licence": "CC0"}}}
    old = store_of(project).actions.path(first.key)
    os.utime(old, (0, 0))
    go(project, stamp())
    assert old.stat().st_mtime == 0
    second = go(project, stamp(**other))
    # it was in use until now
    assert old.stat().st_mtime > 0
    for path in (old, store_of(project).actions.path(second.key)):
        os.utime(path, (0, 0))
    assert go(project, stamp()).outcome == "restored"
    assert old.stat().st_mtime > 0


@pytest.mark.parametrize("way", ["built", "restored"])
def test_nothing_is_stored_or_installed_during_a_collection(project: Path, stamp: Get, way: str) -> None:
    wanted, store = stamp(), store_of(project)
    if way == "restored":
        go(project, wanted)
        subprocess.run(["rm", "-rf", str(project / "artifacts")], check=True)
    store.root.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool, (store.root / COLLECTION_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {path for path in (store.root / "objects").rglob("*") if path.is_file()}
        outcome = pool.submit(go, project, wanted)
        time.sleep(0.5)
        assert not outcome.done()
        assert not folder(project).exists()
        assert {path for path in (store.root / "objects").rglob("*") if path.is_file()} == before
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert outcome.result().outcome == way
