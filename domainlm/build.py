"""One build: from a stamp to an installed artifact, by the cheapest way that is right.

In: a stamp and the upstream manifests. Out: the artifact installed, and one line in `builds.jsonl`. The ways, in
order: installed and untouched; restored from the action cache by hardlink; built in a temporary folder, recorded,
installed. Two builders of one key meet at a lease, and the second finds the first one's result.
"""

from __future__ import annotations

import importlib
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from domainlm.fetch import fetch, fetch_hub
from domainlm.raw_files import raw_opener
from domainlm.stage import Inputs, Resources, StageError
from domainlm.stamps import Stamp, action_of, installed_note
from domainlm.store.actions import action_key
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.install import adopt_installed, install, is_installed
from domainlm.store.lease import lease
from domainlm.store.local import Store, append_line
from domainlm.store.location import store_folder
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Entry, Manifest, make_manifest, read_manifest

LEASE_TIMEOUT_SECONDS = 6 * 3600.0
BUILDS_FILE = ".domainlm/builds.jsonl"


@dataclass(frozen=True)
class Outcome:
    """How a build ended: up_to_date, restored, built or failed; why; the action key and the tree digest."""

    outcome: str
    why: str
    key: str
    tree_digest: str
    size_bytes: int
    stats: Mapping[str, Any]


