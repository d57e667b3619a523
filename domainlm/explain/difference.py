"""The differences between two actions of an artifact, field by field.

In: former and present actions (of a whole artifact, or of all its shards), and lookups of the contents behind their
digests. Out: a list of `Difference`s that name knobs, functions, files and versions, never digests. Property kept:
equal actions give no difference, and different ones at least one, even if it only says that the former record is not
known. A text diff of two action.json files would show that a digest changed, which the reader knows already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domainlm.builder.outlook import Outlook
from domainlm.explain.action_form import is_readable
from domainlm.pipeline.slices import derived_names, knob_paths, listed_names
from domainlm.raw.label_names import LABELS
from domainlm.store.canonical import canonical_json
from domainlm.store.canonical_code import ORDER, OTHER_STATEMENTS, WHOLE_FILE
from domainlm.store.install import read_record
from domainlm.store.manifest import Manifest
from domainlm.wording import bytes_in_words, value_in_words

Action = Mapping[str, Any]
# shard (None: the whole) -> former action (None: there is none), present action (None: the shard is no more)
Pairs = Mapping[str | None, tuple[Action | None, Action | None]]
Definitions = Mapping[str, Mapping[str, str]]
FACTS = ("role", *LABELS, "format", "media_type", "charset", "messages_from", "is_copied")
# key of a row -> knob that it comes from, where they differ
KNOBS = {"is_copied": "copy"}
# those of an archive, whose members the stage finds, and of what is fetched
DECLARED = ("include", "exclude", "labels", "label_table")
ORIGIN = ("package", "version", "kind", "url", "member", "repository", "revision", "patterns", "sha256", *DECLARED)
SHOWN_PARTS = 5
PLAIN_NAMES = {OTHER_STATEMENTS: "imports or other statements", ORDER: "order of definitions", WHOLE_FILE: "the file"}


@dataclass(frozen=True)
class Difference:
    """One reason.

    kind: config, source, raw_file, code, distribution, input, schema, new (no former action), unknown (former action not
    kept, or unreadable), files (the installed files are missing or not as built). change: changed, added, removed,
    relabelled, pending (an input that is built first), unreadable. parts: (change, name) of definitions or files. shards:
    those it holds for; empty for a whole artifact.
    """

    kind: str
    name: str
    change: str
    old: Any = None
    new: Any = None
    parts: tuple[tuple[str, str], ...] = ()
    shards: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        parts = [{"change": change, "name": name} for change, name in self.parts]
        row = {"kind": self.kind, "name": self.name, "change": self.change, "old": self.old, "new": self.new}
        return {**row, "parts": parts, "shards": list(self.shards), "text": in_words(self)}


@dataclass(frozen=True)
class Lookups:
    """The contents behind digests; None if they were not kept.

    They are definitions by code digest, and manifests by tree digest.
    """

    code: Callable[[str], Definitions | None]
    tree: Callable[[str], Manifest | None]


def _parts_in_words(parts: tuple[tuple[str, str], ...]) -> str:
    shown = [f"{PLAIN_NAMES.get(name, name)} {change}" for change, name in parts[:SHOWN_PARTS]]
    more = len(parts) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def in_words(difference: Difference) -> str:
    """One line."""
    kind, name, change = difference.kind, difference.name, difference.change
    old, new = value_in_words(difference.old), value_in_words(difference.new)
    values = {"added": f"{new} (not there before)", "removed": f"{old} (no longer there)"}.get(change, f"{old} → {new}")
    parts = _parts_in_words(difference.parts)
    if kind == "input":
        text = {
            "pending": f"{name} is built first and may come out different",
            "added": f"{name} is an input now",
            "removed": f"{name} is no longer an input",
        }.get(change, f"{name} changed{f' ({parts})' if parts else ' (its former files are not known)'}")
        return f"input {text}"
    if kind == "code":
        return f"code {name}{f': {parts}' if parts else f' {change}'}"
    if kind == "source" and difference.parts:
        return f"{name} {values} ({len(difference.parts)} file{'s' if len(difference.parts) > 1 else ''}: {parts})"
    if kind == "raw_file":
        sizes = [bytes_in_words(size) for size in (difference.old, difference.new) if size is not None]
        was = "same size" if len(set(sizes)) == 1 else " → ".join(sizes)
        return f"raw file {name} {change}" + (f" ({was})" if change == "changed" else "")
    return {
        "new": "not built here yet",
        "unknown": f"the former record of {name} {'cannot be read' if change == 'unreadable' else 'is not kept here'}",
        "files": "its files are missing, or were written to",
        "schema": f"the form of action keys {values}",
    }.get(kind, f"{kind} {name} {values}" if kind != "source" else f"{name} {values}")


def _compared(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Difference(kind, name, "removed", old=old[name])
        elif name not in old:
            yield Difference(kind, name, "added", new=new[name])
        elif old[name] != new[name]:
            yield Difference(kind, name, "changed", old[name], new[name])


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flattened(f"{prefix}.{key}", item)
    else:
        yield prefix, value


def knobs(action: Action) -> dict[str, Any]:
    """Configuration of an action by dotted path, as in config.yaml.

    Rows of sources are not in it. A value that is computed from a knob, or that slices had in an earlier version, has its own name.
    """
    artifact = action["artifact"].removesuffix("_shard")
    paths, listed, derived = knob_paths(artifact), listed_names(artifact), derived_names(artifact)
    found: dict[str, Any] = {}
    for key, value in action["config"].items():
        if key in derived and isinstance(value, bool | str):
            found[f"{paths[key]} ({key})"] = value
        elif key in derived:
            # where the knob itself is in the section, its change is named already
            if not paths[key].startswith(f"{artifact}."):
                found.update((f"{paths[key]} ({name})", what) for name, what in _models(value))
        elif key not in listed:
            found.update(_flattened(paths.get(key, key), value))
    return found


def _models(value: Any) -> Iterator[tuple[str, str]]:
    """Models of a slice as name and artifacts."""
    for model in value if isinstance(value, list) else [value]:
        yield model["name"], " + ".join(each for each in (model["checkpoint"], model["adapter"]) if each)


def changed_names(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """(change, name) of each difference between two mappings of digests."""
    return tuple((difference.change, difference.name) for difference in _compared("", old, new))


def code_differences(artifact: str, old: Definitions | None, new: Definitions | None) -> Iterator[Difference]:
    """One difference per file whose definitions changed."""
    if old is None or new is None:
        yield Difference("code", f"of {artifact} or of its imports", "changed (the former code was not recorded)")
        return
    for file in sorted({*old, *new}):
        if file not in old or file not in new:
            yield Difference("code", file, "added" if file in new else "removed")
            continue
        parts = changed_names(old[file], new[file])
        # the order shows by itself only where nothing else does
        named = tuple(part for part in parts if part[1] != ORDER)
        if parts:
            yield Difference("code", file, "changed", parts=named or parts)


def input_differences(old: Mapping[str, str], new: Mapping[str, str | None], lookups: Lookups) -> Iterator[Difference]:
    """The differences of inputs.

    new: input -> tree digest, or None for one that is built first.
    """
    for difference in _compared("input", old, new):
        parts: tuple[tuple[str, str], ...] = ()
        change = difference.change
        if change == "changed" and difference.new is None:
            change = "pending"
        elif change == "changed":
            before, after = lookups.tree(difference.old), lookups.tree(difference.new)
            if before is not None and after is not None:
                parts = changed_names(
                    {entry.path: entry.sha256 for entry in before.entries},
                    {entry.path: entry.sha256 for entry in after.entries},
                )
        yield Difference("input", difference.name, change, parts=parts)


def _source_rows(actions: Iterable[Action]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Local raw files by 'source/path', and fetches by source."""
    files: dict[str, Any] = {}
    origins: dict[str, Any] = {}
    for action in actions:
        config = action["config"]
        # an action has the lists that its kind of source needs
        for row in (row for name in ("files", "fetched", "hubs") for row in config.get(name) or []):
            if row.get("origin") == "local":
                files[f"{row['source']}/{row['path']}"] = row
            else:
                origins[row["source"]] = row
        if config.get("hub"):
            origins[config["hub"]["source"]] = {**config["source"], **config["hub"]}
    return files, origins


