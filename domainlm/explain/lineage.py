"""`domainlm lineage`: everything that an installed artifact was made from.

In: the records in the workspace (manifest.json, action.json), former records of the store, inventories. Out: a
`Lineage`: the artifacts upstream with their code, configuration, versions and platform, the sources with their
labels, licences and raw files, the base model. The present configuration does not matter, because the records
describe the past build. If the installed upstream of an artifact is another version by now, the store's records are
followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.tree import Tree

from domainlm.contract import StageError
from domainlm.explain.former import Former, Version
from domainlm.pipeline.places import COMPARED, artifact_folder, stamp_path
from domainlm.pipeline.stamp import parse_stamp
from domainlm.pipeline.table import BY_NAME
from domainlm.raw.label_names import LABELS
from domainlm.raw.raw_file import SOURCE_FACTS, RawFile
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import Manifest
from domainlm.store.objects import is_untouched
from domainlm.store.trees import read_code
from domainlm.terminal import line
from domainlm.wording import bytes_in_words

INVENTORY = "inventory.jsonl"
SHOWN_FILES = 3
# what a configuration lists for a shard to read
LISTS = ("files", "fetched", "hubs", "hub_files", "shard")


@dataclass(frozen=True)
class Made:
    """One artifact with its shards.

    shards: shard -> tree digest. inputs: artifacts that it was made from. tree_digest: of the whole, None if only its
    shards were read. notes: gaps in the records, and the fix.
    """

    artifact: str
    domain: str
    tree_digest: str | None
    shards: Mapping[str, str]
    key: str | None
    files: int
    size_bytes: int
    is_hollow: bool
    inputs: tuple[str, ...]
    config: Mapping[str, Any]
    code_digest: str | None
    code_files: int | None
    distributions: Mapping[str, str]
    built: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One external text or model.

    artifact: the one that reads it; where: package and version, repository, or local path.
    """

    name: str
    artifact: str
    where: str
    facts: Mapping[str, Any]
    files: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Lineage:
    domain: str
    artifact: str
    made: Mapping[str, Made]
    sources: tuple[Source, ...]

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["artifacts"] = found.pop("made")
        return found


@dataclass(frozen=True)
class Wanted:
    """A version of an artifact: shard (None: the whole) -> tree digest."""

    domain: str
    artifact: str
    digests: Mapping[str | None, str]


def make_lineage(project: Path, domain: str, artifact: str) -> Lineage:
    """Raises StageError where the artifact is not installed."""
    former = Former(project, Store(store_folder(project)))
    manifest = former.find(domain, artifact, None, None).manifest
    if manifest is None:
        raise StageError(f"{artifact} of {domain} is not built here; build it: {_command(domain, artifact)}")
    made: dict[str, Made] = {}
    sources: list[Source] = []
    waiting: list[Wanted] = [Wanted(domain, artifact, {None: manifest.tree_digest})]
    while waiting:
        wanted = waiting.pop(0)
        label = _label(wanted, domain)
        if label not in made:
            made[label], upstream, found = _follow(former, wanted, domain)
            sources += found
            waiting.extend(upstream)
    order = sorted(made, key=lambda label: (made[label].domain == domain, list(BY_NAME).index(made[label].artifact)))
    return Lineage(domain, artifact, {label: made[label] for label in order}, tuple(sources))


def _command(domain: str, artifact: str) -> str:
    return f"snakemake --cores all {artifact} --config domain={domain}"


def _label(wanted: Wanted, domain: str) -> str:
    return wanted.artifact if wanted.domain == domain else f"{wanted.domain}/{wanted.artifact}"


def _parts(former: Former, wanted: Wanted) -> tuple[list[Version], list[str]]:
    """The records of an artifact and its shards, and notes on gaps."""
    parts, notes = [], []
    for shard, digest in wanted.digests.items():
        part = former.find(wanted.domain, wanted.artifact, shard, digest)
        parts.append(part)
        if shard is None and part.record is not None:
            # the shards that a gather was made from
            own = [each for each in part.record["action"]["inputs"].items() if each[0].isdigit()]
            parts += [former.find(wanted.domain, wanted.artifact, *each) for each in own]
    for part in parts:
        if part.record is None:
            which = f"shard {part.shard} of " if part.shard is not None else ""
            notes.append(f"the record of {which}this version is not kept here: not followed further")
    return parts, notes