def read_stamp(path: Path) -> Stamp:
    """Raises StageError for a stamp that is not there."""
    try:
        return Stamp(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise StageError(f"stamp {path} does not exist; run snakemake, which writes it") from None


def input_digests(project: Path, stamp: Stamp) -> dict[str, str]:
    digests = {}
    for name, folder in stamp.inputs.items():
        path = project / folder / MANIFEST_NAME
        if not path.exists():
            raise StageError(
                f"input {folder} of {stamp.artifact} is not built; run: snakemake --cores all {stamp.artifact}"
            )
        digests[name] = sha256_of(path.read_bytes())
    return digests


def fetch_declared(stamp: Stamp, store: Store, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Fetch what raw_corpus and base_model declare; no other stage touches the network. Returns a hub revision's files."""
    if stamp.artifact == "raw_corpus" and stamp.shard is not None:
        rows = stamp.config["fetched"]
    elif stamp.artifact == "base_model":
        rows = [row for row in stamp.config["files"] if row["origin"] == "fetch"]
    else:
        return []
    for row in rows:
        fetch(row, store, log)
    hub = stamp.config.get("hub")
    return fetch_hub(hub, store, log) if hub is not None else []


def check_inputs(project: Path, stamp: Stamp, store: Store) -> None:
    """Make sure that a stage reads what the manifests say. Raises StageError naming what is damaged."""
    for folder in stamp.inputs.values():
        path = project / folder
        manifest = read_manifest(path)
        if manifest is None:
            raise StageError(f"{folder}/{MANIFEST_NAME} is not a manifest; rebuild it with snakemake")
        if not is_installed(path, manifest):
            wrong = adopt_installed(path, manifest, store.objects)
            if wrong:
                raise StageError(
                    f"{folder}: {', '.join(wrong[:3])} differ from the manifest and the store has no sound copy; "
                    f"remove {folder} and run snakemake again"
                )


def check_distributions(stamp: Stamp) -> None:
    """The installed packages must be the locked ones: their versions are in the key."""
    for name, locked in stamp.distributions.items():
        try:
            found = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            found = "nothing"
        if found != locked:
            raise StageError(
                f"{stamp.artifact} needs {name} {locked} (envs/*.lock), but {found} is installed; "
                "install the locked one, or change the lock file if the other is meant"
            )


def where_built(stamp: Stamp) -> dict[str, Any]:
    """The platform facts that are recorded beside an artifact and are not part of its identity."""
    facts: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine(), "system": sys.platform}
    if stamp.uses_torch:
        import torch

        facts |= {
            "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "cuda": torch.version.cuda,
            "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu",
            "world_size": 1,
        }
    return facts


def run_stage(
    project: Path, stamp: Stamp, key: str, action: Mapping[str, Any], store: Store, resources: Resources
) -> tuple[Manifest, dict[str, Any], Mapping[str, Any]]:
    """Run the stage on a miss; return the manifest that counts, its action record and the stage's figures."""
    check_distributions(stamp)
    hub_files = fetch_declared(stamp, store, resources.log)
    check_inputs(project, stamp, store)
    # the stage's name comes from the stage table; stages themselves import nothing by name
    module = importlib.import_module(f"domainlm.stages.{stamp.artifact}")
    function = module.run_shard if stamp.shard is not None else module.run
    inputs = Inputs(
        {name: project / folder for name, folder in stamp.inputs.items()}, raw_opener(project, stamp, store)
    )
    with store.temporary(key[:16]) as folder:
        out = folder / "out"
        out.mkdir()
        scratch = store.scratch(key)
        config = {**stamp.config, "files": hub_files} if hub_files else stamp.config
        stats = function(inputs, json.loads(canonical_json(config)), out, scratch, resources)
        manifest = store.commit(out)
    if stamp.is_gather:
        manifest = gathered(project, stamp, manifest, store)
    record = {"key": key, "action": dict(action), "built": where_built(stamp)}
    first = store.actions.put(key, manifest, record)
    if first.tree_digest != manifest.tree_digest:
        resources.log(f"this key was built before with other bytes ({first.tree_digest[:16]}); the first stays")
        if not store.has_all(first):
            first = manifest
    store.remove_scratch(key)
    return first, record, stats


def gathered(project: Path, stamp: Stamp, own: Manifest, store: Store) -> Manifest:
    """Manifest of a sharded artifact: its own files and those of every shard below NNNN/."""
    entries = list(own.entries)
    for shard, folder in stamp.inputs.items():
        manifest = read_manifest(project / folder)
        assert manifest is not None
        wrong = adopt_installed(project / folder, manifest, store.objects)
        assert not wrong
        entries += [Entry(f"{shard}/{entry.path}", entry.sha256, entry.size) for entry in manifest.entries]
    return make_manifest(entries)


def last_record(folder: Path) -> dict[str, Any] | None:
    """The action record of the installed artifact."""
    try:
        record = json.loads((folder / ACTION_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("action"), dict) else None


def explain(last: Mapping[str, Any] | None, action: Mapping[str, Any]) -> str:
    """In a few words, what differs from the action that the installed artifact was built from."""
    if last is None:
        return "not built here yet"
    changed = [name for name, value in action.items() if last["action"].get(name) != value]
    return f"changed: {', '.join(changed)}" if changed else "files were missing or touched"


def build(project: Path, stamp: Stamp, resources: Resources) -> Outcome:
    """Build one artifact or shard. Raises StageError, and LeaseTimeout where another builder never ends."""
    store = Store(store_folder(project))
    folder = project / stamp.folder
    action = action_of(stamp, input_digests(project, stamp))
    key = action_key(action)

    def done(outcome: str, why: str, manifest: Manifest, stats: Mapping[str, Any]) -> Outcome:
        note = installed_note(project, stamp)
        if not note.exists() or note.read_text() != key:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(key)
        return Outcome(outcome, why, key, manifest.tree_digest, manifest.size, stats)

    if stamp.artifact == "raw_corpus":
        # the inventory names fetched files that lie in the store: a new or emptied store gets them again
        fetch_declared(stamp, store, resources.log)
    last = last_record(folder)
    why = explain(last, action)
    # the manifest counts only with the record of this very key beside it
    manifest = read_manifest(folder) if last is not None and last.get("key") == key else None
    if manifest is not None and last is not None and is_installed(folder, manifest):
        if not store.actions.path(key).exists() and not adopt_installed(folder, manifest, store.objects):
            # a checkout on another machine: without a record here, the next change would lose it
            store.actions.put(key, manifest, last)
        return done("up_to_date", "the installed artifact has this key", manifest, {})
    with lease(store.leases, key, LEASE_TIMEOUT_SECONDS, resources.log):
        hit = store.actions.get(key)
        if hit is None and manifest and last and not adopt_installed(folder, manifest, store.objects):
            # the same, by a checkout that copied: the files' times are new
            store.actions.put(key, manifest, last)
            hit = manifest, last
        if hit is not None and (store.has_all(hit[0]) or _is_adoptable(folder, hit[0], store)):
            install(folder, hit[0], hit[1], store.objects)
            return done("restored", why, hit[0], {})
        manifest, record, stats = run_stage(project, stamp, key, action, store, resources)
        installed = install(folder, manifest, record, store.objects)
        if installed.copied_bytes:
            resources.log(f"{installed.copied_bytes} bytes were copied: {folder} and {store.root} cannot share links")
    return done("built", why, manifest, stats)


def _is_adoptable(folder: Path, manifest: Manifest, store: Store) -> bool:
    """Whether the objects that the store lacks are still installed, sound."""
    return read_manifest(folder) == manifest and not adopt_installed(folder, manifest, store.objects)


def recorded_build(project: Path, stamp: Stamp, resources: Resources) -> Outcome:
    """`build`, with one line in builds.jsonl and in the store's history whatever happens."""
    began = time.monotonic()
    row: dict[str, Any] = {
        "artifact": stamp.artifact,
        "shard": stamp.shard,
        "domain": stamp.domain,
        "device": "cpu",
        "threads": resources.threads,
    }
    try:
        outcome = build(project, stamp, resources)
        row |= {"outcome": outcome.outcome, "why": outcome.why, "key": outcome.key, "bytes": outcome.size_bytes}
        row |= {"tree_digest": outcome.tree_digest, "stats": dict(outcome.stats)}
        return outcome
    except BaseException as error:
        row |= {"outcome": "failed", "why": f"{type(error).__name__}: {error}"[:500]}
        raise
    finally:
        row["seconds"] = round(time.monotonic() - began, 3)
        row["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        row["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        append_line(project / BUILDS_FILE, row)
        if row["outcome"] == "built":
            Store(store_folder(project)).append_history(row)
