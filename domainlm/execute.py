"""Running one stage on a miss: its inputs made whole, its output recorded and installed.

In: a stamp, its action and key. Out: the artifact in the store and in the workspace. Nothing is visible before it is
whole: the stage writes into a temporary folder of the store, the record comes after the bytes, the manifest last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from domainlm.alternatives import Alternative, compare_outputs, where_built
from domainlm.fetch import declared_hubs, declared_rows, fetch, fetch_hub
from domainlm.hollow import is_hollow, mark_filled, mark_hollow
from domainlm.origins import installed_fault, note_origin, read_origin, trusted_keys
from domainlm.raw_files import raw_opener
from domainlm.stage import Inputs, Resources, StageError
from domainlm.stage_code import load_code, running
from domainlm.stamp import Stamp, action_of, parse_stamp, stamp_path
from domainlm.store.actions import Origin
from domainlm.store.canonical import canonical_json
from domainlm.store.install import install, is_installed, read_record
from domainlm.store.lease import can_lease, lease
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Entry, Manifest, make_manifest, read_manifest
from domainlm.store.remote import open_remote
from domainlm.store.sharing import share, sharing_umask
from domainlm.workspace import adopt, changed, check_unchanged, installations, installing, naming_full_disk, say_copies

Log = Callable[[str], None]
Output = tuple[Manifest, Mapping[str, Any]]
LEASE_TIMEOUT_SECONDS = 6 * 3600.0


def fetch_declared(
    action: Mapping[str, Any], store: Store, log: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Fetch what an action declares and the store has not, sound. Returns the files of hub revisions by source."""
    for row in declared_rows(action):
        fetch(row, store, log)
    return {hub["source"]: fetch_hub(hub, store, log) for hub in declared_hubs(action)}


def install_found(
    project: Path,
    folder: str,
    manifest: Manifest,
    record: Mapping[str, Any],
    store: Store,
    log: Log,
    origin: Origin | None,
) -> tuple[bool, int]:
    """Install an artifact whose record is known, fetching what the store lacks; (whether it is whole, bytes moved).

    origin: where the record came from. It enters the store when its bytes are here, not before: a record is a promise that
    they are what the key gave.
    """
    moved = fetch_missing(project, manifest, store, log)
    key = record["key"]
    with store.guard():
        if not store.has_all(manifest):
            return False, moved
        if not store.actions.path(key).exists() and can_lease(store.leases):
            store.actions.put(key, manifest, record, origin)
        with installing(project):
            installed = install(project / folder, manifest, record, store.objects)
    note_origin(project, folder, key, origin)
    say_copies(project, store.root, installed.copied_bytes, log)
    mark_filled(project, folder)
    return True, moved


def fetch_missing(project: Path, manifest: Manifest, store: Store, log: Log) -> int:
    """Fetch the objects that the store lacks from the remote, if there is one; return the bytes moved."""
    missing = [entry for entry in manifest.entries if not store.objects.has(entry.sha256, entry.size)]
    remote = open_remote(project) if missing else None
    return remote.fetch(missing, store.objects, log) if remote is not None else 0


def own_action(project: Path, folder: str) -> dict[str, Any] | None:
    """What this project's stamp of a folder declares: artifact and configuration; None where there is no stamp.

    The record beside an artifact may be anybody's. What is downloaded, and from where, is never taken from it.
    """
    parts = folder.split("/")
    try:
        path = project / stamp_path(parts[1], parts[2], parts[3] if len(parts) > 3 else None)
        stamp = parse_stamp(path.read_bytes())
    except (FileNotFoundError, IndexError):
        return None
    return action_of(stamp, {}) if stamp is not None else None


def fetch_raw_files(project: Path, folder: str, store: Store, log: Log) -> None:
    """Fetch what a shard of raw_corpus lists: its inventory names files that lie in the store alone."""
    action = own_action(project, folder)
    if action is not None and action["artifact"] == "raw_corpus_shard":
        fetch_declared(action, store, log)


def check_inputs(project: Path, stamp: Stamp, store: Store, log: Log) -> None:
    """Make sure that a stage reads what the manifests say. Raises StageError naming what is damaged."""
    keys = trusted_keys(project)
    for folder in stamp.inputs.values():
        path = project / folder
        fault = installed_fault(project, folder, store, keys) if keys is not None else None
        if fault is not None:
            (path / MANIFEST_NAME).unlink(missing_ok=True)
            raise StageError(
                f"{folder} does not count: {fault}; run the same command again: it is fetched where somebody trusted signed it, "
                "else built here"
            )
        manifest, record = read_manifest(path), read_record(path)
        if manifest is None:
            raise StageError(f"{folder}/{MANIFEST_NAME} is not a manifest; rebuild it with snakemake")
        if record is not None and is_hollow(project, folder, record["key"]):
            # several stages may read it: one of them fetches
            origin = read_origin(project, folder, record["key"])
            with lease(store.leases, record["key"], LEASE_TIMEOUT_SECONDS, log):
                is_whole, _ = install_found(project, folder, manifest, record, store, log, origin)
            if not is_whole:
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                mark_hollow(project, folder, record["key"], is_lost=True)
                raise StageError(
                    f"{folder} was taken from the remote's record, and neither the remote nor {store.root} has its "
                    "bytes; run the same command again: it is built here now"
                )
        elif not is_installed(path, manifest):
            wrong = adopt(path, manifest, store.objects, project)
            if wrong and not (record and _installed_again(project, folder, manifest, record, store, log)):
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                raise StageError(
                    f"{folder}: {', '.join(wrong[:3])} differ from the manifest and the store has no sound copy; "
                    f"run the same command again: {folder} is built again first"
                )
        # the inventory names fetched files; one that was damaged or collected since is fetched again
        fetch_raw_files(project, folder, store, log)


