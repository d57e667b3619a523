"""The steps of a random walk, and how one is drawn.

In: a world and a step: a name with parameters, as JSON has them, so that a walk can be printed, replayed and shortened. Out: what
already the step itself shows to be wrong (a look that changed something); everything else is judged after it (walk/walk.py).
`STEPS` says how each is made and how often and with which parameters one is drawn.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from walk import damage
from walk.edits import EDITS, SPELLINGS, Draw, do_edit, draw_edit, none, one_of
from walk.state import DOMAIN, TARGET, Running, World, has_ended, until

Step = list[Any]
JOBS = ("raw_corpus", "documents", "clean_shards", TARGET)
LOOKS: dict[str, Callable[[World], tuple[str, ...]]] = {
    "-n": lambda world: world.snakemake("-n"),
    "--list": lambda world: world.snakemake("--list"),
    "--summary": lambda world: world.snakemake("--summary"),
    "plan": lambda world: ("domainlm", "plan", TARGET, "--domain", "tiny"),
    "why": lambda world: ("domainlm", "why", TARGET, "--domain", "tiny"),
    "lineage": lambda world: ("domainlm", "lineage", TARGET, "--domain", "tiny"),
}
SIGNALS = ("job SIGKILL", "job SIGTERM", "snakemake SIGINT", "snakemake SIGTERM", "snakemake SIGKILL", "all SIGKILL")
ORPHAN_SECONDS = 20.0
OVERTAKING_SECONDS = 15.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
PIPELINE = "domains/tiny/dvc.yaml"
STAGE = f"{PIPELINE}:{TARGET}"


def jobs_of(running: Running) -> list[psutil.Process]:
    """The builds that a run of Snakemake started and that live."""
    found = []
    with suppress(psutil.Error):
        for process in running.process.children(recursive=True):
            with suppress(psutil.Error):
                if "domainlm" in process.cmdline() and "build" in process.cmdline():
                    found.append(process)
    return found


def await_moment(world: World, running: Running, artifact: str, delay_ms: int) -> psutil.Process | None:
    """The build of an artifact, some time after it took the lease of its key (delay_ms below 0: after it started).

    None where the run ends without such a build.
    """
    found: list[psutil.Process] = []
    leases = world.path / damage.STORE / "leases"

    def is_there() -> bool:
        for job in jobs_of(running):
            with suppress(psutil.Error):
                if artifact in job.cmdline():
                    found.append(job)
        return bool(found) or has_ended(running)

    until(is_there)
    if not found:
        return None
    if delay_ms >= 0:
        # by then it has read its stamp
        until(lambda: any(leases.glob("*.json")) or not found[0].is_running() or has_ended(running))
    time.sleep(abs(delay_ms) / 1000)
    return found[0]


def look(world: World, kind: str) -> list[str]:
    before = world.listing()
    code, text = world.run(*LOOKS[kind](world))
    after = world.listing()
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    found = [f"look: {kind} changed {', '.join(changed[:4])}{' …' if len(changed) > 4 else ''}"] if changed else []
    if "Traceback" in text:
        found.append(f"look: {kind} ended with {code} and a traceback")
    return found


def edit_and_look(world: World, edit: Step, kind: str) -> list[str]:
    do_edit(world, edit)
    return look(world, kind)


def kill(world: World, edit: Step, which: str, artifact: str, delay_ms: int) -> None:
    """An edit, and a run that is ended by a signal at some moment of some job."""
    do_edit(world, edit)
    running = world.start(*world.snakemake())
    job = await_moment(world, running, artifact, delay_ms)
    jobs = jobs_of(running)
    whom, name = which.split()
    number = getattr(signal, name)
    victims = [job.pid] if whom == "job" and job is not None else [] if whom == "job" else [running.pid]
    if whom == "all":
        victims += [each.pid for each in jobs]
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    world.wait(running)
    # a job whose Snakemake is gone ends by itself; what it does until then is not judged
    psutil.wait_procs(jobs, timeout=ORPHAN_SECONDS)


def broken_code(world: World, edit: Step, number: int) -> None:
    """An edit, and a run in which a stage raises; the stage is mended afterwards."""
    do_edit(world, edit)
    path = world.path / SPELLINGS[number][0]
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\n    section = ", b"\n    raise OSError('once')\n    section = ", 1))
    world.run(*world.snakemake())
    path.write_bytes(data)


def broken_lock(world: World, edit: Step) -> None:
    """An edit, and a run with a lock file that names a version which is not installed; it is put back afterwards."""
    do_edit(world, edit)
    path = world.path / "envs/cpu.lock"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\ndatasketch==2.0.0", b"\ndatasketch==2.0.1"))
    world.run(*world.snakemake())
    path.write_bytes(data)


def full_disk(world: World, edit: Step, kibibytes: int) -> None:
    """An edit, and a run whose store has no room left; root only."""
    do_edit(world, edit)
    store = world.path / damage.STORE
    disk = Path(tempfile.mkdtemp(prefix="disk", dir=world.path.parent))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "domainlm-walk", str(disk)], check=True)
    try:
        if store.is_dir():
            subprocess.run(["cp", "-a", f"{store}/.", str(disk)], check=True)
        free = os.statvfs(disk)
        (disk / "fill").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - kibibytes * 1024)))
        world.environment["DOMAINLM_STORE"] = str(disk)
        world.run(*world.snakemake())
    finally:
        world.environment.pop("DOMAINLM_STORE", None)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def look_during(world: World, first: Step, second: Step, kind: str, artifact: str, delay_ms: int) -> None:
    """An edit, a run, and while it runs another edit and a look."""
    do_edit(world, first)
    running = world.start(*world.snakemake())
    await_moment(world, running, artifact, delay_ms)
    do_edit(world, second)
    world.run(*LOOKS[kind](world))
    world.wait(running)


def look_and_back(world: World, kind: str, edit: Step, back: Step) -> None:
    """An edit, a look, and the edit's undoing: A, B, A."""
    do_edit(world, edit)
    world.run(*LOOKS[kind](world))
    do_edit(world, back)


