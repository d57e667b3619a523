"""One build: from a stamp to an installed artifact, by the cheapest way that is right.

In: a stamp and the upstream manifests. Out: the artifact installed, and one line in `builds.jsonl`. The ways, in
order: installed and untouched; restored from the action cache by hardlink; fetched from the remote, or, where nobody
asked for the bytes, only its records (hollow); built in a temporary folder, recorded, installed. Two builders of one
key meet at a lease, and the second finds the first one's result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.builder.alternatives import Alternative
from domainlm.builder.hits import remote_hit, store_hit
from domainlm.builder.hollow import is_hollow, is_lost, mark_hollow
from domainlm.builder.inputs import LEASE_TIMEOUT_SECONDS, fetch_declared, install_found
from domainlm.builder.origins import note_origin, read_origin, withdraw_installed
from domainlm.builder.run_stage import run_stage
from domainlm.builder.workspace import adopt, bring_to_now, installing
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp, action_of, note_installed
from domainlm.store.actions import Recorded, action_key, is_record_of
from domainlm.store.canonical import sha256_of
from domainlm.store.damage import describe_links, projects_of, remove_from_dvc
from domainlm.store.install import install_hollow, is_installed, read_installed, read_record
from domainlm.store.late_files import LATE_SECONDS, read_late, refresh
from domainlm.store.lease import can_lease, lease
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import MANIFEST_NAME, Manifest
from domainlm.store.remote import open_remote
from domainlm.store.roots import register_workspace
from domainlm.store.sharing import naming_refusals
from domainlm.store.staging import where_permitted
from domainlm.store.trees import write_tree

Log = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a build ended (up_to_date, restored, fetched, built), why, the action key, the tree digest.

    size_bytes: size of the artifact. moved_bytes: what came from the remote. alternative: what differs from an earlier output of
    the key, where there is one. quarantined: digests of damaged objects that this build put aside.
    """

    outcome: str
    why: str
    key: str
    tree_digest: str
    size_bytes: int
    stats: Mapping[str, Any]
    moved_bytes: int = 0
    alternative: Alternative | None = None
    quarantined: tuple[str, ...] = ()


def input_digests(project: Path, stamp: Stamp) -> dict[str, str]:
    """Input name -> tree digest. What another host has just written may show late; then StageError."""
    end = time.monotonic() + LATE_SECONDS
    digests = {}
    for name, folder in stamp.inputs.items():
        data = read_late(project / folder / MANIFEST_NAME, end - time.monotonic())
        if data is None:
            raise StageError(
                f"input {folder} of {stamp.artifact} is not built (looked for {LATE_SECONDS:.0f} s); "
                f"run: snakemake --cores all {stamp.artifact}"
            )
        digests[name] = sha256_of(data)
    return digests


def explain(last: Mapping[str, Any] | None, action: Mapping[str, Any]) -> str:
    """In a few words, what differs from the action that the installed artifact was built from."""
    if last is None:
        return "not built here yet"
    changed = [name for name, value in action.items() if last["action"].get(name) != value]
    return f"changed: {', '.join(changed)}" if changed else "files were missing or touched"


def build(
    project: Path, stamp: Stamp, resources: Resources, is_requested: bool = True, may_run: bool = True
) -> Outcome:
    """Build one artifact or shard. Raises StageError, RemoteError, and LeaseTimeout where another builder never ends.

    is_requested: whether its bytes are wanted; where they are not, a remote's record is enough (hollow). may_run: whether
    the stage is run on a miss (`pull` only brings what is there).
    """
    store = Store(store_folder(project))
    try:
        with naming_refusals(store.root):
            return _build(project, stamp, store, resources, is_requested, may_run)
    finally:
        name_damage(project, store, resources.log)
        bring_to_now(project / folder / MANIFEST_NAME for folder in stamp.inputs.values())


