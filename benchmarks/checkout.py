"""Copies of a checkout that benchmarks build in, and what a command in one costs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    """What a command took. cpu_seconds: of all its processes, user and system."""

    seconds: float
    cpu_seconds: float


def copy_repository(root: Path, checkout: Path = REPOSITORY) -> None:
    """The files of a checkout that git knows or would take; nothing of what was built in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, check=True).stdout
    for name in sorted({os.fsdecode(name) for name in listed.split(b"\0") if name}):
        if (checkout / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, root / name)


def environment_of(root: Path) -> dict[str, str]:
    """Commands of this Python, the copy's own package, nothing of the caller's store and remotes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOMAINLM_")}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    nowhere = dict.fromkeys(("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"), "/nonexistent")
    return {**kept, **nowhere, "PATH": commands, "PYTHONPATH": str(root), "DOMAINLM_REMOTE": "none"}


def run(root: Path, *command: str, variables: Mapping[str, str] = {}) -> tuple[Cost, str]:
    """Run a command in a copy; what it cost, and what it printed. Ends the benchmark where the command fails."""
    before, began = cpu_of_children(), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=root,
        env={**environment_of(root), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    cost = Cost(time.perf_counter() - began, cpu_of_children() - before)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {root}:\n{done.stdout[-3000:]}")
    return cost, done.stdout


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor() -> str:
    """The model of the processor and how many cores this process may use, for the head of a table."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{model}, {len(os.sched_getaffinity(0))} cores"