def edit_during(world: World, first: Step, second: Step, artifact: str, delay_ms: int) -> None:
    do_edit(world, first)
    running = world.start(*world.snakemake())
    await_moment(world, running, artifact, delay_ms)
    do_edit(world, second)
    world.wait(running)


def two_builds(world: World, first: Step, second: Step, artifact: str, delay_ms: int) -> None:
    """Two runs of two states of the files at once, in one folder."""
    do_edit(world, first)
    one = world.start(*world.snakemake())
    await_moment(world, one, artifact, delay_ms)
    do_edit(world, second)
    other = world.start(*world.snakemake())
    world.wait(one)
    world.wait(other)


def older_last(world: World, first: Step, second: Step, artifact: str) -> None:
    """A run of the one state of the files is held up, one of the other overtakes it, and the older one ends last."""
    do_edit(world, first)
    one = world.start(*world.snakemake())
    job = await_moment(world, one, artifact, 0)
    with suppress(psutil.Error):
        if job is not None:
            job.suspend()
    do_edit(world, second)
    other = world.start(*world.snakemake())
    # it may have to wait for what the older one holds
    until(lambda: has_ended(other), OVERTAKING_SECONDS)
    with suppress(psutil.Error):
        if job is not None:
            job.resume()
    world.wait(one)
    world.wait(other)


def skewed_build(world: World, edit: Step, offset: str) -> None:
    """An edit, and a run on a host whose clock differs from that of the file system."""
    do_edit(world, edit)
    fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset, "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    world.run_apart(*world.snakemake(), **fake)


def collect(world: World) -> None:
    world.run("domainlm", "gc", "--keep-days", "0")


def verify(world: World) -> None:
    world.run("domainlm", "verify", "--domain", "tiny")


def version(world: World) -> list[str]:
    """What is installed becomes a version of DVC's."""
    code, text = world.run_apart("dvc", "commit", "--force", STAGE)
    if code and (world.path / DOMAIN / TARGET / "manifest.json").exists():
        return [f"dvc: commit ends with {code}: {text[-200:]}"]
    if not code:
        world.versions.append((world.path / "domains/tiny/dvc.lock").read_bytes())
    return []