def source_differences(old: Iterable[Action], new: Iterable[Action]) -> Iterator[Difference]:
    """Raw files added, removed, changed or relabelled, and changed fetches."""
    (old_files, old_origins), (new_files, new_origins) = _source_rows(old), _source_rows(new)
    relabelled: dict[bytes, Difference] = {}
    for name in sorted({*old_files, *new_files}):
        before, after = old_files.get(name), new_files.get(name)
        if before is None or after is None:
            yield Difference("raw_file", name, "added" if before is None else "removed")
            continue
        if before.get("sha256") != after.get("sha256"):
            yield Difference("raw_file", name, "changed", before.get("size"), after.get("size"))
        for label in (*FACTS, *DECLARED):
            if before.get(label) != after.get(label):
                key = canonical_json([after["source"], label, before.get(label), after.get(label)])
                found = relabelled.get(key) or Difference(
                    "source",
                    f"sources.{after['source']}.{KNOBS.get(label, label)}",
                    "relabelled",
                    before.get(label),
                    after.get(label),
                )
                relabelled[key] = replace(found, parts=(*found.parts, ("relabelled", name)))
    yield from relabelled.values()
    for name in sorted({*old_origins, *new_origins}):
        before, after = old_origins.get(name), new_origins.get(name)
        if before is None or after is None:
            row = before if before is not None else new_origins[name]
            address = (row.get("package") or row.get("repository"), row.get("version") or row.get("revision"))
            what = row.get("url") or " ".join(map(str, address))
            change = "added" if before is None else "removed"
            yield Difference("source", f"sources.{name}", change, *((None, what) if before is None else (what, None)))
            continue
        for field in (*ORIGIN, *FACTS):
            if before.get(field) != after.get(field):
                values = (before.get(field), after.get(field))
                values = ("the declared digest", "another one") if field == "sha256" else values
                yield Difference("source", f"sources.{name}.{field}", "changed", *values)