def _build(
    project: Path, stamp: Stamp, store: Store, resources: Resources, is_requested: bool, may_run: bool
) -> Outcome:
    folder = project / stamp.folder
    action = action_of(stamp, input_digests(project, stamp))
    key = action_key(action)
    register_workspace(store.root, project)
    is_requested = is_requested or is_lost(project, stamp.folder, key)
    withdraw_installed(project, stamp.folder, store, resources.log)

    def done(
        outcome: str,
        why: str,
        manifest: Manifest,
        stats: Mapping[str, Any],
        moved: int = 0,
        alternative: Alternative | None = None,
    ) -> Outcome:
        note_installed(project, stamp, key, manifest.tree_digest)
        if outcome != "up_to_date":
            # the one that was replaced was in use until now, too
            for used in {key, key if last is None else last["key"]}:
                store.actions.mark_used(used)
        quarantined = tuple(path.name.split(".")[0] for path in store.objects.quarantined)
        size = manifest.size
        return Outcome(outcome, why, key, manifest.tree_digest, size, stats, moved, alternative, quarantined)

    installed = read_installed(folder)
    last = installed[1] if installed is not None else read_record(folder)
    why = explain(last, action)
    # the manifest counts only with the record of this very action beside it
    manifest = installed[0] if installed is not None and is_record_of(installed[1], key) else None
    if manifest is not None and last is not None:
        if is_hollow(project, stamp.folder, key):
            if not is_requested:
                return done(
                    "up_to_date", "the remote's record of this key is in place; its bytes are not needed", manifest, {}
                )
        elif is_installed(folder, manifest):
            with where_permitted():
                if not store.actions.path(key).exists() and not adopt(folder, manifest, store.objects, project):
                    # a checkout on another machine: without a record here, the next change would lose it
                    store.actions.put(key, manifest, last, read_origin(project, stamp.folder, key))
            if stamp.artifact == "raw_corpus":
                # the inventory names fetched files that lie in the store: an emptied store gets them again
                fetch_declared(action, store, resources.log)
            return done("up_to_date", "the installed artifact has this key", manifest, {})
    if not can_lease(store.leases):
        return done("restored", why, _restored_from_read_only(project, stamp, key, store, resources.log), {})
    with lease(store.leases, key, LEASE_TIMEOUT_SECONDS, resources.log) as has_waited:
        if has_waited:
            refresh(store.actions.path(key).parent)
        hit = store_hit(project, store, key)
        if hit is None and manifest and last and not adopt(folder, manifest, store.objects, project):
            # the same, by a checkout that copied: the files' times are new
            store.actions.put(key, manifest, last, read_origin(project, stamp.folder, key))
            hit = store.actions.find(key)

        def install_whole(found: Recorded) -> tuple[bool, int]:
            values = found.manifest, found.record, store, resources.log, found.origin
            is_whole, moved = install_found(project, stamp.folder, *values)
            if is_whole and stamp.artifact == "raw_corpus":
                # by our own action: the same one, and not because a record says so
                fetch_declared(action, store, resources.log)
            return is_whole, moved

        if hit is not None and (store.has_all(hit.manifest) or not adopt(folder, hit.manifest, store.objects, project)):
            is_whole, moved = install_whole(hit)
            if is_whole:
                return done("fetched" if moved else "restored", why, hit.manifest, {}, moved)
        remote = open_remote(project)
        found = remote_hit(project, remote, stamp, key, action, store, resources.log) if remote is not None else None
        if found is not None and (hit is None or hit.manifest == found.manifest):
            if not is_requested:
                # the store gets no record of what it does not have; its manifest is what `why` compares with later
                write_tree(store.root, found.manifest)
                mark_hollow(project, stamp.folder, key)
                note_origin(project, stamp.folder, key, found.origin)
                with installing(project):
                    install_hollow(folder, found.manifest, found.record)
                what = "the bytes stay in the remote until something reads them"
                return done("fetched", f"{why}; {what}", found.manifest, {})
            is_whole, moved = install_whole(found)
            if is_whole:
                return done("fetched", why, found.manifest, {}, moved)
            resources.log(
                f"{remote} has a record of {key[:12]} without all its bytes; {stamp.folder} is built as if it had none, and "
                "`domainlm push` replaces it"
            )
        for manifest, record in store.actions.alternatives(key):
            # better another output of this very key than the work once more
            if store.has_all(manifest) and install_whole(Recorded(manifest, record))[0]:
                return done(
                    "restored", f"{why}; the first output's bytes are gone, an alternative's are here", manifest, {}
                )
        if not may_run:
            raise StageError(
                f"neither {store.root} nor the remote has all of {stamp.folder} (key {key[:12]}); "
                f"build it: snakemake --cores all {stamp.artifact} --config domain={stamp.domain}"
            )
        manifest, stats, alternative = run_stage(project, stamp, key, action, store, resources)
    return done("built", why, manifest, stats, alternative=alternative)


def name_damage(project: Path, store: Store, log: Callable[[str], None]) -> None:
    """Say what this build put into quarantine and where its other names are; take it out of DVC's cache."""
    for wrong in store.actions.put_aside:
        where = f"; it is kept: {wrong.kept}" if wrong.kept is not None else ""
        log(f"the store's record {wrong.name} does not count: {wrong.reason}{where}")
    if not store.objects.quarantined:
        return
    links = remove_from_dvc(store.objects.quarantined, projects_of(store.root, project))
    for kept, found in links.items():
        said = [f"object {kept.name[:12]} was damaged; its bytes are kept: {kept}", *describe_links(found)]
        log("; ".join(said))


def _restored_from_read_only(
    project: Path, stamp: Stamp, key: str, store: Store, log: Callable[[str], None]
) -> Manifest:
    """Install what a store has that this process may only read; no lease is needed for that. Raises StageError."""
    hit = store_hit(project, store, key)
    if (
        hit is None
        or not store.has_all(hit.manifest)
        or not install_found(project, stamp.folder, hit.manifest, hit.record, store, log, hit.origin)[0]
    ):
        raise StageError(
            f"{stamp.folder} is not in the store {store.root} (key {key[:12]}), and this store cannot be written, so it cannot "
            "be built into it: make it writable, or name another store with DOMAINLM_STORE"
        )
    return hit.manifest
