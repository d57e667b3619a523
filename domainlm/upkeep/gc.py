"""`domainlm gc`: collect the store, and pin artifacts to keep.

In: a project, limits of age and size; or the name of a pin. Out: a smaller store and a report: the removed records,
the freed bytes, and the cost of building them again.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from domainlm.sources.fetch import declared_digests
from domainlm.store.canonical import sha256_of_file
from domainlm.store.collect import Collection, Limits, Removed, collect
from domainlm.store.install import read_record
from domainlm.store.inventory import read_records
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import MANIFEST_NAME
from domainlm.store.roots import Pin, PinError, write_pin
from domainlm.terminal import line
from domainlm.upkeep.workspace_needs import find_roots, installed_folders
from domainlm.wording import bytes_in_words, seconds_in_words

SECONDS_PER_DAY = 86_400.0
_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)B?$", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
Log = Callable[[str], None]


def size_of(text: str) -> int:
    """Bytes of '50G', '1.5 TB', '200M', '4096'; powers of 1000. Raises ValueError."""
    found = _SIZE.match(text.strip())
    if found is None:
        raise ValueError(f"size {text!r}; expected a number and a unit of 1000, as in 500M, 50G or 1.5T")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def collect_garbage(project: Path, keep_days: float, max_bytes: int | None, is_dry_run: bool, log: Log) -> Collection:
    """Collect the project's store.

    Raises CollectionError, and OSError if the store cannot be written.
    """
    store = Store(store_folder(project))
    limits = Limits(keep_days * SECONDS_PER_DAY, max_bytes)
    return collect(
        store, partial(find_roots, store, project), partial(declared_digests, store), limits, is_dry_run, log
    )


def pin_artifact(project: Path, domain: str, artifact: str, name: str) -> Pin:
    """Pin an installed artifact and all its inputs under a name.

    Raises PinError.
    """
    store = Store(store_folder(project))
    folder = project / "artifacts" / domain / artifact
    record = read_record(folder)
    if record is None or not (folder / MANIFEST_NAME).exists():
        raise PinError(
            f"{artifact} of {domain} is not built here, so there is nothing to pin; run snakemake {artifact} first"
        )
    with store.guard():
        if store.actions.get(record["key"]) is None:
            raise PinError(
                f"the store {store.root} has no record of the installed {artifact}; "
                f"run: python -m domainlm build {artifact} --domain {domain}"
            )
        keys = (record["key"], *upstream_keys(store, project, record["key"]))
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        pin = Pin(name, domain, artifact, keys, str(project.resolve()), moment)
        write_pin(store.root, pin)
    return pin


def upstream_keys(store: Store, project: Path, key: str) -> list[str]:
    """Keys of everything that an artifact was made from, nearest first.

    Only records in the store are followed. An action names its inputs by content. If several actions gave the same
    output, the installed one counts, else the one that was used last.
    """
    records = read_records(store, lambda action: declared_digests(store, action))
    maker = {tree: r.key for r in sorted(records.values(), key=lambda record: record.used) for tree in r.outputs}
    for folder in installed_folders(project):
        manifest, record = folder / MANIFEST_NAME, read_record(folder)
        if manifest.exists() and record is not None and record["key"] in records:
            maker[sha256_of_file(manifest)] = record["key"]
    found = [key]
    for name in found:
        if name in records:
            found += sorted({maker[tree] for tree in records[name].inputs if tree in maker} - set(found))
    return found[1:]


def as_json(found: Collection, is_dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": is_dry_run,
        "removed": [asdict(row) for row in found.removed],
        "seconds_to_rebuild": round(sum(row.seconds or 0.0 for row in found.removed), 3),
        "objects": found.objects,
        "removed_bytes": found.removed_bytes,
        "freed_bytes": found.freed_bytes,
        "held_bytes": found.held_bytes,
        "scratch": found.scratch_keys,
        "kept_records": found.kept_records,
        "kept_bytes": found.kept_bytes,
        "max_bytes": found.max_bytes,
        "is_within_limit": found.is_within_limit,
        "roots": {why: len(keys) for why, keys in found.roots.keys.items()},
        "gone_workspaces": [os.fspath(path) for path in found.roots.gone_workspaces],
        "notes": list(found.roots.notes),
    }


def print_report(found: Collection, is_dry_run: bool, console: Console) -> None:
    """A row per artifact and domain, then the sums."""
    verb = "would be removed" if is_dry_run else "removed"
    if found.removed:
        table = Table(title=f"Records and their bytes: {verb}", title_justify="left")
        for name in ("artifact", "domain"):
            table.add_column(name, no_wrap=True)
        for name in ("results", "shards", "bytes", "last used", "cost"):
            table.add_column(name, justify="right", no_wrap=True)
        for (artifact, domain), rows in _groups(found.removed):
            shards = sum(row.is_shard for row in rows)
            used = time.strftime("%Y-%m-%d", time.localtime(max(row.used for row in rows)))
            size = bytes_in_words(sum(row.size for row in rows))
            table.add_row(line(artifact), line(domain), str(len(rows) - shards), str(shards), size, used, _cost(rows))
        console.print(table)
        console.print(f"to rebuild all of it: {_cost(found.removed)}")
    for path in found.roots.gone_workspaces:
        console.print(line(f"workspace {path} no longer exists; it keeps nothing any more"), soft_wrap=True)
    for note in found.roots.notes:
        console.print(line(note), soft_wrap=True)
    if found.scratch_keys:
        console.print(f"checkpoints of {len(found.scratch_keys)} unfinished builds: {verb}")
    console.print(
        f"{found.objects} objects, {bytes_in_words(found.removed_bytes)} in all {verb}: "
        f"{bytes_in_words(found.freed_bytes)} free on disk, {bytes_in_words(found.held_bytes)} still held by links elsewhere",
        soft_wrap=True,
    )
    roots = ", ".join(f"{len(keys)} {why}" for why, keys in found.roots.keys.items())
    kept = f"kept: {found.kept_records} records, {bytes_in_words(found.kept_bytes)}; roots: {roots}"
    console.print(line(kept), soft_wrap=True)
    if not found.is_within_limit and found.max_bytes is not None:
        console.print(
            f"the limit of {bytes_in_words(found.max_bytes)} is not reached: the rest is in use (installed, pinned, in a "
            "dvc.lock, being built); unpin something, or remove artifacts that are no longer needed",
            soft_wrap=True,
        )


def print_pins(pins: list[Pin], console: Console) -> None:
    if not pins:
        console.print("no pins")
        return
    table = Table()
    for name in ("pin", "domain", "artifact", "made", "records"):
        table.add_column(name, no_wrap=True)
    table.add_column("workspace", overflow="fold")
    for pin in pins:
        row = (pin.name, pin.domain, pin.artifact, pin.time, str(len(pin.keys)), pin.workspace)
        table.add_row(*map(line, row))
    console.print(table)


def _groups(removed: Iterable[Removed]) -> list[tuple[tuple[str, str], list[Removed]]]:
    groups: dict[tuple[str, str], list[Removed]] = {}
    for row in removed:
        groups.setdefault((row.artifact, row.domain or "?"), []).append(row)
    return list(groups.items())


def _cost(rows: Iterable[Removed]) -> str:
    known = [row.seconds for row in rows if row.seconds is not None]
    unknown = len(list(rows)) - len(known)
    words = seconds_in_words(sum(known))
    return f"{words} and {unknown} unknown" if unknown else words
