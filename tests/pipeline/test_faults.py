"""Faults through the real build: kills between any two file operations, full disks, read-only stores, late files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.checkout import tree_environment

from domainlm.builder.full_disk import FullDisk
from domainlm.builder.history import recorded_build
from domainlm.contract import Resources, StageError
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import read_stamp
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import is_installed
from domainlm.store.local import Store
from domainlm.store.manifest import read_manifest

SmallDisk = Callable[[int], Path]


def store_at(path: Path) -> Store:
    return Store(path / ".dvc/domainlm-store")


def manifests(project: Path) -> dict[str, bytes]:
    root = project / "artifacts"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("manifest.json"))}


def assert_nothing_partial(project: Path, store: Store) -> None:
    for path in (store.root / "objects").glob("*/*"):
        assert sha256_of_file(path) == path.parent.name + path.name
    for path in (store.root / "actions").glob("*/*"):
        manifest = json.loads(path.read_bytes())["manifest"]
        assert all(store.objects.path(entry["sha256"]).exists() for entry in manifest["files"])
    for path in (project / "artifacts").rglob("manifest.json"):
        found = read_manifest(path.parent)
        assert found is not None
        for entry in found.entries:
            assert sha256_of_file(path.parent / entry.path) == entry.sha256


def killed_at(number: int, root: Path, do: Callable[[], Any]) -> bool:
    """Run in a fork that kills itself before its n-th change of a file below `root`; whether it came to that."""
    changes = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "os.truncate"}
    pid = os.fork()
    if pid == 0:
        try:
            seen = 0

            def count(event: str, arguments: tuple[Any, ...]) -> None:
                nonlocal seen
                is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
                if (event in changes or is_written) and str(arguments[0]).startswith(str(root)):
                    seen += 1
                    if seen == number:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            do()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("what", ["built", "restored", "replaced", "adopted"])
def test_killed_between_any_two_file_operations(text_project: Any, what: str) -> None:
    project, store = text_project.path, store_at(text_project.path)
    one: dict[str, Any] = {"raw_corpus": {"shards": 1}}
    other: dict[str, Any] = {**one, "sources": {"x": {"licence": "MIT"}}}
    text_project.build("raw_corpus", **one)
    wanted = manifests(project)
    stamps = [stamp for stamp in text_project.stamps(**one) if stamp.artifact == "raw_corpus"]
    quiet = Resources(log=lambda message: None)

    def build() -> None:
        for stamp in stamps:
            recorded_build(project, stamp, quiet)

    def prepare() -> None:
        # the state before: nothing; only the store; another configuration installed; only what is installed
        if what in ("built", "adopted"):
            shutil.rmtree(store.root)
        if what in ("built", "restored"):
            shutil.rmtree(project / "artifacts")
        if what == "replaced":
            text_project.build("raw_corpus", **other)

    number = 0
    is_killed = True
    while is_killed:
        number += 1
        prepare()
        is_killed = killed_at(number, project, build)
        assert_nothing_partial(project, store)
        build()
        assert manifests(project) == wanted
    with store.temporary("next") as folder:
        assert list((store.root / "tmp").iterdir()) == [folder]
    assert number > 12


def test_eight_processes_that_ask_for_one_key_build_once(built_tree: Any) -> None:
    path = built_tree.artifact("unique_shards")
    key = json.loads((path / "action.json").read_text())["key"]
    before = (path / "manifest.json").read_bytes()
    store = store_at(built_tree.path)
    store.actions.path(key).unlink()
    shutil.rmtree(path)
    seen = len(built_tree.builds())
    command = [sys.executable, "-m", "domainlm", "build", "unique_shards", "--domain", "tiny"]
    environment = tree_environment(built_tree.path)
    processes = [
        subprocess.Popen(command, cwd=built_tree.path, env=environment, stderr=subprocess.DEVNULL) for _ in range(8)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 8
    outcomes = sorted(row["outcome"] for row in built_tree.builds()[seen:])
    assert len(outcomes) == 8
    assert outcomes.count("built") == 1
    assert set(outcomes) <= {"built", "restored", "up_to_date"}
    assert (path / "manifest.json").read_bytes() == before
    assert list(store.leases.glob("[0-9a-f]*.json")) == []


def test_a_full_disk_in_mid_stage(built_tree: Any, small_disk: SmallDisk) -> None:
    before = built_tree.digests()
    disk = small_disk(20_000)
    subprocess.run(["cp", "-a", str(built_tree.path / ".dvc/domainlm-store"), str(disk / "store")], check=True)
    store = Store(disk / "store")
    folder = built_tree.artifact("merged_model")
    manifest = read_manifest(folder)
    assert manifest is not None
    store.actions.path(json.loads((folder / "action.json").read_text())["key"]).unlink()
    weights = next(entry for entry in manifest.entries if entry.path == "model.safetensors")
    store.objects.path(weights.sha256).unlink()
    shutil.rmtree(folder)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    # the weights fit in part
    (disk / "filler").write_bytes(b"0" * (free - weights.size // 2))
    kept = {path: path.stat().st_mtime_ns for path in (disk / "store/objects").rglob("*") if path.is_file()}

    printed = built_tree.snakemake("merged_model", expect=1, DOMAINLM_STORE=str(disk / "store"))
    assert f"bytes free on the file system {disk}" in printed
    assert "run the same command again" in printed
    assert not (folder / "manifest.json").exists()
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
    assert_nothing_partial(built_tree.path, store)
    assert list((disk / "store/tmp").iterdir()) == []

    (disk / "filler").unlink()
    with built_tree.outcomes() as done:
        printed = built_tree.snakemake("merged_model", DOMAINLM_STORE=str(disk / "store"))
    assert done == {"built": {"merged_model"}}
    assert {**before} == built_tree.digests()
    # the workspace is on another file system: copies, which is said
    assert "were copied, not linked" in printed


def test_a_full_workspace(text_project: Any, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round: room in the store, none in the workspace."""
    disk = small_disk(3000)
    project = disk / "project"
    shutil.copytree(text_project.path, project)
    monkeypatch.setenv("DOMAINLM_STORE", str(text_project.path / "store"))
    moved = type(text_project)(project)
    stamps = [stamp for stamp in moved.stamps() if stamp.artifact == "raw_corpus"]
    (disk / "filler").write_bytes(b"0" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
    with pytest.raises(FullDisk, match=f"file system {disk}"):
        recorded_build(project, stamps[0], Resources(log=lambda message: None))
    assert_nothing_partial(project, Store(text_project.path / "store"))
    (disk / "filler").unlink()
    assert set(moved.build()) <= {"built", "restored"}


class TestReadOnlyStore:
    @pytest.fixture
    def project(self, built_text_project: Any, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Any:
        """All text stages in a store that cannot be written, nothing installed."""
        disk = small_disk(10_000)
        subprocess.run(["cp", "-a", f"{store_at(built_text_project.path).root}/.", str(disk)], check=True)
        shutil.rmtree(store_at(built_text_project.path).root)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        monkeypatch.setenv("DOMAINLM_STORE", str(disk))
        return built_text_project

    def test_hits_are_served_and_said_to_be_copies_once(self, project: Any) -> None:
        before = manifests(project.path)
        shutil.rmtree(project.path / "artifacts")
        said: list[str] = []
        stamps = project.stamps()
        for stamp in stamps:
            if stamp.artifact in ("raw_corpus", "documents", "clean_shards", "unique_shards"):
                outcome = recorded_build(project.path, stamp, Resources(log=said.append))
                assert outcome.outcome == "restored"
        assert manifests(project.path) == before
        assert len([line for line in said if "copied, not linked" in line]) == 1
        # a new run says it again
        shutil.rmtree(project.path / "artifacts")
        assert set(project.build()) == {"restored"}
        assert (project.path / ".domainlm/copies_said").exists()
        assert set(project.build()) == {"up_to_date"}

    def test_a_miss_names_the_store_and_the_way_out(self, project: Any, tmp_path: Path) -> None:
        store = os.environ["DOMAINLM_STORE"]
        with pytest.raises(StageError, match=rf"the store {store}.*cannot be written.*DOMAINLM_STORE"):
            project.build("raw_corpus", sources={"x": {"licence": "MIT"}})
        os.environ["DOMAINLM_STORE"] = str(tmp_path / "another")
        assert "built" in project.build("raw_corpus", sources={"x": {"licence": "MIT"}})

    def test_what_is_installed_stays_up_to_date(self, project: Any) -> None:
        actions = Path(os.environ["DOMAINLM_STORE"]) / "actions"
        subprocess.run(["mount", "-o", "remount,rw", str(actions.parent)], check=True)
        shutil.rmtree(actions)
        subprocess.run(["mount", "-o", "remount,ro", str(actions.parent)], check=True)
        # no record of it here, and none can be written
        assert set(project.build()) == {"up_to_date"}


def test_a_store_of_another_owner_is_read(
    open_folder: Path, built_text_project: Any, as_nobody: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["cp", "-a", f"{built_text_project.path}/.", str(open_folder / "project")], check=True)
    shutil.move(str(store_at(open_folder / "project").root), str(open_folder / "store"))
    shutil.rmtree(open_folder / "project/artifacts")
    subprocess.run(["chown", "-R", "nobody", str(open_folder / "project")], check=True)
    monkeypatch.setenv("DOMAINLM_STORE", str(open_folder / "store"))
    project = type(built_text_project)(open_folder / "project")
    before = manifests(built_text_project.path)
    assert set(as_nobody(project.build)) == {"restored"}
    assert manifests(project.path) == before
    file = project.path / "artifacts/tiny/unique_shards/stats.json"
    assert (file.stat().st_uid, file.stat().st_nlink) == (65534, 1)
    assert set(as_nobody(project.build)) == {"up_to_date"}
    with pytest.raises(AssertionError, match=r"StageError: .*the store .*cannot be written"):
        as_nobody(lambda: project.build("raw_corpus", sources={"x": {"licence": "MIT"}}))


class TestLateFiles:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("domainlm.builder.one_build.LATE_SECONDS", 1.5)
        monkeypatch.setattr("domainlm.store.late_files.LATE_SECONDS", 1.5)

    @pytest.mark.parametrize("late", ["manifest", "stamp"])
    def test_a_file_that_another_host_wrote_is_waited_for(self, built_text_project: Any, late: str) -> None:
        project = built_text_project.path
        stamp = project / stamp_path("tiny", "unique_shards")
        path = stamp if late == "stamp" else project / "artifacts/tiny/clean_shards/manifest.json"
        path.rename(path.with_name("hidden"))
        threading.Timer(0.5, lambda: path.with_name("hidden").rename(path)).start()
        began = time.monotonic()
        found = recorded_build(project, read_stamp(stamp), Resources(log=lambda message: None))
        assert found.outcome == "up_to_date"
        assert time.monotonic() - began >= 0.4

    def test_there_is_an_end_to_it(self, built_text_project: Any) -> None:
        project = built_text_project.path
        (project / "artifacts/tiny/clean_shards/manifest.json").unlink()
        began = time.monotonic()
        with pytest.raises(StageError, match="clean_shards of unique_shards is not built"):
            recorded_build(
                project, read_stamp(project / stamp_path("tiny", "unique_shards")), Resources(log=lambda message: None)
            )
        assert 1.4 < time.monotonic() - began < 4


@pytest.mark.parametrize("is_back", [False, True])
def test_an_input_that_changes_under_a_stage_is_noticed(
    built_text_project: Any, monkeypatch: pytest.MonkeyPatch, is_back: bool
) -> None:
    """Two runs of different configurations in one folder: no record says that one's output was made from the other's input.

    is_back: the input is itself again when the stage ends, as where a third run puts it back.
    """
    from domainlm.stages import unique_shards

    project = built_text_project.path
    stamp = next(s for s in built_text_project.stamps() if s.artifact == "unique_shards")
    store = store_at(project)
    key = json.loads((project / "artifacts/tiny/unique_shards/action.json").read_text())["key"]
    store.actions.path(key).unlink()
    shutil.rmtree(project / "artifacts/tiny/unique_shards")
    original = unique_shards.run

    def run(*arguments: Any) -> Any:
        done = original(*arguments)
        built_text_project.build("raw_corpus", "documents", "clean_shards", sources={"x": {"licence": "MIT"}})
        if is_back:
            built_text_project.build("raw_corpus", "documents", "clean_shards")
        return done

    monkeypatch.setattr(unique_shards, "run", run)
    with pytest.raises(StageError, match="input artifacts/tiny/clean_shards changed while unique_shards was built"):
        recorded_build(project, stamp, Resources(log=lambda message: None))
    assert store.actions.get(key) is None
    monkeypatch.setattr(unique_shards, "run", original)
    built_text_project.build()
    found = read_manifest(project / "artifacts/tiny/unique_shards")
    assert found is not None
    assert is_installed(project / "artifacts/tiny/unique_shards", found)


def test_a_build_whose_parent_ended_before_it_could_look_ends(built_tree: Any) -> None:
    """`exec python ... --parent $PPID`: what the shell saw counts, not what Python finds half a second later."""
    forgotten = built_tree.artifact("pt_adapter")
    key = json.loads((forgotten / "action.json").read_text())["key"]
    store_at(built_tree.path).actions.path(key).unlink()
    shutil.rmtree(forgotten)
    # the shell in the middle ends at once, so the build's parent is another one when it looks
    line = f"(exec {sys.executable} -m domainlm build pt_adapter --domain tiny --parent $PPID & echo $!) ; exit 0"
    done = subprocess.run(
        ["bash", "-c", f"bash -c '{line}'"],
        cwd=built_tree.path,
        env=tree_environment(built_tree.path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.strip().isdigit()
    assert not (forgotten / "manifest.json").exists()


def test_kills_at_random_instants(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "benchmarks/store/kill.py"), "25", "7"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["total"] == 25
