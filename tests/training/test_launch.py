"""Processes that are started and watched; how they fail, with a stand-in for the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.trainings import LENGTHS, environment_of_tests, run

from domainlm.contract import Resources, StageError
from domainlm.training import launch
from domainlm.training.launch import train_in_processes


def children_of(parent: int) -> list[int]:
    """Processes that a process started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, number = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(number) == parent and state != "Z":
            found.append(int(stat.parent.name))
    return found


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """toy(what, size, **resources): stand-ins do what they are asked for."""
    monkeypatch.setattr(launch, "WORKER", "material.toy_worker")
    return lambda what, size=2, **resources: train_in_processes(what, size, Resources(**resources))  # type: ignore[arg-type]


def test_all_processes_have_the_parents_choice(toy: Callable[..., dict[str, Any]]) -> None:
    lines: list[str] = []
    made: dict[str, str] = {}
    points: list[tuple[int, int, float]] = []

    def choose(name: str, measure: Callable[[], str]) -> str:
        return made.setdefault(name, made[name] if name in made else measure())

    def progress(done: int, total: int, figures: Any) -> None:
        points.append((done, total, figures["loss"]))

    found = toy("choose", 3, threads=7, log=lines.append, choose=choose, progress=progress)
    assert found == {"rank": 0}
    assert made["precision"] in {f"measured by {rank}" for rank in range(3)}
    assert sorted(lines) == [f"{rank} of 3 has {made['precision']}, 2 threads" for rank in range(3)]
    assert points == [(1, 2, 0.5)] * 3


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("refused", StageError, r"^row 3 has no label$"),
        ("disk", OSError, r"No space left on device"),
        ("killed", StageError, r"^process 1 of 2 was ended by SIGKILL before .* memory ran out"),
        ("exit", StageError, r"^process 1 of 2 ended with exit code 3 before"),
        ("lost", StageError, r"^process 1 of 2 ended with exit code 0 before"),
    ],
)
def test_the_error_is_that_of_the_process_that_failed_first(
    what: str, error: type[Exception], message: str, toy: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(error, match=message):
        toy(what)
    assert not [child for child in children_of(os.getpid()) if "toy_worker" in _command(child)]


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def test_an_error_in_the_parent_ends_the_processes(toy: Callable[..., dict[str, Any]]) -> None:
    def log(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        toy("choose", log=log)
    assert not [child for child in children_of(os.getpid()) if "toy_worker" in _command(child)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_no_process(number: int) -> None:
    code = (
        "from domainlm.contract import Resources; from domainlm.training import launch;"
        "launch.WORKER = 'material.toy_worker'; launch.train_in_processes('wait', 2, Resources())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=environment_of_tests())
    try:
        children: list[int] = []
        until = time.monotonic() + 60
        while len(children) < 2 and time.monotonic() < until:
            children = [child for child in children_of(parent.pid) if "toy_worker" in _command(child)]
            time.sleep(0.05)
        assert len(children) == 2
        # until they listen for their parent's end
        time.sleep(1)
        parent.send_signal(number)
        parent.wait(timeout=20)
        until = time.monotonic() + 10
        while any(is_running(child) for child in children) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(is_running(child) for child in children)
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.long
def test_a_workers_error_is_the_stages(
    make_base: Callable[..., Path],
    make_tokens: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(StageError, match=r"^the profile grants 2 GPU, and torch .* sees 0; expected as many: run"):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path, gpus=2)
