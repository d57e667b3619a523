from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from material.projects import SOURCES, write_project

from domainlm.builder.hollow import mark_hollow
from domainlm.builder.one_build import Build
from domainlm.builder.run_stage import gathered
from domainlm.config.resolve import resolve
from domainlm.contract import Resources
from domainlm.pipeline.stamp import Stamp, action_of, note_installed, read_installed_note
from domainlm.pipeline.stamps import make_stamps
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import install
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import Manifest
from domainlm.store.objects import expected_mtime_ns
from domainlm.workflow.due import find_due, needed_folders, requested_artifacts

FETCHED = f"  f: {{role: corpus, fetch: {{package: p, version: '1', sha256: {'a' * 64}}}}}\n  m:"
SPLIT, DATASET = "artifacts/tiny/corpus_split", "artifacts/tiny/sft_dataset"


class Project:
    """A project whose artifacts are put into its store and its workspace as a build would, without running a stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(store_folder(path))

    def stamps(self, **overrides: object) -> dict[str, Stamp]:
        return {stamp.folder: stamp for stamp in make_stamps(self.path, resolve(self.path, overrides))}

    def key(self, stamp: Stamp) -> str:
        inputs = {name: sha256_of_file(self.path / folder / "manifest.json") for name, folder in stamp.inputs.items()}
        return action_key(action_of(stamp, inputs))

    def build(self, stamp: Stamp, text: str | None = None) -> Path:
        """Its one file. text: what the stage would have written."""
        inputs = {name: sha256_of_file(self.path / folder / "manifest.json") for name, folder in stamp.inputs.items()}
        action = action_of(stamp, inputs)
        key = action_key(action)
        build = Build(self.path, stamp, action, key, self.store, Resources())
        if stamp.is_gather:
            manifest = gathered(build, Manifest(()))
        else:
            with self.store.temporary("test") as folder:
                (folder / "file").write_text(text or f"{stamp.folder} {key}")
                manifest = self.store.commit(folder)
        record = {"key": key, "action": action, "built": {}}
        self.store.actions.put(key, manifest, record)
        install(self.path / stamp.folder, manifest, record, self.store.objects)
        note_installed(self.path, stamp, key, manifest.tree_digest)
        return self.path / stamp.folder / "file"

    def build_all(self, stamps: dict[str, Stamp], target: str = DATASET) -> None:
        needed = needed_folders(list(stamps.values()), [f"{target}/manifest.json"])
        for folder, stamp in stamps.items():
            if folder in needed:
                self.build(stamp)

    def due(self, target: str = DATASET, requested: tuple[str, ...] = (), **overrides: object) -> set[str]:
        stamps = list(self.stamps(**overrides).values())
        needed = needed_folders(stamps, [f"{target}/manifest.json"])
        return find_due(self.path, stamps, needed, set(requested), self.store)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str], Project]:
    def make(config: str = SOURCES) -> Project:
        return Project(write_project(tmp_path, {"a.txt": "a"}, config))

    return make


@pytest.fixture
def project(make_project: Callable[[str], Project]) -> Project:
    """Built up to sft_dataset."""
    project = make_project(SOURCES)
    project.build_all(project.stamps())
    return project


def test_what_was_built_as_asked_for_is_not_due(project: Project) -> None:
    assert project.due() == set()


@pytest.mark.parametrize(
    ("target", "artifact"),
    [
        (f"{DATASET}/manifest.json", "sft_dataset"),
        (f"./{DATASET}/manifest.json", "sft_dataset"),
        ("logs/tiny/sft_dataset.log", "sft_dataset"),
        ("logs/tiny/documents/0001.benchmark.tsv", "documents"),
        ("documents_shard", "documents"),
        ("all", "eval_report"),
    ],
)
def test_a_target_of_any_kind_needs_what_it_is_made_for(
    make_project: Callable[[str], Project], target: str, artifact: str
) -> None:
    stamps = list(make_project(SOURCES).stamps().values())
    assert needed_folders(stamps, [target]) == needed_folders(stamps, [artifact])


def test_nothing_installed_is_left_to_snakemake(make_project: Callable[[str], Project]) -> None:
    assert make_project(SOURCES).due() == set()


@pytest.mark.parametrize("seconds", [-86_400, 0, 86_400])
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_another_key_is_due_and_the_same_is_not_whatever_the_times(
    project: Project, seconds: int, whole_seconds: bool
) -> None:
    """A failed job's manifest is put back with a new time, a checkout's has an old one, a clock was ahead."""
    for path in (project.path / "artifacts").rglob("*.json"):
        moment = path.stat().st_mtime_ns + seconds * 1_000_000_000
        moment -= moment % 1_000_000_000 if whole_seconds else 0
        os.utime(path, ns=(moment, moment))
    assert project.due() == set()
    assert project.due(sft_dataset={"max_documents": 3}) == {DATASET}
    # the knob of something upstream: nobody knows yet what will come of it, so what follows is due as well
    assert project.due(corpus_split={"max_train_tokens": 7, "replay_share": 0.0}) == {SPLIT, DATASET}


def test_what_was_noted_as_installed_says_nothing_of_what_is_there(project: Project) -> None:
    other = project.stamps(sft_dataset={"max_documents": 3})[DATASET]
    project.build(other)
    # the note is of the other key, which is installed: a build of an older configuration that ended last
    assert project.due() == {DATASET}
    assert project.due(sft_dataset={"max_documents": 3}) == set()


def test_other_inputs_are_another_key(project: Project) -> None:
    split = project.stamps()[SPLIT]
    changed = project.stamps(corpus_split={"max_train_tokens": 7, "replay_share": 0.0})[SPLIT]
    project.build(changed)
    assert project.due() == {SPLIT}  # and sft_dataset is what the former corpus_split, back from the store, gave
    project.build(split)
    assert project.due() == set()


def test_a_value_that_was_built_before_is_known_before_its_rule_ran(project: Project) -> None:
    """Below what is restored nothing is due where it was made from just that."""
    project.build(project.stamps(corpus_split={"max_train_tokens": 7, "replay_share": 0.0})[SPLIT])
    shutil.rmtree(project.path / ".domainlm/installed")
    assert project.due() == {SPLIT}


@pytest.mark.parametrize("remembered", ["store", "note", "neither"])
def test_an_intermediate_that_was_removed_is_not_missed_while_its_digest_is_known(
    project: Project, remembered: str
) -> None:
    shutil.rmtree(project.path / SPLIT)
    if remembered != "store":
        shutil.rmtree(project.store.root / "actions")
    if remembered != "note":
        shutil.rmtree(project.path / ".domainlm/installed")
    assert project.due() == (set() if remembered != "neither" else {DATASET})
    # its own knob changed meanwhile
    assert project.due(corpus_split={"max_train_tokens": 7, "replay_share": 0.0}) == {DATASET}


@pytest.mark.parametrize(
    "damage", ["written", "removed", "extra", "manifest", "manifest type", "action", "action type"]
)
def test_damage_is_due_as_far_as_a_target_needs_it(project: Project, damage: str) -> None:
    folder = project.path / "artifacts/tiny/documents/0001"
    if damage == "written":
        (folder / "file").unlink()
        (folder / "file").write_text("other")
    elif damage == "removed":
        (folder / "file").unlink()
    elif damage == "extra":
        (folder / "more").write_text("")
    else:
        (folder / f"{damage.split()[0]}.json").write_text("[]" if damage.endswith("type") else "{")
    due = project.due()
    assert "artifacts/tiny/documents/0001" in due
    assert "artifacts/tiny/documents/0000" not in due
    assert project.due("artifacts/tiny/base_model") == set()


def test_touched_is_not_due_and_is_hashed_once(project: Project) -> None:
    file = project.path / SPLIT / "file"
    os.utime(file)
    touched = file.stat().st_mtime_ns
    stamps = list(project.stamps().values())
    assert find_due(project.path, stamps, {SPLIT}, set(), project.store, is_remembered=False) == set()
    assert file.stat().st_mtime_ns == touched
    assert project.due() == set()
    assert file.stat().st_mtime_ns == expected_mtime_ns(sha256_of_file(file))


def test_a_hollow_artifact_is_due_where_it_is_asked_for_by_name(project: Project) -> None:
    file = project.path / SPLIT / "file"
    file.unlink()
    mark_hollow(project.path, SPLIT, project.key(project.stamps()[SPLIT]))
    assert project.due() == set()
    assert project.due(requested=("corpus_split",)) == {SPLIT}


def test_a_fetched_file_that_was_written_to_makes_raw_corpus_due(make_project: Callable[[str], Project]) -> None:
    project = make_project(SOURCES.replace("  m:", FETCHED))
    project.build_all(project.stamps())
    fetched = project.store.objects.path("a" * 64)
    fetched.parent.mkdir(parents=True, exist_ok=True)
    fetched.write_text("x")
    os.utime(fetched, ns=(expected_mtime_ns("a" * 64),) * 2)
    assert project.due() == set()
    os.utime(fetched)
    assert project.due() == {f"artifacts/tiny/raw_corpus/{shard}" for shard in ("0000", "0001")}


@pytest.mark.parametrize("text", ["", "{", "[]", "0" * 64, '{"key": 1, "tree_digest": 2}', '{"key": "k"}'])
def test_a_note_that_says_nothing_counts_as_none(project: Project, text: str) -> None:
    for note in (project.path / ".domainlm/installed").rglob("*"):
        if note.is_file():
            note.write_text(text)
    assert read_installed_note(project.path, project.stamps()[SPLIT]) is None
    assert project.due() == set()


def test_targets_are_rules_or_files() -> None:
    assert requested_artifacts([]) == {"eval_report"}
    assert requested_artifacts(["all"]) == {"eval_report"}
    assert requested_artifacts(["artifacts/tiny/pt_adapter/manifest.json", "documents"]) == {"pt_adapter", "documents"}
    assert requested_artifacts(["artifacts/tiny/documents/0001/manifest.json"]) == set()
