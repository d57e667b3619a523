"""Random walks: a short one in every run, 200 steps in `make test_long`. WALK_SEED and WALK_STEPS choose others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

import pytest
from material.unavailable import unavailable
from walk.project import KNOBS
from walk.regressions import ATTACKS, OTHERS
from walk.state import Tools
from walk.steps import EDITS, LEFT_OUT, STEPS, Step, do_step
from walk.walk import Divergence, differences, run_steps, shortened, shrunk, steps_of, walk

SEED = int(os.environ.get("WALK_SEED", "20261130"))
STEPS_LONG = int(os.environ.get("WALK_STEPS", "200"))
STEPS_SHORT = 10


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    found = Tools(tmp_path_factory.mktemp("walk"))
    yield found
    found.close()


def check_walk(tools: Tools, seed: int, count: int) -> None:
    found = walk(tools, seed, count)
    if found is not None:
        least = shrunk(tools, found)
        pytest.fail(
            f"seed {seed}, step {len(found.steps)}: {found.message}\nfor walk/regressions.py:\n{least.as_test('NAME')}"
        )


def test_steps_are_values_that_the_seed_decides() -> None:
    steps = steps_of(SEED, 2000)
    assert steps == json.loads(json.dumps(steps)) == steps_of(SEED, 2000)
    assert {step[0] for step in steps} == EDITS.keys() | STEPS.keys()


def test_a_divergence_is_shrunk_to_the_steps_that_are_enough() -> None:
    steps = [["knob", "min_chars", number] for number in range(50)]

    def again(tried: Sequence[Step]) -> Divergence | None:
        is_enough = steps[31] in tried and steps[47] in tried
        return Divergence("stale", "", tuple(tried)) if is_enough else None

    assert list(shortened(Divergence("stale", "", tuple(steps)), again).steps) == [steps[31], steps[47], steps[49]]


def test_every_step_can_be_made_here() -> None:
    if LEFT_OUT:
        reason = (
            f"steps are left out: {LEFT_OUT}; skewed_build needs libfaketime (apt-get install faketime), full_disk root"
        )
        unavailable(reason)


def test_a_stale_artifact_is_noticed(tools: Tools) -> None:
    world = tools.world()
    wanted = world.reference()["artifacts"]
    assert set(wanted) == set(world.folders())
    assert differences(world, wanted) == []
    do_step(world, ["knob", "min_chars", 2])
    assert any("clean_shards" in each for each in differences(world, world.reference()["artifacts"]))
    do_step(world, ["knob", "min_chars", 0])
    do_step(world, ["workspace_file", 4, 1, "replace"])
    assert any("not what the manifest says" in each for each in differences(world, world.reference()["artifacts"]))


@pytest.mark.long
def test_every_knob_says_something_about_the_corpus(tools: Tools) -> None:
    world = tools.world()
    first = world.reference()["artifacts"]
    for name, (_, _, values) in KNOBS.items():
        for number in range(1, len(values)):
            do_step(world, ["knob", name, number])
            found = world.reference()["artifacts"]
            changed = {folder for folder in first if found[folder][0] != first[folder][0]}
            assert (changed == set()) == (name == "letters"), (name, number, changed)
            assert found != first
        do_step(world, ["knob", name, 0])


def test_a_short_walk(tools: Tools) -> None:
    check_walk(tools, SEED, STEPS_SHORT)


@pytest.mark.long
def test_a_walk(tools: Tools) -> None:
    check_walk(tools, SEED + 1, STEPS_LONG)


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_what_walks_found_stays_mended(tools: Tools, name: str) -> None:
    assert not ATTACKS.keys() & OTHERS.keys()
    found = run_steps(tools.world(), OTHERS[name])
    assert found is None, found.message
