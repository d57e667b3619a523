"""`domainlm plan`: the work of a run, its reasons and costs.

In: stamps, workspace, store, remote. Out: a `Plan`: one row per artifact in pipeline order, with its shards, and
totals. Nothing is written. A cost is the median over the artifact's builds in the store's history for this domain, on
the device and with the threads of the newest row; it is not scaled to another configuration, because a cost that was
never measured is a guess. A cost without history is reported as unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from domainlm.builder.looks import IDLE, State, missing_entries
from domainlm.builder.outlook import Outlook, needed_stamps, predict
from domainlm.explain.difference import Definitions, Difference, Lookups, artifact_differences, former_pairs, in_words
from domainlm.explain.training_plan import Grant, TrainingPlan, cores, is_training, plan_training
from domainlm.explain.training_words import summary
from domainlm.pipeline.code import code_definitions
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.notes import has_kinds, has_shard, read_note
from domainlm.store.remote import open_remote
from domainlm.store.trees import read_code, read_tree
from domainlm.terminal import line
from domainlm.wording import bytes_in_words, seconds_in_words

# newest rows of the store's history that are read: enough for every artifact, and quick in an old store
HISTORY_ROWS = 2000
ORDER: tuple[State, ...] = ("not_needed", "up_to_date", "restore", "fetch", "build")
STYLES = {"not_needed": "dim", "up_to_date": "dim", "restore": "green", "fetch": "cyan", "build": "yellow"}


@dataclass(frozen=True)
class Cost:
    """Medians of one artifact's builds; builds: number of measured ones."""

    seconds: float
    peak_memory_mb: int
    device: str
    threads: int
    builds: int


@dataclass(frozen=True)
class Row:
    """One artifact.

    shards: state -> count. seconds: of all builds that may follow one another, None if unknown. fill_bytes: bytes to
    fetch because a later build reads this artifact and only its records are here.
    """

    artifact: str
    state: State
    unless: tuple[str, ...]
    otherwise: State
    why: tuple[Difference, ...]
    shards: Mapping[str, int]
    seconds: float | None
    cost: Cost | None
    fetch_bytes: int
    fill_bytes: int


@dataclass(frozen=True)
class Plan:
    """trainings: memory and speed of the trainings among the builds."""

    domain: str
    target: str
    rows: tuple[Row, ...]
    trainings: tuple[TrainingPlan, ...] = ()

    @property
    def builds(self) -> list[Row]:
        return [row for row in self.rows if row.state == "build"]

    def totals(self) -> dict[str, Any]:
        """Seconds of the certain builds, and of all possible ones.

        Unknown costs are named, not counted.
        """
        certain = [row for row in self.builds if not row.unless]
        peaks = [row.cost.peak_memory_mb for row in self.builds if row.cost is not None]
        return {
            "build": [row.artifact for row in certain],
            "build_unless": [row.artifact for row in self.builds if row.unless],
            "seconds_at_least": round(sum(row.seconds or 0.0 for row in certain), 3),
            "seconds_at_most": round(sum(row.seconds or 0.0 for row in self.builds), 3),
            "unknown_cost": [row.artifact for row in self.builds if row.seconds is None],
            "peak_memory_mb": max(peaks, default=None),
            "devices": sorted({row.cost.device for row in self.builds if row.cost is not None}),
            "fetch_bytes": sum(row.fetch_bytes + row.fill_bytes for row in self.rows),
        }

    def as_json(self) -> dict[str, Any]:
        rows = []
        for row in self.rows:
            why = [difference.as_json() for difference in row.why]
            cost = asdict(row.cost) if row.cost is not None else None
            rows.append({**asdict(row), "unless": list(row.unless), "why": why, "cost": cost})
        trainings = [training.as_json() for training in self.trainings]
        return {
            "domain": self.domain,
            "target": self.target,
            "artifacts": rows,
            "totals": self.totals(),
            "trainings": trainings,
        }


def make_lookups(project: Path, store: Store, outlooks: Iterable[Outlook]) -> Lookups:
    """The contents behind digests: present code and contents, and former ones.

    The store kept the former ones.
    """
    present = list(outlooks)
    owners = {outlook.stamp.code_digest: outlook.stamp.artifact for outlook in present}
    manifests = {o.manifest.tree_digest: o.manifest for o in present if o.manifest is not None}

    @cache
    def code(digest: str) -> Definitions | None:
        kept = read_code(store.root, digest)
        if kept is None and digest in owners:
            found, definitions = code_definitions(project, owners[digest])
            kept = definitions if found == digest else None
        return kept

    return Lookups(code, lambda digest: manifests.get(digest) or read_tree(store.root, digest))


