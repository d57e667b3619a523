"""A killed run is continued by the same plain command, and leaves nothing running behind it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.checkout import tree_environment

from domainlm.store.lease import is_alive


def wait_for(condition: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return condition()


def forget(tree: Any, artifact: str) -> None:
    """Remove an artifact from workspace and action cache, as if it had never been built."""
    key = json.loads((tree.artifact(artifact) / "action.json").read_text(encoding="utf-8"))["key"]
    (tree.path / f".dvc/domainlm-store/actions/{key[:2]}/{key}.json").unlink()
    shutil.rmtree(tree.artifact(artifact))


def builder(tree: Any, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Holder of the lease, once training has begun."""

    def holder() -> Any:
        assert process.poll() is None
        leases = [path.read_text() for path in (tree.path / ".dvc/domainlm-store/leases").glob("[0-9a-f]*.json")]
        return json.loads(leases[0]) if leases and leases[0] else None

    found: dict[str, Any] = wait_for(holder, 60)
    return found


@pytest.mark.parametrize("whom", ["group", "snakemake"])
def test_a_killed_run_is_continued_by_the_plain_command(built_tree: Any, whom: str) -> None:
    before = built_tree.digests()
    forget(built_tree, "pt_adapter")
    process = subprocess.Popen(
        ["snakemake", "--cores", "1", "pt_adapter", "--config", "domain=tiny"],
        cwd=built_tree.path,
        env=tree_environment(built_tree.path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    holder = builder(built_tree, process)
    time.sleep(1)
    if whom == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    # the build ends with its parent, within two of its checks
    assert wait_for(lambda: not is_alive(holder["pid"], holder["start"]), 10)
    assert not (built_tree.artifact("pt_adapter") / "manifest.json").exists()
    with built_tree.outcomes() as done:
        built_tree.snakemake("pt_adapter")
    assert done["built"] == {"pt_adapter"}
    assert built_tree.digests() == before
    store = built_tree.path / ".dvc/domainlm-store"
    assert list((store / "tmp").iterdir()) == []
    assert list((store / "leases").glob("[0-9a-f]*.json")) == []


def test_a_kill_between_two_links_leaves_no_artifact(built_tree: Any, tmp_path: Path) -> None:
    before = built_tree.digests()
    folder = built_tree.artifact("corpus_split")
    # what an install killed in its middle leaves: some files, no manifest, a staged name
    (folder / "manifest.json").unlink()
    (folder / "train.parquet").rename(folder / ".train.parquet.12345")
    with built_tree.outcomes() as done:
        built_tree.snakemake("corpus_split")
    assert done["restored"] == {"corpus_split"}
    assert not (folder / ".train.parquet.12345").exists()
    assert built_tree.digests() == before
