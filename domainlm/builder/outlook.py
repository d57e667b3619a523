"""What a run would do with each artifact, found out without doing it.

In: the stamps of a configuration as it is now, the workspace, the store, the remote's records. Out: one `Outlook` per artifact
and shard that a target needs. Nothing is written, moved or removed. The rules are those of `build`: installed and untouched,
else in the store, else in the remote, else built. Below something that will be built the inputs are not known yet; then the
outlook says what happens if that comes out as it was (early cutoff), and that it is built otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from domainlm.builder.hollow import is_hollow, is_lost
from domainlm.builder.origins import installed_fault, record_fault, trusted_keys
from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.pipeline.table import BY_NAME
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import is_sound, read_record
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Entry, Manifest, read_manifest
from domainlm.store.objects import is_untouched
from domainlm.store.remote import Remote

State = Literal["up_to_date", "restore", "fetch", "build"]


@dataclass(frozen=True)
class Outlook:
    """What a run would do with one artifact or shard.

    inputs: input -> tree digest, None where it is built first. last: record of what is installed. unless: artifacts whose coming
    out as they were would make it `otherwise` instead of a build; empty for what is certain. manifest: of the result where it
    is known; under `unless`, of the result in that case. fetch_bytes: what moves. is_hollow: no bytes are here afterwards.
    """

    stamp: Stamp
    state: State
    inputs: Mapping[str, str | None]
    last: Mapping[str, Any] | None
    manifest: Manifest | None
    unless: tuple[str, ...] = ()
    otherwise: State = "build"
    fetch_bytes: int = 0
    is_hollow: bool = False

    @property
    def action(self) -> dict[str, Any]:
        """The action that it asks for; inputs that are built first have None."""
        # None stands for a digest that nobody knows yet; no key is made of this action
        return {**action_of(self.stamp, {}), "inputs": dict(self.inputs)}


@dataclass(frozen=True)
class _Found:
    state: State
    manifest: Manifest | None
    fetch_bytes: int = 0
    is_hollow: bool = False


def needed_stamps(stamps: Iterable[Stamp], artifact: str) -> list[Stamp]:
    """The stamps of an artifact and of all that it is made from, in pipeline order."""
    ordered = list(stamps)
    by_folder = {stamp.folder: stamp for stamp in ordered}
    wanted: set[str] = set()
    waiting = [stamp.folder for stamp in ordered if stamp.artifact == artifact]
    while waiting:
        folder = waiting.pop()
        if folder in wanted or folder not in by_folder:
            continue
        wanted.add(folder)
        waiting.extend(by_folder[folder].inputs.values())
    return [stamp for stamp in ordered if stamp.folder in wanted]


def predict(
    project: Path, stamps: Iterable[Stamp], artifact: str, store: Store, remote: Remote | None
) -> list[Outlook]:
    """The outlook of an artifact and of all that it is made from, in pipeline order. Raises ConfigurationError."""
    found: dict[str, Outlook] = {}
    for stamp in needed_stamps(stamps, artifact):
        inputs: dict[str, str | None] = {}
        likely: dict[str, str | None] = {}
        roots: set[str] = set()
        for name, folder in stamp.inputs.items():
            outlook = found.get(folder)
            if outlook is None:
                inputs[name] = likely[name] = _foreign_digest(project, folder)
                continue
            digest = outlook.manifest.tree_digest if outlook.manifest is not None else None
            is_certain = outlook.state != "build"
            inputs[name], likely[name] = (digest if is_certain else None), digest
            if not is_certain:
                roots |= set(outlook.unless or (outlook.stamp.artifact,))
        is_wanted = stamp.artifact == artifact and stamp.shard is None
        unless = tuple(sorted(roots, key=list(BY_NAME).index))
        found[stamp.folder] = _outlook(project, stamp, inputs, likely, unless, is_wanted, store, remote)
    return list(found.values())


def _foreign_digest(project: Path, folder: str) -> str:
    try:
        return sha256_of_file(project / folder / MANIFEST_NAME)
    except FileNotFoundError:
        domain = folder.split("/")[1]
        raise ConfigurationError(
            f"eval_results.compare names {domain!r}, whose results are not built ({folder}); build them first: "
            f"snakemake --cores all --config domain={domain}"
        ) from None


def _outlook(
    project: Path,
    stamp: Stamp,
    inputs: Mapping[str, str | None],
    likely: Mapping[str, str | None],
    roots: tuple[str, ...],
    is_wanted: bool,
    store: Store,
    remote: Remote | None,
) -> Outlook:
    last = read_record(project / stamp.folder)
    digests = {name: digest for name, digest in likely.items() if digest is not None}
    if len(digests) < len(likely):
        return Outlook(stamp, "build", inputs, last, _last_manifest(project, stamp, last, store))
    found = _look(project, stamp, action_key(action_of(stamp, digests)), last, is_wanted, store, remote)
    if found.state == "build":
        return Outlook(stamp, "build", inputs, last, _last_manifest(project, stamp, last, store))
    if roots:
        return Outlook(stamp, "build", inputs, last, found.manifest, roots, found.state, 0, found.is_hollow)
    return Outlook(
        stamp, found.state, inputs, last, found.manifest, (), found.state, found.fetch_bytes, found.is_hollow
    )


def _last_manifest(project: Path, stamp: Stamp, last: Mapping[str, Any] | None, store: Store) -> Manifest | None:
    """What the artifact was before it is built again: from the workspace, or from the store's record of its key."""
    manifest = read_manifest(project / stamp.folder)
    if manifest is None and last is not None:
        hit = store.actions.get(last["key"])
        manifest = hit[0] if hit is not None else None
    return manifest


