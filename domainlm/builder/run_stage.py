"""One stage on a miss: inputs made whole, output recorded and installed.

In: a build. Out: the artifact in the store and in the workspace. Nothing is visible before it is whole: the stage
writes into a temporary folder of the store, the record is written after the bytes, and the manifest last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from domainlm.builder.alternatives import Alternative, compare_outputs, where_built
from domainlm.builder.full_disk import naming_full_disk
from domainlm.builder.hollow import mark_filled
from domainlm.builder.inputs import check_inputs, fetch_declared, hub_config
from domainlm.builder.machine_choices import MachineChoices
from domainlm.builder.one_build import Build
from domainlm.builder.origins import note_origin
from domainlm.builder.stage_code import load_code, running, typed_slice
from domainlm.builder.workspace import adopt, changed, check_unchanged, installations, installing, say_copies
from domainlm.contract import Inputs, StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.sources.opening import raw_opener
from domainlm.store.install import install
from domainlm.store.manifest import Entry, Manifest, make_manifest, read_manifest
from domainlm.store.sharing import share, sharing_umask

Output = tuple[Manifest, Mapping[str, Any]]


def check_distributions(stamp: Stamp) -> None:
    """Check that the installed packages are the locked ones.

    Their versions are in the key.
    """
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


def run_stage(build: Build) -> tuple[Manifest, Mapping[str, Any], Alternative | None]:
    """Run the stage on a miss; record and install its output.

    Returns the manifest that counts, the stage's figures, and the difference from an earlier output of the key, if
    there was one.
    """
    project, store, key = build.project, build.store, build.key
    with store.temporary(key[:16]) as folder:
        out = folder / "out"
        out.mkdir()
        share(out)
        choices = MachineChoices(store.root, store.scratch(key), build.resources.gpus)
        stats = run_into(build, out, store.scratch(key), choices)
        with store.guard():
            first, second = record_output(build, out, choices)
            # an earlier output whose bytes are gone cannot be installed, but it stays the one on record
            counts = first if store.has_all(first[0]) else second
            with installing(project):
                installed = install(build.path, *counts, store.objects)
            alternative = compare_outputs(store, first, second)
    note_origin(project, build.folder, key, None)
    mark_filled(project, build.folder)
    if alternative is not None:
        build.log(alternative.in_words())
    say_copies(project, store.root, installed.copied_bytes, build.log)
    store.remove_scratch(key)
    return counts[0], stats, alternative


def run_into(build: Build, out: Path, scratch: Path, choices: MachineChoices) -> Mapping[str, Any]:
    """Run the stage into an empty folder; return its figures.

    Its inputs are made whole before.
    """
    project, stamp, store = build.project, build.stamp, build.store
    check_distributions(stamp)
    hub_files = fetch_declared(build.action, store, build.log)
    check_inputs(build)
    before = installations(build)
    # this loads the configuration models, so it comes first: after the stage's code nothing else is loaded
    config = typed_slice(stamp, {**stamp.config, **hub_config(stamp, hub_files)})
    code = load_code(project, stamp, store)
    function = code.module.run_shard if stamp.shard is not None else code.module.run
    folders = {name: project / folder for name, folder in stamp.inputs.items()}
    inputs = Inputs(folders, raw_opener(project, stamp.roots, store, build.stage.lists_raw_files))
    resources = replace(build.resources, choose=choices.choose)
    with naming_full_disk(project, store.root), sharing_umask(store.root), running(stamp, code):
        try:
            stats: Mapping[str, Any] = function(inputs, config, out, scratch, resources)
        finally:
            # a changed input is the cause, whatever error the stage raised because of it
            check_unchanged(build, before)
    return stats


def record_output(build: Build, out: Path, choices: MachineChoices) -> tuple[Output, Output]:
    """Put an output into the store under its key.

    Returns the first output of the key and this one. Call it under the guard.
    """
    store, key = build.store, build.key
    manifest = store.commit(out)
    if build.stamp.is_gather:
        manifest = gathered(build, manifest)
    built = {**where_built(build.stamp, build.resources), **choices.made}
    record = {"key": key, "action": dict(build.action), "built": built}
    store.actions.put_wrong_aside(key)
    first = store.actions.get(key) or (manifest, record)
    store.actions.put(key, manifest, record)
    return first, (manifest, record)


def gathered(build: Build, own: Manifest) -> Manifest:
    """Manifest of a sharded artifact.

    It lists the artifact's own files and those of every shard below NNNN/.
    """
    entries = list(own.entries)
    for shard, folder in build.stamp.inputs.items():
        path = build.project / folder
        manifest = read_manifest(path)
        if (
            manifest is None
            or manifest.tree_digest != build.input_digests[shard]
            or adopt(path, manifest, build.store.objects, build.project)
        ):
            raise changed(folder, build.stamp)
        entries += [Entry(f"{shard}/{entry.path}", entry.sha256, entry.size) for entry in manifest.entries]
    return make_manifest(entries)
