"""Attacks by time and by what happens to a workspace: short walks, each step judged by a build from nothing in another folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from material.attack import attack
from walk.regressions import ATTACKS
from walk.state import Tools
from walk.walk import run_steps


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    found = Tools(tmp_path_factory.mktemp("walk"))
    yield found
    found.close()


def replay(tools: Tools, name: str) -> None:
    world = tools.world()
    found = run_steps(world, ATTACKS[name])
    assert found is None, found.message
    tools.remove(world)


@attack(
    "code",
    "stale bytecode",
    "the same edit between two runs of snakemake, which asks for the times of files",
    "the plain command builds what a build from nothing gives",
)
def test_an_edit_that_keeps_size_and_time_is_run(tools: Tools) -> None:
    replay(tools, "an edit of code that keeps size and time")


@attack(
    "clock",
    "clock set back",
    "a knob is changed after everything was built under a clock that was one day ahead",
    "the plain command builds it at once",
)
def test_after_a_clock_that_was_ahead_the_plain_command_builds(tools: Tools) -> None:
    replay(tools, "a clock that was a day ahead")


@attack(
    "workspace",
    "stale result",
    "the job that builds a changed knob is killed once, as by lack of memory or a preemption",
    "the same command again builds the result of the present configuration",
)
def test_a_killed_job_hides_no_change(tools: Tools) -> None:
    replay(tools, "a knob whose job is killed once")


@attack(
    "workspace",
    "stale result",
    "a knob is changed, and a dry run starts, while a build with the old value runs",
    "the plain command ends with the result of the present configuration",
)
def test_a_look_during_a_build_hides_no_change(tools: Tools) -> None:
    replay(tools, "a knob that is looked at while a build runs")


@attack(
    "workspace",
    "race of two runs",
    "a run of an older configuration is overtaken by one of the present configuration and ends last",
    "the plain command ends with the result of the present configuration",
)
def test_an_older_run_that_ends_last_does_not_stay(tools: Tools) -> None:
    replay(tools, "an older run that ends last")


@attack(
    "workspace",
    "destructive look",
    "a dry run after the checkout of an older version by DVC",
    "not one file of the workspace changes, and the plain command restores the present version",
)
def test_a_look_after_a_checkout_changes_nothing(tools: Tools) -> None:
    replay(tools, "a look after a checkout")