# what a row of the history needs for a price: texts, numbers
_COST = ("artifact", "device"), ("seconds", "peak_memory_mb", "threads")


def read_history(store: Store, domain: str) -> Iterator[dict[str, Any]]:
    """Rows of a domain's newest builds in the store, newest first."""
    folder = store.root / "history"
    names = sorted((path.name for path in folder.glob("*.json")), reverse=True) if folder.is_dir() else []
    for name in names[:HISTORY_ROWS]:
        row = read_note(folder / name)
        if row is not None and row.get("domain") == domain and has_kinds(row, *_COST) and has_shard(row):
            yield row


def measured_costs(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, bool], Cost]:
    """(artifact, whether of one shard) -> cost.

    rows: newest first; only rows on the newest one's device and threads count.
    """
    groups: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for row in rows:
        group = groups.setdefault((row["artifact"], row["shard"] is not None), [])
        if not group or (row["device"], row["threads"]) == (group[0]["device"], group[0]["threads"]):
            group.append(row)
    return {
        name: Cost(
            median(row["seconds"] for row in group),
            int(median(row["peak_memory_mb"] for row in group)),
            group[0]["device"],
            group[0]["threads"],
            len(group),
        )
        for name, group in groups.items()
    }


def make_plan(project: Path, domain: str, stamps: list[Stamp], target: str) -> Plan:
    """The work of a run for a target.

    Raises ConfigurationError and RemoteError.
    """
    store = Store(store_folder(project))
    outlooks = predict(project, stamps, target, store, open_remote(project))
    lookups = make_lookups(project, store, outlooks)
    # read once, and only for a plan that builds
    history = list(read_history(store, domain)) if any(o.state == "build" for o in outlooks) else []
    costs = measured_costs(history)
    filled = bytes_to_fill(outlooks, store)
    by_artifact: dict[str, list[Outlook]] = {}
    for outlook in outlooks:
        by_artifact.setdefault(outlook.stamp.artifact, []).append(outlook)
    rows = [_row(project, name, found, costs, filled, lookups) for name, found in by_artifact.items()]
    grant = Grant(threads=cores())
    trainings = [
        plan_training(project, stamps, row.artifact, grant, history)
        for row in rows
        if row.state == "build" and is_training(row.artifact)
    ]
    return Plan(domain, target, tuple(rows), tuple(trainings))


def memory_plans(
    project: Path, domain: str, stamps: list[Stamp], target: str, grant: Grant, base_model: Path | None = None
) -> list[TrainingPlan]:
    """The trainings of a target, built or not."""
    history = list(read_history(Store(store_folder(project)), domain))
    names = [stamp.artifact for stamp in needed_stamps(stamps, target) if is_training(stamp.artifact)]
    return [plan_training(project, stamps, name, grant, history, base_model) for name in names]


def bytes_to_fill(outlooks: Iterable[Outlook], store: Store) -> dict[str, int]:
    """Folder -> bytes to fetch before a build can read it.

    These are hollow artifacts that are inputs of a build.
    """
    by_folder = {outlook.stamp.folder: outlook for outlook in outlooks}
    read = {folder for o in by_folder.values() if o.state == "build" for folder in o.stamp.inputs.values()}
    hollow = [o for folder, o in by_folder.items() if folder in read and o.is_hollow and o.manifest is not None]
    return {o.stamp.folder: sum(e.size for e in missing_entries(o.manifest, store)) for o in hollow if o.manifest}


def reasons(project: Path, outlooks: Iterable[Outlook], lookups: Lookups) -> tuple[Difference, ...]:
    """Why an artifact is not up to date, by its own fields."""
    changing = [outlook for outlook in outlooks if outlook.state not in IDLE]
    found = artifact_differences(former_pairs(project, changing), lookups)
    # a gather follows its shards and has no separate reason
    if changing and not found and any(not o.stamp.is_gather or o.state != "build" for o in changing):
        found = [Difference("files", changing[0].stamp.artifact, "changed")]
    return tuple(found)


