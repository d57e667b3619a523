"""Training in two processes through the real snakemake: recorded, in no key, and another platform beside one process."""

from __future__ import annotations

import json
from typing import Any

import pytest

GRANT = ("--set-resources", "pt_adapter:processes=2")


def record(tree: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tree.artifact("pt_adapter") / "action.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.long
def test_two_processes_are_recorded_and_in_no_key(fresh_tree: Any) -> None:
    command = ("snakemake", "--cores", "2", "pt_adapter", "--config", "domain=tiny")
    fresh_tree.run(*command, *GRANT)
    first = record(fresh_tree)
    assert first["built"]["world_size"] == 2
    # nothing is due for another grant
    with fresh_tree.outcomes() as done:
        fresh_tree.run(*command)
    assert "built" not in done
    # the same two processes give the same bytes, whatever `check` is granted
    text = fresh_tree.run("python", "-m", "domainlm", "check", "pt_adapter", "--domain", "tiny", "--json")
    found = json.loads(text[text.index("{") :])
    assert found["is_equal"]
    assert record(fresh_tree)["key"] == first["key"]