def _installed_again(
    project: Path, folder: str, manifest: Manifest, record: Mapping[str, Any], store: Store, log: Log
) -> bool:
    origin = read_origin(project, folder, record["key"])
    return install_found(project, folder, manifest, record, store, log, origin)[0]


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


def run_stage(
    project: Path, stamp: Stamp, key: str, action: Mapping[str, Any], store: Store, resources: Resources
) -> tuple[Manifest, Mapping[str, Any], Alternative | None]:
    """Run the stage on a miss, record and install its output.

    Returns the manifest that counts, the stage's figures, and what differs from an earlier output of the key, if there was one.
    """
    with store.temporary(key[:16]) as folder:
        out = folder / "out"
        out.mkdir()
        share(out)
        stats = run_into(project, stamp, action, store, resources, out, store.scratch(key))
        with store.guard():
            first, second = record_output(project, stamp, key, action, store, resources, out)
            # an earlier output whose bytes are gone cannot be installed, but it stays the one on record
            counts = first if store.has_all(first[0]) else second
            with installing(project):
                installed = install(project / stamp.folder, *counts, store.objects)
            alternative = compare_outputs(store, first, second)
    note_origin(project, stamp.folder, key, None)
    mark_filled(project, stamp.folder)
    if alternative is not None:
        resources.log(alternative.in_words())
    say_copies(project, store.root, installed.copied_bytes, resources.log)
    store.remove_scratch(key)
    return counts[0], stats, alternative


def run_into(
    project: Path,
    stamp: Stamp,
    action: Mapping[str, Any],
    store: Store,
    resources: Resources,
    out: Path,
    scratch: Path,
) -> Mapping[str, Any]:
    """Run the stage into an empty folder, its inputs made whole before; returns its figures."""
    check_distributions(stamp)
    hub_files = fetch_declared(action, store, resources.log)
    check_inputs(project, stamp, store, resources.log)
    before = installations(project, stamp)
    code = load_code(project, stamp, store)
    function = code.module.run_shard if stamp.shard is not None else code.module.run
    folders = {name: project / folder for name, folder in stamp.inputs.items()}
    inputs = Inputs(folders, raw_opener(project, stamp, store))
    config = {**stamp.config, **hub_config(stamp, hub_files)}
    with naming_full_disk(project, store.root), sharing_umask(store.root), running(stamp, code):
        try:
            stats: Mapping[str, Any] = function(inputs, json.loads(canonical_json(config)), out, scratch, resources)
        finally:
            # whatever a stage says of an input that was taken away under it, this is the cause
            check_unchanged(project, stamp, action["inputs"], before)
    return stats


def hub_config(stamp: Stamp, hub_files: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What a stage is told of the files of hub revisions, which its stamp names by commit only."""
    if stamp.artifact == "base_model":
        return {"files": next(iter(hub_files.values()))} if hub_files else {}
    return {"hub_files": hub_files} if hub_files else {}


def record_output(
    project: Path, stamp: Stamp, key: str, action: Mapping[str, Any], store: Store, resources: Resources, out: Path
) -> tuple[Output, Output]:
    """Put an output into the store under its key; returns the first output of the key and this one. Call it under the guard."""
    manifest = store.commit(out)
    if stamp.is_gather:
        manifest = gathered(project, stamp, action["inputs"], manifest, store)
    record = {"key": key, "action": dict(action), "built": where_built(stamp, resources)}
    store.actions.put_wrong_aside(key)
    first = store.actions.get(key) or (manifest, record)
    store.actions.put(key, manifest, record)
    return first, (manifest, record)


def gathered(project: Path, stamp: Stamp, digests: Mapping[str, str], own: Manifest, store: Store) -> Manifest:
    """Manifest of a sharded artifact: its own files and those of every shard below NNNN/."""
    entries = list(own.entries)
    for shard, folder in stamp.inputs.items():
        manifest = read_manifest(project / folder)
        if (
            manifest is None
            or manifest.tree_digest != digests[shard]
            or adopt(project / folder, manifest, store.objects, project)
        ):
            raise changed(folder, stamp)
        entries += [Entry(f"{shard}/{entry.path}", entry.sha256, entry.size) for entry in manifest.entries]
    return make_manifest(entries)
