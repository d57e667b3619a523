"""Running one stage on a miss: its inputs made whole, its output recorded and installed.

In: a stamp, its action and key. Out: the artifact in the store and in the workspace. Nothing is visible before it is
whole: the stage writes into a temporary folder of the store, the record comes after the bytes, the manifest last.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from domainlm.builder.alternatives import Alternative, compare_outputs, where_built
from domainlm.builder.full_disk import naming_full_disk
from domainlm.builder.hollow import mark_filled
from domainlm.builder.inputs import check_inputs, fetch_declared, hub_config
from domainlm.builder.origins import note_origin
from domainlm.builder.stage_code import load_code, running, typed_slice
from domainlm.builder.workspace import adopt, changed, check_unchanged, installations, installing, say_copies
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.sources.opening import raw_opener
from domainlm.store.install import install
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest, make_manifest, read_manifest
from domainlm.store.sharing import share, sharing_umask

Output = tuple[Manifest, Mapping[str, Any]]


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
    inputs = Inputs(folders, raw_opener(project, stamp.roots, store, stamp.artifact == "raw_corpus"))
    config = typed_slice(stamp, {**stamp.config, **hub_config(stamp, hub_files)})
    with naming_full_disk(project, store.root), sharing_umask(store.root), running(stamp, code):
        try:
            stats: Mapping[str, Any] = function(inputs, config, out, scratch, resources)
        finally:
            # whatever a stage says of an input that was taken away under it, this is the cause
            check_unchanged(project, stamp, action["inputs"], before)
    return stats


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
