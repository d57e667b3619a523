"""`domainlm why`: the differences between an artifact's present and last action.

In: stamps, workspace, store, builds.jsonl. Out: a `Why`: the artifact's own differences, and those of every upstream
artifact that one of them leads to, each compared with the version that the artifact was made from. If nothing differs
now, the last build is compared with the one before it, because "why was this trained last night" is asked in the
morning. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import RenderableType
from rich.tree import Tree

from domainlm.builder.looks import IDLE
from domainlm.builder.outlook import Outlook, predict
from domainlm.explain.difference import Difference, Lookups, Pairs, artifact_differences, former_pairs, in_words
from domainlm.explain.former import Former
from domainlm.explain.plan import make_lookups, reasons
from domainlm.pipeline.stamp import Stamp
from domainlm.pipeline.table import BY_NAME
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.remote import open_remote
from domainlm.terminal import line
from domainlm.wording import seconds_in_words

SHOWN_BUILDS = 3
SHOWN_DIFFERENCES = 20


@dataclass(frozen=True)
class Why:
    """The answer for one artifact.

    differences: per artifact, the requested one first, then those upstream that lead to it. compared_with: the
    counterpart of the present action: the installed one, the build before it, or nothing.
    """

    domain: str
    artifact: str
    state: str
    unless: tuple[str, ...]
    compared_with: Literal["installed", "build before", "nothing"]
    differences: Mapping[str, list[Difference]]
    builds: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        found = {name: [item.as_json() for item in items] for name, items in self.differences.items()}
        own = found.pop(self.artifact, [])
        return {
            "domain": self.domain,
            "artifact": self.artifact,
            "state": self.state,
            "unless": list(self.unless),
            "compared_with": self.compared_with,
            "differences": own,
            "upstream": found,
            "builds": [dict(row) for row in self.builds],
        }


def explain(outlooks: list[Outlook], artifact: str, pairs: Pairs, former: Former, lookups: Lookups) -> dict[str, Any]:
    """Differences of an artifact and of the inputs that cause them.

    pairs: shard -> former, present.
    """
    of_artifact: dict[str, list[Outlook]] = {}
    for outlook in outlooks:
        of_artifact.setdefault(outlook.stamp.artifact, []).append(outlook)
    found: dict[str, list[Difference]] = {}

    def visit(name: str, pairs: Pairs, missing: str) -> None:
        found[name] = artifact_differences(pairs, lookups, missing)
        upstream = {d.name for d in found[name] if d.kind == "input" and d.change in ("changed", "pending")}
        for other in sorted(upstream & set(of_artifact), key=list(BY_NAME).index):
            if other not in found:
                visit(other, _upstream_pairs(of_artifact[other], other, pairs, former), "unknown")

    visit(artifact, pairs, "new")
    return found


def _upstream_pairs(outlooks: list[Outlook], artifact: str, pairs: Pairs, former: Former) -> Pairs:
    """Former and present actions of an upstream artifact.

    The consumers' former actions name its former content.
    """
    domain = outlooks[0].stamp.domain
    digests: dict[str | None, str] = {
        shard: old["inputs"][artifact]
        for shard, (old, _) in pairs.items()
        if old is not None and artifact in old["inputs"]
    }
    is_whole = None in digests
    if is_whole and any(outlook.stamp.is_gather for outlook in outlooks):
        gathered = former.find(domain, artifact, None, digests[None]).action
        digests |= gathered["inputs"] if gathered is not None else {}
    return {
        shard: (
            former.find(domain, artifact, shard, digests[shard]).action if shard in digests else None,
            outlook.action,
        )
        for shard, outlook in {outlook.stamp.shard: outlook for outlook in outlooks}.items()
        if shard in digests or is_whole
    }


def make_why(project: Path, domain: str, stamps: list[Stamp], artifact: str) -> Why:
    """Why an artifact is not up to date, or was built last.

    Raises ConfigurationError and RemoteError.
    """
    store = Store(store_folder(project))
    former = Former(project, store)
    outlooks = predict(project, stamps, artifact, store, open_remote(project))
    lookups = make_lookups(project, store, outlooks)
    own = [outlook for outlook in outlooks if outlook.stamp.artifact == artifact]
    changing = [outlook for outlook in own if outlook.state not in IDLE]
    state = "build" if any(o.state == "build" for o in own) else (changing[0].state if changing else "up_to_date")
    certain = [o for o in changing if o.state != "build" or not o.unless]
    unless = () if certain else tuple(dict.fromkeys(name for o in changing for name in o.unless))
    mine = [row for row in former.rows if (row["domain"], row["artifact"]) == (domain, artifact)]
    builds = tuple(row for row in mine if row["outcome"] != "up_to_date")
    compared_with: Literal["installed", "build before", "nothing"] = "installed"
    if changing:
        pairs: Pairs = former_pairs(project, changing)
        differences = explain(outlooks, artifact, pairs, former, lookups)
        if not differences[artifact]:
            differences = {artifact: list(reasons(project, changing, lookups))}
    else:
        before = {
            o.stamp.shard: former.before(domain, artifact, o.stamp.shard, o.last["key"])
            for o in own
            if o.last is not None
        }
        pairs = {o.stamp.shard: (before[o.stamp.shard], o.action) for o in own if before.get(o.stamp.shard) is not None}
        differences = explain(outlooks, artifact, pairs, former, lookups)
        compared_with = "build before" if differences[artifact] else "nothing"
    return Why(domain, artifact, state, unless, compared_with, differences, builds[-SHOWN_BUILDS:])


def _heading(why: Why) -> str:
    if why.state == "up_to_date":
        last = why.builds[-1] if why.builds else None
        when = f", {last['outcome']} {last['time']} in {seconds_in_words(last['seconds'])}" if last is not None else ""
        return f"{why.artifact} is up to date: no difference from its last build{when}"
    words = {"build": "would be built", "restore": "would be restored from the store", "fetch": "would be fetched"}
    unless = f", unless {' and '.join(why.unless)} come{'s' if len(why.unless) == 1 else ''} out the same"
    return f"{why.artifact} {words[why.state]}{unless if why.unless else ''}"


def _is_cause(difference: Difference) -> bool:
    """Whether it is one by itself, not the consequence of something upstream."""
    return difference.kind != "input" or difference.change in ("added", "removed")


def _in_words(difference: Difference) -> str:
    count = len(difference.shards)
    return f"because {in_words(difference)}" + (f" [{count} shard{'s' if count > 1 else ''}]" if count else "")


def _add_causes(branch: Tree, causes: list[Difference]) -> None:
    for difference in causes[:SHOWN_DIFFERENCES]:
        branch.add(line(_in_words(difference)))
    if len(causes) > SHOWN_DIFFERENCES:
        branch.add(line(f"and {len(causes) - SHOWN_DIFFERENCES} more (--json has all)"))


def _add_reasons(branch: Tree, why: Why) -> None:
    """Own causes, changed inputs, upstream causes, and artifacts in between."""
    own = why.differences.get(why.artifact, [])
    _add_causes(branch, [difference for difference in own if _is_cause(difference)])
    direct = {d.name: d for d in own if not _is_cause(d) and d.change == "changed"}
    handed_on = []
    for name in sorted({*direct, *why.differences} - {why.artifact}, key=list(BY_NAME).index):
        causes = [difference for difference in why.differences.get(name, []) if _is_cause(difference)]
        if name not in direct and not causes:
            handed_on.append(name)
            continue
        words = _in_words(direct[name]) if name in direct else f"because {name} changes"
        if len(causes) == 1:
            branch.add(line(f"{words}: {_in_words(causes[0])}"))
        else:
            _add_causes(branch.add(line(words)), causes)
    if handed_on:
        branch.add(line(f"through {', '.join(handed_on)}"))


def render(why: Why) -> RenderableType:
    tree = Tree(line((_heading(why), "bold")))
    is_past = why.compared_with == "build before"
    _add_reasons(tree.add(line("differences from the previous build:")) if is_past else tree, why)
    for row in reversed(why.builds):
        shard = f" shard {row['shard']}" if row["shard"] is not None else ""
        tree.add(line((f"{row['time']}{shard} {row['outcome']}: {row['why']}", "dim")))
    return tree
