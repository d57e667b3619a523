"""One build: from a stamp to an installed artifact, by the cheapest way that is right.

In: a stamp and the upstream manifests. Out: the artifact installed, and one line in `builds.jsonl`. The ways, in
order: installed and untouched; restored from the action cache by hardlink; built in a temporary folder, recorded,
installed. Two builders of one key meet at a lease, and the second finds the first one's result.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.execute import fetch_declared, install_found, run_stage
from domainlm.hollow import is_hollow, mark_filled, mark_hollow
from domainlm.stage import Resources, StageError
from domainlm.stamps import Stamp, action_of, installed_note
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.install import adopt_installed, install_hollow, is_installed, read_record
from domainlm.store.lease import lease
from domainlm.store.local import Store, append_line
from domainlm.store.location import store_folder
from domainlm.store.manifest import MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.remote import open_remote

LEASE_TIMEOUT_SECONDS = 6 * 3600.0
BUILDS_FILE = ".domainlm/builds.jsonl"


@dataclass(frozen=True)
class Outcome:
    """How a build ended (up_to_date, restored, fetched, built), why, the action key, the tree digest.

    size_bytes: size of the artifact. moved_bytes: what came from the remote.
    """

    outcome: str
    why: str
    key: str
    tree_digest: str
    size_bytes: int
    stats: Mapping[str, Any]
    moved_bytes: int = 0


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


def explain(last: Mapping[str, Any] | None, action: Mapping[str, Any]) -> str:
    """In a few words, what differs from the action that the installed artifact was built from."""
    if last is None:
        return "not built here yet"
    changed = [name for name, value in action.items() if last["action"].get(name) != value]
    return f"changed: {', '.join(changed)}" if changed else "files were missing or touched"


def build(project: Path, stamp: Stamp, resources: Resources, is_requested: bool = True) -> Outcome:
    """Build one artifact or shard. Raises StageError, RemoteError, and LeaseTimeout where another builder never ends.

    is_requested: whether its bytes are wanted; where they are not, a remote's record is enough (hollow).
    """
    store = Store(store_folder(project))
    folder = project / stamp.folder
    action = action_of(stamp, input_digests(project, stamp))
    key = action_key(action)

    def done(outcome: str, why: str, manifest: Manifest, stats: Mapping[str, Any], moved: int = 0) -> Outcome:
        note = installed_note(project, stamp)
        if not note.exists() or note.read_text() != key:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(key)
        return Outcome(outcome, why, key, manifest.tree_digest, manifest.size, stats, moved)

    last = read_record(folder)
    why = explain(last, action)
    # the manifest counts only with the record of this very key beside it
    manifest = read_manifest(folder) if last is not None and last.get("key") == key else None
    if manifest is not None and last is not None:
        if is_hollow(project, stamp.folder, key):
            if not is_requested:
                return done(
                    "up_to_date", "the remote's record of this key is in place; its bytes are not needed", manifest, {}
                )
        elif is_installed(folder, manifest):
            if not store.actions.path(key).exists() and not adopt_installed(folder, manifest, store.objects):
                # a checkout on another machine: without a record here, the next change would lose it
                store.actions.put(key, manifest, last)
            if stamp.artifact == "raw_corpus":
                # the inventory names fetched files that lie in the store: an emptied store gets them again
                fetch_declared(action, store, resources.log)
            return done("up_to_date", "the installed artifact has this key", manifest, {})
    with lease(store.leases, key, LEASE_TIMEOUT_SECONDS, resources.log):
        hit = store.actions.get(key)
        if hit is None and manifest and last and not adopt_installed(folder, manifest, store.objects):
            # the same, by a checkout that copied: the files' times are new
            store.actions.put(key, manifest, last)
            hit = manifest, last
        if hit is not None and (store.has_all(hit[0]) or _is_adoptable(folder, hit[0], store)):
            is_whole, moved = install_found(project, stamp.folder, *hit, store, resources.log)
            if is_whole:
                return done("fetched" if moved else "restored", why, hit[0], {}, moved)
        remote = open_remote(project)
        found = remote.action(key) if remote is not None else None
        if found is not None and (hit is None or hit[0] == found[0]):
            store.actions.put(key, *found)
            if not is_requested:
                install_hollow(folder, *found)
                mark_hollow(project, stamp.folder, key)
                return done("fetched", f"{why}; the bytes stay in the remote until something reads them", found[0], {})
            is_whole, moved = install_found(project, stamp.folder, *found, store, resources.log)
            if is_whole:
                return done("fetched", why, found[0], {}, moved)
            resources.log(f"{remote} has a record of {key[:12]} without all its bytes; it is built here")
        mark_filled(project, stamp.folder)
        manifest, stats = run_stage(project, stamp, key, action, store, resources)
    return done("built", why, manifest, stats)


def _is_adoptable(folder: Path, manifest: Manifest, store: Store) -> bool:
    """Whether the objects that the store lacks are still installed, sound."""
    return read_manifest(folder) == manifest and not adopt_installed(folder, manifest, store.objects)


def recorded_build(project: Path, stamp: Stamp, resources: Resources, is_requested: bool = True) -> Outcome:
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
        outcome = build(project, stamp, resources, is_requested)
        row |= {"outcome": outcome.outcome, "why": outcome.why, "key": outcome.key, "bytes": outcome.size_bytes}
        row["bytes_moved"] = outcome.moved_bytes
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