def checkout(world: World, number: int, kind: str | None) -> list[str]:
    """`dvc checkout` of a version, and a look."""
    if not world.versions:
        return []
    (world.path / "domains/tiny/dvc.lock").write_bytes(world.versions[number % len(world.versions)])
    code, text = world.run_apart("dvc", "checkout", "--force", STAGE)
    if code:
        return [f"dvc: checkout ends with {code}: {text[-200:]}"]
    return look(world, kind) if kind is not None else []


def repro(world: World) -> None:
    world.run_apart("dvc", "repro", "--quiet", "--single-item", STAGE)


def edited(*others: Draw) -> Draw:
    """An edit, then what the others draw."""
    return lambda chooser: [draw_edit(chooser), *(value for other in others for value in other(chooser))]


def knob_and_back(chooser: random.Random) -> list[Any]:
    return [
        chooser.choice(["-n", "plan"]),
        ["knob", "min_chars", chooser.randrange(3)],
        ["knob", "min_chars", chooser.randrange(3)],
    ]


MOMENT = one_of(JOBS, range(-500, 700, 20))
NUMBERS = tuple(range(8))
KINDS = tuple(LOOKS)
Row = tuple[Callable[..., list[str] | None], float, Draw]
STEPS: dict[str, Row] = {
    "look": (edit_and_look, 4, edited(one_of(KINDS))),
    "look_and_back": (look_and_back, 1, knob_and_back),
    "kill": (kill, 4, edited(one_of(SIGNALS), MOMENT)),
    "broken_code": (broken_code, 1, edited(one_of(range(len(SPELLINGS))))),
    "broken_lock": (broken_lock, 1, edited()),
    "look_during": (look_during, 1.5, edited(edited(one_of(KINDS), MOMENT))),
    "edit_during": (edit_during, 1, edited(edited(MOMENT))),
    "two_builds": (two_builds, 1, edited(edited(MOMENT))),
    "older_last": (older_last, 0.5, edited(edited(one_of(JOBS)))),
    "clock": (damage.clock, 4, one_of(tuple(damage.MOVES), ("written", "records", "inputs"))),
    "workspace_file": (damage.workspace_file, 3, one_of(NUMBERS, NUMBERS, damage.HOWS)),
    "manifest": (damage.manifest, 2, one_of(NUMBERS, damage.HOWS)),
    "extra_file": (damage.extra_file, 0.5, one_of(NUMBERS)),
    "store_file": (damage.store_file, 2, one_of(("objects", "actions", "trees", "history"), range(60), damage.HOWS)),
    "swap": (damage.swap, 0.4, one_of(NUMBERS, NUMBERS)),
    "remove": (damage.remove, 2, one_of(damage.REMOVED)),
    "remove_bytecode": (damage.remove_bytecode, 0.5, none),
    "move_project": (damage.move_project, 0.7, none),
    "collect": (collect, 1.5, none),
    "verify": (verify, 1, none),
    "version": (version, 1.5, none),
    "checkout": (checkout, 2, one_of(NUMBERS, (None, "-n", "--list", "--summary", "plan"))),
    "repro": (repro, 0.5, none),
    "skewed_build": (skewed_build, 1, edited(one_of(("+1d", "-1d", "+30s", "-5s")))),
    "full_disk": (full_disk, 0.7, edited(one_of((0, 8, 40)))),
}
# a seed means the same walk everywhere: what cannot be done here is drawn and left out
LEFT_OUT = [
    *(["skewed_build"] if FAKETIME is None else []),
    *(["full_disk"] if os.geteuid() != 0 else []),
]


def draw_step(chooser: random.Random) -> Step:
    # two in five are an edit alone
    if chooser.random() < 0.4:
        return draw_edit(chooser)
    names = list(STEPS)
    name = chooser.choices(names, [STEPS[each][1] for each in names])[0]
    return [name, *STEPS[name][2](chooser)]


def do_step(world: World, step: Step) -> list[str]:
    """Do a step; what it shows to be wrong."""
    name, *parameters = step
    if name in EDITS:
        do_edit(world, step)
        return []
    return [] if name in LEFT_OUT else STEPS[name][0](world, *parameters) or []
