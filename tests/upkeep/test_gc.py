from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from domainlm.cli import application
from domainlm.store.actions import action_key, make_action
from domainlm.store.install import install
from domainlm.store.local import Store
from domainlm.store.roots import PinError, read_pins
from domainlm.upkeep.gc import collect_garbage, pin_artifact, print_report, size_of

Add = Callable[..., str]
Run = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def store(project: Path) -> Store:
    return Store(project / ".dvc/domainlm-store")


@pytest.fixture
def add(project: Path, store: Store) -> Add:
    """add(artifact, text, inputs, is_installed): record one file, made from the outputs of other keys; returns the key."""

    def record(
        artifact: str, text: str, inputs: dict[str, str] | None = None, is_installed: bool = True, **knobs: Any
    ) -> str:
        digests = {}
        for name, upstream in (inputs or {}).items():
            found = store.actions.get(upstream)
            assert found is not None
            digests[name] = found[0].tree_digest
        action = make_action(artifact, "c" * 64, knobs, digests, {})
        key = action_key(action)
        with store.temporary(key[:16]) as folder:
            (folder / "file").write_text(text)
            manifest = store.commit(folder)
        row = {"key": key, "action": action, "built": {}}
        store.actions.put(key, manifest, row)
        os.utime(store.actions.path(key), (time.time() - 100 * 86_400,) * 2)
        if is_installed:
            install(project / "artifacts/tiny" / artifact, manifest, row, store.objects)
        return key

    return record


@pytest.fixture
def run(project: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(application, ["gc", *arguments])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50G", 50 * 10**9), ("1.5 TB", 15 * 10**11), ("200m", 2 * 10**8), ("4096", 4096), ("3kB", 3000)],
)
def test_sizes(text: str, expected: int) -> None:
    assert size_of(text) == expected


@pytest.mark.parametrize("text", ["", "G", "-1G", "5 X", "1,5G"])
def test_wrong_sizes(text: str, run: Run) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        size_of(text)
    assert run(f"--max-size={text}").exit_code == 2


def test_a_pin_keeps_an_artifact_and_all_it_was_made_from(project: Path, store: Store, add: Add, run: Run) -> None:
    raw = add("documents", "text")
    tokens = add("sft_tokens", "tokens", {"documents": raw})
    adapter = add("sft_adapter", "weights", {"sft_tokens": tokens})
    other = add("sft_adapter", "other weights", {"sft_tokens": tokens}, is_installed=False, knob=1)
    assert run("--pin", "sft_adapter", "--name", "release-1", "--domain", "tiny").exit_code == 0
    [pin], _ = read_pins(store.root)
    assert (pin.domain, pin.artifact, pin.keys) == ("tiny", "sft_adapter", (adapter, tokens, raw))
    # the workspace goes on to something else
    for name, text in (("documents", "text 2"), ("sft_tokens", "tokens 2"), ("sft_adapter", "weights 2")):
        add(name, text, knob=2)
    assert [row["key"] for row in json.loads(run("--json").stdout)["removed"]] == [other]
    assert all(store.actions.get(key) is not None for key in pin.keys)
    assert run("--unpin", "release-1").exit_code == 0
    assert {row["key"] for row in json.loads(run("--json").stdout)["removed"]} == {adapter, tokens, raw}


def test_of_two_makers_of_one_input_the_installed_one_is_pinned(store: Store, add: Add, project: Path) -> None:
    first = add("documents", "same text", knob=1)
    add("documents", "same text", is_installed=False, knob=2)
    adapter = add("sft_adapter", "weights", {"documents": first})
    assert pin_artifact(project, "tiny", "sft_adapter", "x").keys == (adapter, first)


def test_what_is_not_built_or_not_in_the_store_is_not_pinned(store: Store, add: Add, project: Path) -> None:
    with pytest.raises(PinError, match="is not built here"):
        pin_artifact(project, "tiny", "documents", "x")
    store.actions.path(add("documents", "text")).unlink()
    with pytest.raises(PinError, match="domainlm build documents --domain tiny"):
        pin_artifact(project, "tiny", "documents", "x")
    assert read_pins(store.root) == ([], [])


def test_pins_are_listed(store: Store, add: Add, run: Run) -> None:
    key = add("documents", "text")
    run("--pin", "documents", "--name", "one", "--domain", "tiny")
    [listed] = json.loads(run("--list-pins", "--json").stdout)
    assert (listed["name"], listed["keys"]) == ("one", [key])
    assert "one" in run("--list-pins").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pin", "documents"],
        ["--name", "x"],
        ["--pin", "documents", "--name", "x", "--list-pins"],
        ["--unpin", "x", "--list-pins"],
        ["--unpin", "nothing"],
        ["--pin", "bild", "--name", "x"],
        ["--pin", "documents", "--name", "a/b", "--domain", "tiny"],
        ["--keep-days", "-1"],
    ],
)
def test_wrong_usage_exits_2_and_changes_nothing(arguments: list[str], add: Add, store: Store, run: Run) -> None:
    add("documents", "text")
    key = add("documents", "replaces it", knob=1)
    assert run(*arguments).exit_code == 2
    assert read_pins(store.root) == ([], [])
    assert len(list(store.root.glob("actions/*/*.json"))) == 2
    assert store.actions.get(key) is not None


def test_a_limit_that_cannot_be_reached_exits_1(add: Add, store: Store, run: Run) -> None:
    add("documents", "text")
    assert run("--max-size", "1").exit_code == 1
    assert len(list(store.root.glob("actions/*/*.json"))) == 1
    assert run("--max-size", "1G").exit_code == 0


def test_a_broken_lock_file_exits_3_and_takes_nothing(add: Add, store: Store, run: Run, project: Path) -> None:
    add("documents", "text", is_installed=False)
    (project / "dvc.lock").write_text("stages: [<<<<<<< HEAD")
    done = run()
    assert done.exit_code == 3
    assert "dvc.lock" in done.stderr
    assert len(list(store.root.glob("actions/*/*.json"))) == 1


def test_the_report_has_a_row_per_artifact_with_what_it_costs(add: Add, store: Store, project: Path) -> None:
    keys = [add("documents_shard", text, is_installed=False, knob=text) for text in ("one", "two")]
    keys.append(add("sft_adapter", "weights", is_installed=False))
    for key, artifact, shard, seconds in zip(
        keys, ("documents", "documents", "sft_adapter"), ("0000", "0001", None), (1.5, 1.5, 600.0), strict=True
    ):
        row = {"key": key, "artifact": artifact, "shard": shard, "domain": "tiny", "seconds": seconds}
        store.append_history(row)
    found = collect_garbage(project, 14.0, None, True, lambda line: None)
    text = io.StringIO()
    print_report(found, True, Console(file=text, width=140))
    lines = {line.split()[1]: line for line in text.getvalue().splitlines() if "tiny" in line}
    assert "3.0 s" in lines["documents"]
    assert "10 min" in lines["sft_adapter"]


def test_a_dry_run_leaves_no_trace(add: Add, store: Store, run: Run, project: Path) -> None:
    add("documents", "text", is_installed=False)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
    assert json.loads(run("--dry-run", "--json").stdout)["removed_bytes"] == 4
    after = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} <= {"collection.lock"}
    assert before.items() <= after.items()