def _follow(former: Former, wanted: Wanted, domain: str) -> tuple[Made, list[Wanted], list[Source]]:
    """One artifact, its inputs, and the sources that it reads."""
    parts, notes = _parts(former, wanted)
    actions = [part.action for part in parts if part.action is not None]
    upstream: dict[tuple[str, str], dict[str | None, str]] = {}
    for part in parts:
        for name, digest in (part.action or {"inputs": {}})["inputs"].items():
            if name.startswith(COMPARED):
                upstream[name.removeprefix(COMPARED), wanted.artifact] = {None: digest}
            elif not name.isdigit():
                upstream.setdefault((wanted.domain, name), {})[part.shard] = digest
    sources: list[Source] = []
    if BY_NAME[wanted.artifact].declares is not None:
        sources, more = _sources(former, wanted, parts, _label(wanted, domain))
        notes += more
    # a gather adds up figures; what shapes the content is in the shards' action
    config = actions[-1]["config"] if actions else {}
    code = read_code(former.store.root, actions[-1]["code"]) if actions else None
    own = [part for part in parts if part.shard is None] or parts
    manifests = [part.manifest for part in own if part.manifest is not None]
    followed = [Wanted(of_domain, name, digests) for (of_domain, name), digests in upstream.items()]
    made = Made(
        artifact=wanted.artifact,
        domain=wanted.domain,
        tree_digest=wanted.digests.get(None),
        shards={part.shard: part.manifest.tree_digest for part in parts if part.shard and part.manifest is not None},
        key=next((part.record["key"] for part in parts if part.shard is None and part.record is not None), None),
        files=sum(len(manifest.entries) for manifest in manifests),
        size_bytes=sum(manifest.size for manifest in manifests),
        is_hollow=any(part.is_hollow for part in own),
        inputs=tuple(_label(other, domain) for other in followed),
        config={key: value for key, value in config.items() if key not in LISTS},
        code_digest=actions[-1]["code"] if actions else None,
        code_files=len(code) if code is not None else None,
        distributions=actions[-1]["distributions"] if actions else {},
        built=next((part.record["built"] for part in parts if part.record is not None), {}),
        notes=tuple(notes),
    )
    return made, followed, sources


def _sources(former: Former, wanted: Wanted, parts: list[Version], label: str) -> tuple[list[Source], list[str]]:
    """Sources of raw_corpus or base_model with their files.

    There is a note if an inventory's bytes are not here.
    """
    files: dict[str, dict[str, dict[str, Any]]] = {}
    facts: dict[str, dict[str, Any]] = {}
    notes = []
    domain, artifact = wanted.domain, wanted.artifact
    for part in parts:
        config = part.action["config"] if part.action is not None else {}
        rows = [*config.get("files", []), *config.get("fetched", []), *config.get("hubs", [])]
        if config.get("hub"):
            rows.append({**config["source"], **config["hub"], "origin": "hub"})
        for row in rows:
            facts.setdefault(row["source"], {name: row.get(name) for name in (*SOURCE_FACTS, "member")})
        if part.shard is not None and part.manifest is not None:
            listed = _inventory(former, artifact_folder(domain, artifact, part.shard), part.manifest)
            if listed is None:
                notes.append(
                    f"the inventory of shard {part.shard} is hollow (its bytes are in the remote), so files inside fetched "
                    f"archives are not listed; fill it: {_command(domain, artifact)}"
                )
            rows = listed if listed is not None else rows
        for row in rows:
            if row.get("path"):
                kept = {name: row.get(name) for name in ("path", "sha256", "size", "format", *LABELS)}
                files.setdefault(row["source"], {})[row["path"]] = kept
    for name, listed_files in files.items():
        # files of one source may have different labels
        facts[name] |= {k: "; ".join(sorted({str(row[k]) for row in listed_files.values()})) for k in LABELS}
    roots = _roots(former.project, domain, artifact)
    return [
        Source(name, label, _where(found, roots.get(name)), found, tuple(files.get(name, {}).values()))
        for name, found in sorted(facts.items())
    ], notes


