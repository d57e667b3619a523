"""The real `dvc exp` on the tiny domain: what experiments have in common is built once, wherever they run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
FILE = "domains/tiny/dvc.yaml"
DOMAIN = "config/domains/tiny.yaml"
METRICS = "artifacts/tiny/eval_report/metrics.json"


def history(tree: Any) -> list[dict[str, Any]]:
    """Every build that ran a stage, of whichever workspace, in order."""
    files = sorted((tree.path / ".dvc/domainlm-store/history").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


@pytest.fixture(scope="session")
def experiment_folder(
    shared_folder: Callable[..., Path],
    versioned_folder: Path,
    tree_type: Callable[[Path], Any],
    copy: Callable[..., None],
) -> Path:
    """The versioned tree, in which one experiment with another learning rate ran in DVC's temporary folder."""

    def make(folder: Path) -> None:
        copy(versioned_folder, folder)
        tree = tree_type(folder)
        # the default domain is not built here: with its dvc.yaml, commands that name no file fail on it
        (folder / "dvc.yaml").unlink()
        tree.commit("Only the tiny domain")
        rate = f"{DOMAIN}:sft_adapter.learning_rate=0.01"
        tree.run("dvc", "exp", "run", "--temp", "--name", "rate", "--set-param", rate, FILE)

    return shared_folder("experiment", make)


@pytest.fixture
def experiment(experiment_folder: Path, tree_type: Callable[[Path], Any]) -> Any:
    """To be read only."""
    return tree_type(experiment_folder)


def test_a_temporary_run_builds_what_its_knob_changes_and_leaves_the_workspace(
    experiment: Any, versioned_folder: Path, tree_type: Callable[[Path], Any]
) -> None:
    before = tree_type(versioned_folder)
    found = [row["artifact"] for row in history(experiment)[len(history(before)) :]]
    assert found == ["sft_adapter", "eval_results", "eval_report"]
    assert experiment.digests() == before.digests()
    assert experiment.run("git", "status", "--porcelain") == ""
    assert experiment.builds() == before.builds()


def test_exp_show_has_its_knob_and_its_metrics(experiment: Any) -> None:
    shown = json.loads(experiment.run("dvc", "exp", "show", "--json"))
    [baseline] = [row for row in shown if row["rev"] != "workspace"]
    [rate] = [row["revs"][0] for row in baseline["experiments"]]
    assert rate["name"] == "rate"
    rates = [row["data"]["params"][DOMAIN]["data"]["sft_adapter"]["learning_rate"] for row in (baseline, rate)]
    assert rates == [0.02, 0.01]
    losses = [row["data"]["metrics"][METRICS]["data"]["training"]["sft"]["loss_last"] for row in (baseline, rate)]
    assert losses[0] != losses[1]


def test_diffs_of_parameters_metrics_and_plots(experiment: Any, tmp_path: Path) -> None:
    changed = json.loads(experiment.run("dvc", "params", "diff", "--json", "HEAD", "rate"))
    assert changed == {DOMAIN: {"sft_adapter.learning_rate": {"old": 0.02, "new": 0.01, "diff": -0.01}}}
    metrics = json.loads(experiment.run("dvc", "metrics", "diff", "--json", "HEAD", "rate"))
    values = metrics[METRICS]["training.sft.loss_last"]
    assert values["old"] != values["new"]
    assert "training.pt.loss_last" not in metrics[METRICS]
    experiment.run("dvc", "plots", "diff", "HEAD", "rate", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
    # both curves, each with its own last loss
    for revision in ("old", "new"):
        assert str(values[revision])[:6] in page


def test_an_applied_experiment_is_what_was_run(
    experiment_folder: Path, tmp_path: Path, tree_type: Callable[[Path], Any], copy: Callable[..., None]
) -> None:
    copy(experiment_folder, tmp_path / "applied")
    tree = tree_type(tmp_path / "applied")
    before = tree.digests()
    tree.run("dvc", "exp", "apply", "rate")
    changed = {name for name, digest in tree.digests().items() if digest != before[name]}
    assert changed == {"sft_adapter", "eval_results", "eval_report"}
    with tree.outcomes() as done:
        tree.snakemake("sft_adapter")
    assert set(done) <= {"up_to_date"}


def test_a_queue_builds_what_its_experiments_share_once(fresh_tree: Any) -> None:
    fresh_tree.edit(DOMAIN, "raw_corpus: {", "raw_corpus: {shards: 1, ")
    knobs = fresh_tree.path / DOMAIN
    knobs.write_text(knobs.read_text(encoding="utf-8") + "clean_shards: {min_chars: 40}\n", encoding="utf-8")
    fresh_tree.run("python", "-m", "domainlm.workflow.dvc", "tiny")
    fresh_tree.commit("Tiny")
    queued = ("dvc", "exp", "run", "--queue", f"{FILE}:clean_shards", "--name")
    for chars in ("60", "80"):
        fresh_tree.run(*queued, f"chars{chars}", "-S", f"{DOMAIN}:clean_shards.min_chars={chars}")
    # the third is an edit of the code, which the workspace takes back before the queue runs
    code = "domainlm/text/cleaning/clean.py"
    kept = (fresh_tree.path / code).read_text(encoding="utf-8")
    (fresh_tree.path / code).write_text(f"{kept}\n\nEDITED = True\n", encoding="utf-8")
    fresh_tree.run(*queued, "code")
    (fresh_tree.path / code).write_text(kept, encoding="utf-8")
    fresh_tree.run("dvc", "exp", "run", "--run-all", "--jobs", "2")
    assert set(fresh_tree.run("dvc", "exp", "list", "--name-only").split()) == {"chars60", "chars80", "code"}
    rows = history(fresh_tree)
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys))
    whole = [row["artifact"] for row in rows if row["shard"] is None]
    assert sorted(whole) == ["clean_shards", "clean_shards", "clean_shards", "documents", "raw_corpus"]


def test_a_raw_file_that_git_does_not_track_is_not_left_out_in_silence(fresh_tree: Any) -> None:
    fresh_tree.commit("Tiny")
    new = "data/tiny/general/new.txt"
    (fresh_tree.path / new).write_text("Words that git does not know.\n", encoding="utf-8")
    command = ("dvc", "exp", "run", "--temp", f"{FILE}:raw_corpus")
    assert f"git add {new}" in fresh_tree.run(*command, expect=255)
    assert history(fresh_tree) == []
    fresh_tree.run(*command, "--copy-paths", new, "--name", "copied")
    [whole] = [row for row in history(fresh_tree) if row["shard"] is None]
    tracked = fresh_tree.run("git", "ls-files", "data/instruction", "data/tiny/[!m]*").splitlines()
    assert whole["stats"]["files"] == len(tracked) + 1