def _action_differences(old: Action, new: Action, lookups: Lookups) -> Iterator[Difference]:
    artifact = new["artifact"].removesuffix("_shard")
    yield from _compared("schema", {"schema": old.get("schema")}, {"schema": new.get("schema")})
    yield from _compared("config", knobs(old), knobs(new))
    if old["code"] != new["code"]:
        yield from code_differences(artifact, lookups.code(old["code"]), lookups.code(new["code"]))
    yield from _compared("distribution", old["distributions"], new["distributions"])
    # a gather's inputs are the shards of the same artifact, which speak for themselves
    is_own_shard = str.isdigit
    yield from input_differences(
        {name: digest for name, digest in old["inputs"].items() if not is_own_shard(name)},
        {name: digest for name, digest in new["inputs"].items() if not is_own_shard(name)},
        lookups,
    )


def artifact_differences(pairs: Pairs, lookups: Lookups, missing: str = "new") -> list[Difference]:
    """The differences of an artifact.

    missing: kind of the difference if there is no former action (new, unknown). A former action that others broke is
    one difference.
    """
    merged: dict[bytes, Difference] = {}
    shards: dict[bytes, list[str]] = {}
    for shard, (old, new) in pairs.items():
        if new is None:
            continue
        name = new["artifact"].removesuffix("_shard")
        if old is None:
            found: Iterable[Difference] = [Difference(missing, name, "added")]
        elif not is_readable(old):
            found = [Difference("unknown", name, "unreadable")]
        else:
            found = _action_differences(old, new, lookups)
        for difference in found:
            key = canonical_json([difference.kind, difference.name, difference.change, difference.old, difference.new])
            parts = difference.parts
            if difference.kind == "input" and shard is not None:
                parts = tuple((change, f"{shard}/{part}") for change, part in parts)
            known = merged.get(key)
            parts = tuple(dict.fromkeys((*known.parts, *parts))) if known is not None else parts
            merged[key] = replace(difference, parts=parts)
            shards.setdefault(key, []).extend([shard] if shard is not None else [])
    former = [old for old, _ in pairs.values() if old is not None and is_readable(old)]
    present = [new for _, new in pairs.values() if new is not None]
    sources = list(source_differences(former, present)) if former else []
    return sources + [replace(difference, shards=tuple(shards[key])) for key, difference in merged.items()]


def former_pairs(project: Path, outlooks: Iterable[Outlook]) -> dict[str | None, tuple[Action | None, Action | None]]:
    """Installed and present actions of one artifact, by shard.

    Former shards are included as long as their records are here.
    """
    pairs: dict[str | None, tuple[Action | None, Action | None]] = {}
    for outlook in outlooks:
        pairs[outlook.stamp.shard] = (outlook.last["action"] if outlook.last is not None else None, outlook.action)
        if outlook.stamp.is_gather and outlook.last is not None:
            for shard in set(outlook.last["action"]["inputs"]) - set(outlook.stamp.inputs):
                record = read_record(project / outlook.stamp.folder / shard)
                pairs[shard] = (record["action"] if record is not None else None, None)
    return pairs