def _inventory(former: Former, folder: str, manifest: Manifest) -> list[RawFile] | None:
    """Rows of a shard's inventory; None if its bytes are not here."""
    for entry in manifest.entries:
        for path in (former.project / folder / entry.path, former.store.objects.path(entry.sha256)):
            if entry.path == INVENTORY and is_untouched(path, entry.sha256, entry.size):
                return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return None


def _roots(project: Path, domain: str, artifact: str) -> dict[str, str]:
    """Local folders of the sources, from the last run's stamps.

    A record holds paths within a source only.
    """
    shard = "0000" if BY_NAME[artifact].is_sharded else None
    try:
        stamp = parse_stamp((project / stamp_path(domain, artifact, shard)).read_bytes())
    except OSError:
        return {}
    return stamp.roots if stamp is not None else {}


def _where(facts: Mapping[str, Any], root: str | None) -> str:
    if facts.get("repository"):
        return f"{facts['repository']} at {facts['revision']}"
    member = f", member {facts['member']}" if facts.get("member") else ""
    if facts.get("package"):
        return f"{facts['package']} {facts['version']}{member}"
    if facts.get("url"):
        return f"{facts['url']}{member}"
    return root or "local files"


def _made_in_words(made: Made) -> str:
    code = f"code {(made.code_digest or 'unknown')[:12]}"
    code += f" of {made.code_files} files" if made.code_files is not None else ""
    hollow = ", hollow: only its records are here" if made.is_hollow else ""
    return f"{bytes_in_words(made.size_bytes)}, {code}{hollow}"


def _platform_in_words(built: Mapping[str, Any]) -> str:
    if not built:
        return "an unknown platform"
    facts = [
        str(built[name]) for name in ("system", "machine", "cpu_capability", "device", "precision") if built.get(name)
    ]
    return f"Python {built['python']}, {' '.join(facts)}"


def _add_sources(branch: Tree, sources: list[Source]) -> None:
    for source in sources:
        facts = source.facts
        leaf = branch.add(line((f"{facts['role']} {source.name}: {source.where}", "green")))
        leaf.add(line((f"licence {facts['licence']}; authority {facts['authority']}; stance {facts['stance']}", "dim")))
        for row in source.files[:SHOWN_FILES] if not facts["member"] else ():
            size = f" ({bytes_in_words(row['size'])})" if row.get("size") is not None else ""
            leaf.add(line(f"{row['path']}{size}"))
        if len(source.files) > SHOWN_FILES:
            leaf.add(line((f"and {len(source.files) - SHOWN_FILES} more files (--json lists them)", "dim")))


def _add(branch: Tree, lineage: Lineage, label: str, shown: set[str]) -> None:
    made = lineage.made[label]
    for note in made.notes:
        branch.add(line((note, "yellow")))
    _add_sources(branch, [source for source in lineage.sources if source.artifact == label])
    for name in lineage.made:
        if name in made.inputs:
            if name in shown:
                branch.add(line((f"{name} (see above)", "dim")))
                continue
            shown.add(name)
            text = line((name, "bold"), f"  {_made_in_words(lineage.made[name])}")
            _add(branch.add(text), lineage, name, shown)


def _grouped(title: str, lines: Mapping[str, list[str]]) -> Group:
    rows = [line(f"  {text}: {', '.join(names)}") for text, names in lines.items()]
    return Group("", line((title, "bold")), *rows)


def render(lineage: Lineage) -> RenderableType:
    label = lineage.artifact
    text = line((f"{label} of {lineage.domain}", "bold"), f"  {_made_in_words(lineage.made[label])}")
    tree = Tree(text)
    _add(tree, lineage, label, {label})
    platforms: dict[str, list[str]] = {}
    libraries: dict[str, list[str]] = {}
    for name, made in lineage.made.items():
        platforms.setdefault(_platform_in_words(made.built), []).append(name)
        for library, version in made.distributions.items():
            libraries.setdefault(f"{library} {version}", []).append(name)
    return Group(tree, _grouped("libraries", libraries), _grouped("built on", platforms))
