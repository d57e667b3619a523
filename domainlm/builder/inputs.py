"""The inputs of a stage, made whole before it runs.

In: a stamp, the store, the remote. Out: folders that hold the files of their manifests, and the installed files of a
recorded artifact. Inputs that are declared or hollow are fetched; damaged ones are repaired. Only what this project's
own stamp declares is downloaded: a record may come from anybody, so it never decides what is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domainlm.builder.hollow import is_hollow, mark_filled, mark_hollow
from domainlm.builder.installed import Installed
from domainlm.builder.one_build import Build
from domainlm.builder.origins import installed_fault, note_origin, recorded_of, trusted_keys
from domainlm.builder.workspace import adopt, installing, say_copies
from domainlm.contract import StageError
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, action_of, parse_stamp
from domainlm.pipeline.table import BY_NAME
from domainlm.sources.fetch import declared_hubs, declared_rows, fetch, fetch_hub
from domainlm.store.actions import Recorded
from domainlm.store.install import install, is_installed, read_record
from domainlm.store.lease import can_lease, lease
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.remote import open_remote

Log = Callable[[str], None]
LEASE_TIMEOUT_SECONDS = 6 * 3600.0


def fetch_declared(
    action: Mapping[str, Any], store: Store, log: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Fetch the declared files of an action that the store lacks.

    Files that the store has undamaged are not fetched. Returns the files of hub revisions by source.
    """
    for row in declared_rows(action):
        fetch(row, store, log)
    return {hub["source"]: fetch_hub(hub, store, log) for hub in declared_hubs(action)}


def install_found(project: Path, folder: str, found: Recorded, store: Store, log: Log) -> tuple[bool, int]:
    """Install an artifact whose record is known.

    What the store lacks is fetched. Returns whether the artifact is whole, and the bytes moved. The record enters the
    store after the bytes, not before: it promises that they are the key's result.
    """
    manifest, key = found.manifest, found.record["key"]
    moved = fetch_missing(project, manifest, store, log)
    with store.guard():
        if not store.has_all(manifest):
            return False, moved
        if not store.actions.path(key).exists() and can_lease(store.leases):
            store.actions.put(key, manifest, found.record, found.origin)
        with installing(project):
            installed = install(project / folder, manifest, found.record, store.objects)
    note_origin(project, folder, key, found.origin)
    say_copies(project, store.root, installed.copied_bytes, log)
    mark_filled(project, folder)
    return True, moved


def fetch_missing(project: Path, manifest: Manifest, store: Store, log: Log) -> int:
    """Fetch the objects that the store lacks; return the bytes moved.

    They come from the remote, if there is one.
    """
    missing = [entry for entry in manifest.entries if not store.objects.has(entry.sha256, entry.size)]
    remote = open_remote(project) if missing else None
    return remote.fetch(missing, store.objects, log) if remote is not None else 0


def own_stamp(project: Path, folder: str) -> Stamp | None:
    """This project's stamp of a folder, or None.

    The stamp declares what is downloaded, and from where. None: there is no stamp, or it is torn. The record beside an
    artifact may be anybody's, so neither is ever taken from it.
    """
    parts = folder.split("/")
    try:
        path = project / stamp_path(parts[1], parts[2], parts[3] if len(parts) > 3 else None)
        return parse_stamp(path.read_bytes())
    except (FileNotFoundError, IndexError):
        return None


def fetch_raw_files(project: Path, folder: str, store: Store, log: Log) -> None:
    """Fetch the files that a shard of raw_corpus lists.

    Its inventory names files that lie in the store alone.
    """
    stamp = own_stamp(project, folder)
    stage = BY_NAME.get(stamp.artifact) if stamp is not None else None
    if stamp is not None and stage is not None and stage.lists_raw_files:
        fetch_declared(action_of(stamp, {}), store, log)


def check_inputs(build: Build) -> None:
    """Make sure that a stage reads what the manifests list.

    Raises StageError, which names the damaged files.
    """
    project, stamp, store, log = build.project, build.stamp, build.store, build.log
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
        installed = Installed(project, folder, manifest, record) if record is not None else None
        if installed is not None and is_hollow(project, folder, installed.key):
            # several stages may read this input, and one of them fetches it
            found = recorded_of(installed)
            with lease(store.leases, installed.key, LEASE_TIMEOUT_SECONDS, log):
                is_whole, _ = install_found(project, folder, found, store, log)
            if not is_whole:
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                mark_hollow(project, folder, installed.key, is_lost=True)
                raise StageError(
                    f"{folder} was taken from the remote's record, and neither the remote nor {store.root} has its "
                    "bytes; run the same command again: it is built here now"
                )
        elif not is_installed(path, manifest):
            wrong = adopt(path, manifest, store.objects, project)
            if wrong and not (installed and install_found(project, folder, recorded_of(installed), store, log)[0]):
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                raise StageError(
                    f"{folder}: {', '.join(wrong[:3])} differ from the manifest and the store has no sound copy; "
                    f"run the same command again: {folder} is built again first"
                )
        # the inventory names fetched files; those that were damaged or collected since are fetched again
        fetch_raw_files(project, folder, store, log)


def hub_config(stamp: Stamp, hub_files: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The files of hub revisions, as a stage is given them.

    Its stamp names the revisions by commit only.
    """
    if BY_NAME[stamp.artifact].declares == "model":
        return {"files": next(iter(hub_files.values()))} if hub_files else {}
    return {"hub_files": hub_files} if hub_files else {}
