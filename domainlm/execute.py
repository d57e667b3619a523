"""Running one stage on a miss: its inputs made whole, its output recorded and installed.

In: a stamp, its action and key. Out: the artifact in the store and in the workspace. Nothing is visible before it is
whole: the stage writes into a temporary folder of the store, the record comes after the bytes, the manifest last.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from domainlm.fetch import fetch, fetch_hub
from domainlm.hollow import is_hollow, mark_filled
from domainlm.raw_files import raw_opener
from domainlm.stage import Inputs, Resources, StageError
from domainlm.stamps import Stamp
from domainlm.store.canonical import canonical_json
from domainlm.store.install import adopt_installed, install, is_installed, read_record
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Entry, Manifest, make_manifest, read_manifest
from domainlm.store.remote import open_remote

Log = Callable[[str], None]


def fetch_declared(action: Mapping[str, Any], store: Store, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Fetch what raw_corpus and base_model declare; no other artifact has anything to fetch. Returns a hub revision's files."""
    config = action["config"]
    if action["artifact"] == "raw_corpus_shard":
        rows = config["fetched"]
    elif action["artifact"] == "base_model":
        rows = [row for row in config["files"] if row["origin"] == "fetch"]
    else:
        return []
    for row in rows:
        fetch(row, store, log)
    return fetch_hub(config["hub"], store, log) if config.get("hub") is not None else []


def install_found(
    project: Path, folder: str, manifest: Manifest, record: Mapping[str, Any], store: Store, log: Log
) -> tuple[bool, int]:
    """Install an artifact whose record is known, fetching what the store lacks; (whether it is whole, bytes moved)."""
    moved = fetch_missing(project, manifest, store, log)
    with store.guard():
        if not store.has_all(manifest):
            return False, moved
        install(project / folder, manifest, record, store.objects)
    mark_filled(project, folder)
    if record["action"]["artifact"] == "raw_corpus_shard":
        # the inventory names fetched files that lie in the store: a new or emptied store gets them again
        fetch_declared(record["action"], store, log)
    return True, moved


def fetch_missing(project: Path, manifest: Manifest, store: Store, log: Log) -> int:
    """Fetch the objects that the store lacks from the remote, if there is one; return the bytes moved."""
    remote = open_remote(project)
    missing = [entry for entry in manifest.entries if not store.objects.has(entry.sha256, entry.size)]
    return remote.fetch(missing, store.objects, log) if remote is not None and missing else 0


def check_inputs(project: Path, stamp: Stamp, store: Store, log: Log) -> None:
    """Make sure that a stage reads what the manifests say. Raises StageError naming what is damaged."""
    for folder in stamp.inputs.values():
        path = project / folder
        manifest, record = read_manifest(path), read_record(path)
        if manifest is None:
            raise StageError(f"{folder}/{MANIFEST_NAME} is not a manifest; rebuild it with snakemake")
        if record is not None and is_hollow(project, folder, record["key"]):
            is_whole, _ = install_found(project, folder, manifest, record, store, log)
            if not is_whole:
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                mark_filled(project, folder)
                raise StageError(
                    f"{folder} was taken from the remote's record, and neither the remote nor {store.root} has its "
                    "bytes; run the same command again: it is built here now"
                )
        elif not is_installed(path, manifest):
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
) -> tuple[Manifest, Mapping[str, Any]]:
    """Run the stage on a miss, record and install its output; return the manifest that counts and the stage's figures."""
    check_distributions(stamp)
    hub_files = fetch_declared(action, store, resources.log)
    check_inputs(project, stamp, store, resources.log)
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
        with store.guard():
            manifest = store.commit(out)
            if stamp.is_gather:
                manifest = gathered(project, stamp, manifest, store)
            record = {"key": key, "action": dict(action), "built": where_built(stamp)}
            first = store.actions.put(key, manifest, record)
            if first.tree_digest != manifest.tree_digest:
                resources.log(f"this key was built before with other bytes ({first.tree_digest[:16]}); the first stays")
                if not store.has_all(first):
                    first = manifest
            installed = install(project / stamp.folder, first, record, store.objects)
    if installed.copied_bytes:
        resources.log(f"{installed.copied_bytes} bytes were copied: {stamp.folder} and {store.root} cannot share links")
    store.remove_scratch(key)
    return first, stats


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