def _row(
    project: Path,
    artifact: str,
    outlooks: list[Outlook],
    costs: Mapping[tuple[str, bool], Cost],
    filled: Mapping[str, int],
    lookups: Lookups,
) -> Row:
    shards = Counter[str](outlook.state for outlook in outlooks if outlook.stamp.shard is not None)
    state = max((outlook.state for outlook in outlooks), key=ORDER.index)
    built = [outlook for outlook in outlooks if outlook.state == "build"]
    # the gather waits for its own shards, which says nothing about the artifact
    certain = [outlook for outlook in built if not outlook.unless]
    unless = () if certain else tuple(dict.fromkeys(name for outlook in built for name in outlook.unless))
    found = [costs.get((artifact, outlook.stamp.shard is not None)) for outlook in built]
    known = [cost for cost in found if cost is not None]
    is_known = bool(built) and len(known) == len(found)
    otherwise = max((outlook.otherwise for outlook in built), key=ORDER.index, default=state)
    return Row(
        artifact=artifact,
        state=state,
        unless=unless,
        otherwise=otherwise if unless else state,
        why=reasons(project, outlooks, lookups),
        shards=dict(shards),
        seconds=round(sum(cost.seconds for cost in known), 3) if is_known else None,
        cost=max(known, key=lambda cost: cost.peak_memory_mb, default=None),
        fetch_bytes=sum(outlook.fetch_bytes for outlook in outlooks),
        fill_bytes=sum(filled.get(outlook.stamp.folder, 0) for outlook in outlooks),
    )


def _what(row: Row) -> str:
    words = row.state.replace("_", " ")
    if row.unless:
        words += f", unless {' and '.join(row.unless)} come{'s' if len(row.unless) == 1 else ''} out the same"
        words += f" (then {row.otherwise})" if row.otherwise != "up_to_date" else ""
    counts = [f"{row.shards[state]} {state.replace('_', ' ')}" for state in ORDER if row.shards.get(state)]
    if len(counts) > 1:
        words += f" ({', '.join(counts)} of {sum(row.shards.values())} shards)"
    elif row.shards.get("build", 0) > 1:
        words += f" ({row.shards['build']} shards)"
    moved = row.fetch_bytes + row.fill_bytes
    return words + (f", {bytes_in_words(moved)} to fetch" if moved else "")


def _why(row: Row) -> str:
    # the column before names the work that an early cutoff may save
    shown = [d for d in row.why if not (row.unless and d.change == "pending")]
    more = f"; {len(shown) - 1} more: domainlm why {row.artifact}" if len(shown) > 1 else ""
    return f"{in_words(shown[0])}{more}" if shown else ""


def _cost(row: Row) -> str:
    if row.state != "build":
        return ""
    return f"{seconds_in_words(row.seconds)}" if row.seconds is not None else "unknown"


def totals_in_words(plan: Plan) -> str:
    """One line."""
    totals = plan.totals()
    if not plan.builds:
        moved = f"; {bytes_in_words(totals['fetch_bytes'])} to fetch" if totals["fetch_bytes"] else ""
        return f"nothing is built{moved}"
    least, most = (seconds_in_words(totals[name]) for name in ("seconds_at_least", "seconds_at_most"))
    parts = [f"about {most}" if not totals["build_unless"] else f"about {least} for certain, {most} at most"]
    if totals["peak_memory_mb"] is not None:
        peak = bytes_in_words(totals["peak_memory_mb"] * 2**20)
        parts.append(f"peak {peak} on {', '.join(totals['devices'])}")
    if len(totals["unknown_cost"]) == len(plan.builds):
        parts = []
    if totals["unknown_cost"]:
        parts.append(f"unknown cost of {', '.join(totals['unknown_cost'])} (never built in this domain)")
    if totals["fetch_bytes"]:
        parts.append(f"{bytes_in_words(totals['fetch_bytes'])} to fetch")
    return "; ".join(parts)


def render(plan: Plan) -> RenderableType:
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    for name in ("artifact", "what", "why"):
        table.add_column(name, overflow="fold")
    table.add_column("cost", justify="right", no_wrap=True)
    for row in plan.rows:
        table.add_row(row.artifact, line((_what(row), STYLES[row.state])), line(_why(row)), _cost(row))
    lines = [line(f"{plan.target} of {plan.domain}: {totals_in_words(plan)}"), *map(summary, plan.trainings)]
    return Group(table, "", *lines)
