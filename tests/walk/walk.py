"""A random walk: steps in a row on a tiny project, and after each of them the plain command against a build from nothing.

In: a seed and a count, or steps. Out: the first divergence, with the steps up to it, and those of them that are enough for it. What
must hold after every step:
- the plain command ends with 0 where a build from nothing can be made, and with an error where it cannot;
- what is installed then has the manifests, the files and the action keys of the build from nothing; an artifact on the way to the
  target may be absent, for what was removed to make room is only made again where a job reads it;
- `plan` said what was built, where a step changed no more than what decides; afterwards it says that nothing is to be done;
- the plain command once more starts no job.

Our own, and not hypothesis' state machines: a step costs seconds, so what a shrinking costs decides. Here it first tries the last
steps alone, which is nearly always enough, and takes single steps out then; a walk is printed as a list to keep as a test.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from walk.edits import EDITS
from walk.state import DOMAIN, TARGET, Hang, Tools, World
from walk.steps import Step, do_step, draw_step

# a shrinking ends after so many replayed steps
MAX_REPLAYED_STEPS = 400
RECORDS = ("manifest.json", "action.json")
# states of a plan in which nothing is done
IDLE = ("up_to_date", "not_needed")


@dataclass(frozen=True)
class Divergence:
    """kind: what it is about, the same for the same fault. steps: from the built project up to it."""

    kind: str
    message: str
    steps: tuple[Step, ...]

    def as_test(self, name: str) -> str:
        """A line for walk/regressions.py."""
        rows = "".join(f"        {json.dumps(step)},\n" for step in self.steps)
        rows = rows.replace("true", "True").replace("false", "False").replace("null", "None")
        return f'    # {self.message}\n    "{name}": [\n{rows}    ],\n'


def steps_of(seed: int, count: int) -> list[Step]:
    chooser = random.Random(seed)
    return [draw_step(chooser) for _ in range(count)]


def done_since(world: World, before: int) -> dict[str, set[str]]:
    """Artifact -> how its builds ended since there were so many rows."""
    found: dict[str, set[str]] = {}
    for row in world.builds()[before:]:
        found.setdefault(row["artifact"], set()).add(row["outcome"])
    return found


def planned(world: World) -> dict[str, dict[str, Any]] | None:
    """What `plan` says of each artifact; None where it says an error."""
    code, text = world.run("domainlm", "plan", TARGET, "--domain", "tiny", "--json")
    return {row["artifact"]: row for row in json.loads(text)["artifacts"]} if code == 0 else None


def differences(world: World, wanted: dict[str, list[str]]) -> list[str]:
    """What is installed against a build from nothing."""
    found = []
    for folder, (digest, key) in wanted.items():
        path = world.path / folder
        if folder != f"{DOMAIN}/{TARGET}" and not any((path / name).exists() for name in RECORDS):
            continue
        try:
            data = (path / "manifest.json").read_bytes()
            manifest, record = json.loads(data), json.loads((path / "action.json").read_bytes())
        except (OSError, ValueError) as error:
            found.append(f"{folder}: {type(error).__name__}: its records cannot be read")
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            found.append(f"{folder}: its manifest is not that of a build from nothing")
        elif record["key"] != key:
            found.append(f"{folder}: its record names another key than a build from nothing")
        for entry in manifest["files"]:
            file = path / entry["path"]
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
                found.append(f"{folder}: {entry['path']} is not what the manifest says")
        listed = {path / entry["path"] for entry in manifest["files"]}
        others = {each for each in path.rglob("*") if each.is_file() and each.name not in RECORDS} - listed
        found += [f"{folder}: {each.name} lies there, which the manifest does not list" for each in sorted(others)]
    return found


def last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if "rror" in line or "was " in line]
    return " / ".join(lines[:3])[:300]


def check(world: World, step: Step, has_second_run: bool) -> list[str]:
    """What does not hold after a step."""
    reference = world.reference()
    is_edit = step[0] in EDITS
    plan = planned(world) if is_edit else {}
    before = len(world.builds())
    code, text = world.run(*world.snakemake())
    if "error" in reference:
        return [] if code else [f"error: the plain command ends with 0, a build from nothing says {reference['error']}"]
    if code:
        return [f"exit: the plain command ends with {code}: {last_lines(text)}"]
    found = [f"stale: {each}" for each in differences(world, reference["artifacts"])]
    done = done_since(world, before)
    if plan is None:
        found.append("plan: it ends with an error where the plain command builds")
    elif is_edit and not world.has_damage:
        # a damaged object is met when it is read, which a plan does not do
        found += wrong_plan(plan, done)
    after = planned(world) if has_second_run else {}
    if after is None or any(row["state"] not in IDLE for row in after.values()):
        states = {name: row["state"] for name, row in (after or {}).items()}
        found.append(f"plan: after the plain command it says {states or 'an error'}")
    if has_second_run and not found:
        before = len(world.builds())
        code, _ = world.run(*world.snakemake())
        again = done_since(world, before)
        if code or again:
            found.append(f"again: the plain command once more ends with {code} and starts {again}")
    return found


def wrong_plan(plan: dict[str, dict[str, Any]], done: dict[str, set[str]]) -> list[str]:
    """What `plan` said against what was done."""
    ends = {"restore": "restored", "build": "built", "fetch": "fetched"} | {name: "up_to_date" for name in IDLE}
    found = []
    for name, row in plan.items():
        outcomes = done.get(name, set()) - {"up_to_date"}
        allowed = {ends[row["state"]], ends[row["otherwise"]] if row["unless"] else ends[row["state"]]}
        allowed |= {ends[state] for state in row["shards"]}
        if not outcomes <= allowed:
            found.append(f"plan: it said {row['state']} of {name}, which was {sorted(outcomes)}")
        elif row["state"] not in IDLE and not row["unless"] and not outcomes:
            found.append(f"plan: it said {row['state']} of {name}, with which nothing was done")
    return found


def run_steps(world: World, steps: Sequence[Step], say: Callable[[str], None] = lambda _: None) -> Divergence | None:
    """Do steps until one shows something wrong."""
    for number, step in enumerate(steps):
        say(f"{number} {json.dumps(step)}")
        try:
            wrong = do_step(world, step)
            wrong = wrong + check(world, step, has_second_run=number % 3 == 0 or number == len(steps) - 1)
        except Hang as error:
            wrong = [f"hang: {error}"]
        if wrong:
            return Divergence(wrong[0].split(":")[0], "; ".join(wrong)[:400], tuple(steps[: number + 1]))
    return None


def shortened(found: Divergence, again: Callable[[Sequence[Step]], Divergence | None]) -> Divergence:
    """The same by fewer steps: the last ones alone, then without single ones. again: what steps lead to, None for nothing alike."""
    best, length = found, 1
    while length < len(found.steps):
        shorter = again(found.steps[-length:])
        if shorter is not None:
            best = shorter
            break
        length *= 2
    position = 0
    while position < len(best.steps) - 1:
        shorter = again([*best.steps[:position], *best.steps[position + 1 :]])
        if shorter is None:
            position += 1
        else:
            best = shorter
    return best


def shrunk(tools: Tools, found: Divergence, say: Callable[[str], None] = lambda _: None) -> Divergence:
    """A divergence of the same kind by fewer steps, each list of them replayed from the built project."""
    replayed = 0

    def again(steps: Sequence[Step]) -> Divergence | None:
        nonlocal replayed
        # a kill may miss its moment once
        for _ in range(2):
            if replayed + len(steps) > MAX_REPLAYED_STEPS:
                return None
            replayed += len(steps)
            say(f"shrinking: {len(steps)} steps")
            world = tools.world()
            other = run_steps(world, steps)
            tools.remove(world)
            if other is not None and other.kind == found.kind:
                return other
        return None

    return shortened(found, again)


def walk(tools: Tools, seed: int, count: int, say: Callable[[str], None] = lambda _: None) -> Divergence | None:
    """A walk of `count` steps; its first divergence, not shrunk."""
    world = tools.world()
    found = run_steps(world, steps_of(seed, count), say)
    if found is None:
        tools.remove(world)
    return found
