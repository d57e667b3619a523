"""A job that fails once hides no change: the same command, given again, builds what the files say.

Snakemake puts the former manifest of a failed job back, with a new time. Each way in which a job can fail is tried, at each kind
of stage, with each kind of change. The fault is planted in the engine, which is in no key. `make test` has the kill of a job, the
look during a build and the older run that ends last in tests/attacks/test_walk.py, compared with a build from nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.checkout import tree_environment

pytestmark = pytest.mark.long

PLANTED = """
def _planted(project, artifact, place):
    import os, signal
    from pathlib import Path
    fault = Path("fault")
    if fault.exists() and fault.read_text().split(" ", 2)[:2] == [artifact, place]:
        exec(fault.read_text().split(" ", 2)[2])


def build("""
WAYS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "told to end": "os.kill(os.getpid(), signal.SIGTERM)",
    "interrupted": "raise KeyboardInterrupt",
    "out of memory": "raise MemoryError",
    "full disk": "raise OSError(28, 'No space left on device')",
    "defect": "1 / 0",
    "gone": "os._exit(0)",
}


@pytest.fixture(scope="session")
def faulty_folder(
    shared_folder: Callable[..., Path],
    fresh_folder: Path,
    copy: Callable[[Path, Path], None],
    tree_type: Callable[[Path], Any],
) -> Path:
    """The tiny domain built up to pt_tokens, with an engine that fails where the file `fault` says so."""

    def make(folder: Path) -> None:
        copy(fresh_folder, folder)
        tree = tree_type(folder)
        tree.edit("domainlm/builder/build.py", "\ndef build(", PLANTED)
        tree.edit(
            "domainlm/builder/build.py",
            "        return _build(",
            '        _planted(project, stamp.artifact, "start")\n        return _build(',
        )
        tree.edit(
            "domainlm/store/install.py",
            "    _write(folder / MANIFEST_NAME, manifest.to_bytes())",
            "    from domainlm.builder.build import _planted\n"
            '    _planted(folder, action_record["action"]["artifact"], "install")\n'
            "    _write(folder / MANIFEST_NAME, manifest.to_bytes())",
        )
        tree.snakemake("pt_tokens")

    return shared_folder("faulty", make)


@pytest.fixture
def tree(
    faulty_folder: Path, tmp_path: Path, copy: Callable[[Path, Path], None], tree_type: Callable[[Path], Any]
) -> Any:
    copy(faulty_folder, tmp_path / "faulty")
    return tree_type(tmp_path / "faulty")


def knob(old: str, new: str) -> Callable[[Any], None]:
    return lambda tree: tree.edit("config/domains/tiny.yaml", old, new)


def code(module: str) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        path = tree.path / module
        path.write_text(path.read_text(encoding="utf-8") + "\n\nADDED = 1\n", encoding="utf-8")

    return change


def raw_file(tree: Any) -> None:
    (tree.path / "data/tiny/corpus/note0.txt").write_text("Another note, with words that were not there before.\n")


def is_as_asked(tree: Any, target: str) -> bool:
    plan = json.loads(tree.run("python", "-m", "domainlm", "plan", target, "--domain", "tiny", "--json"))
    return {row["state"] for row in plan["artifacts"]} == {"up_to_date"}


DOCUMENTS = knob("documents: {group_depth: 1}", "documents: {group_depth: 2}")
SPLIT = knob("max_train_tokens: 4000", "max_train_tokens: 2000")
CASES = [
    ("raw_corpus", "start", "killed", raw_file),
    ("raw_corpus_shard", "install", "killed", raw_file),
    ("documents", "start", "told to end", DOCUMENTS),
    ("documents_shard", "install", "out of memory", code("domainlm/text/reading/obo.py")),
    ("clean_shards", "start", "full disk", code("domainlm/text/cleaning/plain.py")),
    ("unique_shards", "start", "defect", knob("pt_tokens:", "unique_shards: {shingle_words: 4}\npt_tokens:")),
    ("corpus_split", "start", "gone", SPLIT),
    ("corpus_split", "install", "killed", SPLIT),
    ("pt_tokens", "start", "interrupted", knob("sequence_length: 64", "sequence_length: 48")),
]


@pytest.mark.parametrize(("artifact", "place", "way", "change"), CASES, ids=[" ".join(case[:3]) for case in CASES])
def test_a_job_that_failed_once_hides_no_change(
    tree: Any, artifact: str, place: str, way: str, change: Callable[[Any], None]
) -> None:
    target = "pt_tokens" if artifact == "corpus_split" else artifact.removesuffix("_shard")
    change(tree)
    (tree.path / "fault").write_text(f"{artifact} {place} {WAYS[way]}")
    # a job that ends with 0 and did nothing leaves the former manifest, which Snakemake takes for its work
    tree.snakemake(target, expect=0 if way == "gone" else 1)
    (tree.path / "fault").unlink()
    assert not is_as_asked(tree, target)
    tree.snakemake(target)
    assert is_as_asked(tree, target)


def test_a_training_job_that_was_killed_hides_no_change(tree: Any) -> None:
    tree.snakemake("pt_adapter")
    tree.edit("config/domains/tiny.yaml", "pt_adapter: {learning_rate: 0.02", "pt_adapter: {learning_rate: 0.01")
    (tree.path / "fault").write_text(f"pt_adapter install {WAYS['killed']}")
    tree.snakemake("pt_adapter", expect=1)
    (tree.path / "fault").unlink()
    tree.snakemake("pt_adapter")
    assert is_as_asked(tree, "pt_adapter")
    record = json.loads((tree.artifact("pt_adapter") / "action.json").read_bytes())
    assert record["action"]["config"]["section"]["learning_rate"] == 0.01


def wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.05)


def test_a_run_that_was_told_to_end_hides_no_change(tree: Any) -> None:
    """The other signals are steps of tests/walk."""
    SPLIT(tree)
    (tree.path / "fault").write_text("corpus_split start Path('begun').touch(); import time; time.sleep(5)")
    command = ["snakemake", "--cores", "1", "pt_tokens", "--config", "domain=tiny"]
    run = subprocess.Popen(command, cwd=tree.path, env=tree_environment(tree.path, {}), start_new_session=True)
    wait_for(tree.path / "begun")
    os.kill(run.pid, signal.SIGTERM)
    run.wait(timeout=120)
    (tree.path / "fault").unlink()
    tree.snakemake("pt_tokens")
    assert is_as_asked(tree, "pt_tokens")


def test_a_look_during_a_build_changes_nothing_of_it(tree: Any) -> None:
    """The knob that was looked at is built by the next plain command; the build in progress goes on with its own."""
    SPLIT(tree)
    (tree.path / "fault").write_text(
        "corpus_split start Path('begun').touch()\nwhile not Path('go').exists(): import time; time.sleep(0.05)"
    )
    command = ["snakemake", "--cores", "1", "pt_tokens", "--config", "domain=tiny"]
    run = subprocess.Popen(command, cwd=tree.path, env=tree_environment(tree.path, {}))
    wait_for(tree.path / "begun")
    tree.edit("config/domains/tiny.yaml", "sequence_length: 64", "sequence_length: 48")
    for look in ("-n", "--list-rules", "--summary", "--dag", "--lint"):
        tree.snakemake(
            "pt_tokens" if look in ("-n", "--summary", "--dag") else "", look, expect=1 if look == "--lint" else 0
        )
    tree.run("python", "-m", "domainlm", "plan", "pt_tokens", "--domain", "tiny")
    (tree.path / "go").touch()
    assert run.wait(timeout=120) == 0
    record = json.loads((tree.artifact("pt_tokens") / "action.json").read_bytes())
    assert record["action"]["config"]["section"]["sequence_length"] == 64
    (tree.path / "fault").unlink()
    tree.snakemake("pt_tokens")
    record = json.loads((tree.artifact("pt_tokens") / "action.json").read_bytes())
    assert record["action"]["config"]["section"]["sequence_length"] == 48