def _look(
    project: Path,
    stamp: Stamp,
    key: str,
    last: Mapping[str, Any] | None,
    is_wanted: bool,
    store: Store,
    remote: Remote | None,
) -> _Found:
    """What `build` would find for a key, in its order."""
    folder = project / stamp.folder
    is_wanted = is_wanted or is_lost(project, stamp.folder, key)
    manifest = read_manifest(folder) if last is not None and last["key"] == key else None
    keys = trusted_keys(project)
    if keys is not None and installed_fault(project, stamp.folder, store, keys, is_remembered=False) is not None:
        manifest = None
    if manifest is not None:
        if is_hollow(project, stamp.folder, key):
            if not is_wanted:
                return _Found("up_to_date", manifest, is_hollow=True)
        elif is_sound(folder, manifest, is_remembered=False):
            return _Found("up_to_date", manifest)
    recorded = store.actions.find(key)
    if recorded is not None and record_fault(project, key, recorded) is not None:
        recorded = None
    known = recorded.manifest if recorded is not None else manifest
    # what the store lacks may still lie in the workspace
    if known is not None and not missing_entries(known, store, folder):
        return _Found("restore", known)
    record = remote.action(key) if remote is not None else None
    if record is not None and (recorded is None or recorded.manifest == record[0]):
        moved = sum(entry.size for entry in missing_entries(record[0], store))
        return _Found("fetch", record[0], moved) if is_wanted else _Found("fetch", record[0], is_hollow=True)
    for other, _ in store.actions.alternatives(key):
        if not missing_entries(other, store):
            return _Found("restore", other)
    return _Found("build", None)


def missing_entries(manifest: Manifest, store: Store, folder: Path | None = None) -> list[Entry]:
    """Distinct files of a manifest that neither the store nor the folder has, sound. Reads what was touched, leaves it so."""
    missing = {}
    for entry in manifest.entries:
        places = [store.objects.path(entry.sha256), *([folder / entry.path] if folder is not None else [])]
        if not any(_is_sound_file(path, entry) for path in places):
            missing[entry.sha256] = entry
    return list(missing.values())


def _is_sound_file(path: Path, entry: Entry) -> bool:
    if is_untouched(path, entry.sha256, entry.size):
        return True
    try:
        return path.stat().st_size == entry.size and sha256_of_file(path) == entry.sha256
    except OSError:
        return False
