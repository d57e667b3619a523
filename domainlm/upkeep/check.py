"""`domainlm check`: does a rebuild give the recorded bytes?

In: an artifact that was built. Out: for it and each of its shards, whether another run of the stage, without the
cache, in a temporary folder, gives the same manifest; else the first difference, and whether the platform explains
it. The installed artifact is not changed. Another output is recorded beside the first one, as a build would record
it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from domainlm.builder.alternatives import Alternative, compare_outputs
from domainlm.builder.machine_choices import MachineChoices
from domainlm.builder.one_build import make_build
from domainlm.builder.run_stage import record_output, run_into
from domainlm.config.errors import ConfigurationError
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.terminal import line
from domainlm.wording import seconds_in_words


@dataclass(frozen=True)
class Checked:
    """One rebuild.

    alternative: the difference from the recorded output; None if there is none.
    """

    artifact: str
    shard: str | None
    key: str
    tree_digest: str
    seconds: float
    alternative: Alternative | None

    @property
    def name(self) -> str:
        return self.artifact if self.shard is None else f"{self.artifact}/{self.shard}"

    def as_json(self) -> dict[str, Any]:
        return {
            "artifact": self.artifact,
            "shard": self.shard,
            "key": self.key,
            "tree_digest": self.tree_digest,
            "seconds": round(self.seconds, 3),
            "is_equal": self.alternative is None,
            "alternative": self.alternative.as_json() if self.alternative is not None else None,
        }


def stamps_to_check(stamps: Iterable[Stamp], artifact: str, shard: str | None) -> list[Stamp]:
    """The stamps of all shards and the artifact, or of one shard.

    Raises ConfigurationError if there is no such shard.
    """
    found = [stamp for stamp in stamps if stamp.artifact == artifact]
    if shard is None:
        return found
    chosen = [stamp for stamp in found if stamp.shard == shard]
    if not chosen:
        known = (
            ", ".join(stamp.shard for stamp in found if stamp.shard is not None) or f"none, {artifact} is not sharded"
        )
        raise ConfigurationError(f"no shard {shard!r} of {artifact}; expected one of: {known}")
    return chosen


def check(project: Path, stamps: Iterable[Stamp], resources: Resources, log: Callable[[str], None]) -> list[Checked]:
    """Rebuild each and compare.

    Raises StageError if one was not built as its stamp requires.
    """
    checked = []
    for stamp in stamps:
        found = check_one(project, stamp, resources)
        checked.append(found)
        log(f"{found.name}: {'equal' if found.alternative is None else found.alternative.in_words()}")
    return checked


def check_one(project: Path, stamp: Stamp, resources: Resources) -> Checked:
    store = Store(store_folder(project))
    build = make_build(project, stamp, store, resources)
    key = build.key
    recorded = store.actions.get(key)
    if recorded is None:
        raise StageError(
            f"{stamp.folder} is not built with the present configuration and code (no record of key {key[:12]} in "
            f"{store.root}); build it first: snakemake --cores all {stamp.artifact}"
        )
    # resources that change the last bits: taken as they were
    built = recorded[1].get("built", {})
    rows = built.get("micro_batch_rows", resources.micro_batch_rows)
    # those of GPUs are not started on the CPU, where they would need the memory of all cards
    processes = built.get("world_size", 1) if built.get("device") == "cpu" else 1
    build = replace(build, resources=replace(resources, micro_batch_rows=rows, processes=processes))
    began = time.monotonic()
    with store.temporary(f"check-{key[:16]}") as folder:
        # not the key's own scratch: from its checkpoints the stage would only go on
        out, scratch = folder / "out", folder / "scratch"
        out.mkdir()
        scratch.mkdir()
        choices = MachineChoices(store.root, scratch, build.resources.gpus, built)
        run_into(build, out, scratch, choices)
        with store.guard():
            first, second = record_output(build, out, choices)
            alternative = compare_outputs(store, first, second)
    seconds = time.monotonic() - began
    return Checked(stamp.artifact, stamp.shard, key, second[0].tree_digest, seconds, alternative)


def as_json(checked: list[Checked]) -> dict[str, Any]:
    return {"is_equal": all(found.alternative is None for found in checked), "checked": [c.as_json() for c in checked]}


def render(checked: list[Checked]) -> Table:
    """Name, time, result, first difference."""
    table = Table("rebuilt", "took", "result", "first difference")
    for found in checked:
        result, where = ["equal"], ""
        if found.alternative is not None:
            facts: Mapping[str, tuple[Any, Any]] = found.alternative.platforms
            result = [str(found.alternative.as_json()["kind"])]
            result += [f"{name}: {first} -> {second}" for name, (first, second) in sorted(facts.items())]
            where = f"{found.alternative.file}: {found.alternative.change}"
        table.add_row(line(found.name), seconds_in_words(found.seconds), Group(*map(line, result)), line(where))
    return table
