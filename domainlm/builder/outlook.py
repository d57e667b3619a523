"""The outlook of each artifact: what a run would do, without running.

In: the stamps of the current configuration, the workspace, the store, the remote's records. Out: one `Outlook` for each
artifact and shard that a target needs. Nothing is written, moved or removed. The ways and their order are those of
`build` (`ways.py`). Downstream of an artifact that will be built the inputs are not known yet; the outlook then states
what happens if that artifact's bytes do not change (early cutoff), and that the stage runs otherwise. An absent artifact that
no job reads is left absent, as Snakemake leaves it (`absent.py`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.builder.absent import digest_elsewhere, is_absent
from domainlm.builder.looks import IDLE, Found, State, look
from domainlm.builder.one_build import Build
from domainlm.config.errors import ConfigurationError
from domainlm.contract import Resources
from domainlm.pipeline.stamp import Stamp, action_of, read_installed_note
from domainlm.pipeline.table import BY_NAME
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import read_record
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.remote import Remote
from domainlm.store.trees import read_tree


@dataclass(frozen=True)
class Outlook:
    """What a run would do with one artifact or shard.

    inputs: input -> tree digest, None where it is built first. last: record of the installed artifact. unless:
    artifacts whose unchanged bytes would make the result `otherwise` instead of a build; empty where the outlook is
    certain. manifest: of the result, where it is known; under `unless`, of the result in that case. fetch_bytes: bytes
    that would be moved. is_hollow: no bytes are here afterwards. noted_digest: tree digest of an artifact that is not
    needed, whose manifest may be nowhere.
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
    noted_digest: str | None = None

    @property
    def digest(self) -> str | None:
        """Tree digest of the result, where it is known."""
        return self.manifest.tree_digest if self.manifest is not None else self.noted_digest

    @property
    def action(self) -> dict[str, Any]:
        """The action of the stamp; inputs that are built first have None."""
        # None stands for a digest that nobody knows yet; no key is made of this action
        return {**action_of(self.stamp, {}), "inputs": dict(self.inputs)}


@dataclass(frozen=True)
class _Inputs:
    """Digests of an artifact's inputs.

    known: by name, None where it is built first. likely: the digests of the last build, where they are known. unless:
    artifacts whose unchanged bytes would make the likely digests true.
    """

    known: dict[str, str | None]
    likely: dict[str, str | None]
    unless: tuple[str, ...]


def needed_stamps(stamps: Iterable[Stamp], artifact: str) -> list[Stamp]:
    """The stamps of an artifact and its ancestors, in pipeline order."""
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
    """The outlook of an artifact and its ancestors, in pipeline order.

    Raises ConfigurationError.
    """
    needed = needed_stamps(stamps, artifact)
    made: set[str] = set()
    while True:
        found = _predict(project, needed, artifact, store, remote, made)
        more = _absent_but_made(found)
        if not more:
            return list(found.values())
        made |= more


def _absent_but_made(found: Mapping[str, Outlook]) -> set[str]:
    """Absent artifacts that other artifacts' jobs need.

    A job runs after the jobs of its inputs, whether these change anything or not, and reads every input.
    """
    running = {folder for folder, outlook in found.items() if outlook.state not in IDLE}
    count = -1
    while count != len(running):
        count = len(running)
        for folder, outlook in found.items():
            inputs = set(outlook.stamp.inputs.values())
            if folder in running or not running.isdisjoint(inputs):
                running |= {folder, *(name for name in inputs if name in found and found[name].state == "not_needed")}
    return {folder for folder in running if found[folder].state == "not_needed"}


def _predict(
    project: Path, stamps: Iterable[Stamp], artifact: str, store: Store, remote: Remote | None, made: Container[str]
) -> dict[str, Outlook]:
    """Folder -> outlook. made: folders of absent artifacts that a job makes."""
    found: dict[str, Outlook] = {}
    for stamp in stamps:
        is_wanted = stamp.artifact == artifact and stamp.shard is None
        inputs = _inputs_of(project, stamp, found)
        last = read_record(project / stamp.folder)
        digests = {name: digest for name, digest in inputs.likely.items() if digest is not None}
        seen = Found("build", None)
        if len(digests) == len(inputs.likely):
            action = action_of(stamp, digests)
            build = Build(project, stamp, action, action_key(action), store, Resources(), is_wanted)
            is_left = not (is_wanted or inputs.unless or stamp.folder in made)
            digest = (
                digest_elsewhere(project, stamp, build.key, store)
                if is_left and is_absent(build.path, build.key, store)
                else None
            )
            if digest is not None:
                found[stamp.folder] = Outlook(stamp, "not_needed", inputs.known, last, None, noted_digest=digest)
                continue
            seen = look(build, last, remote)
        if seen.state == "build":
            seen = Found("build", _last_manifest(project, stamp, last, store))
        found[stamp.folder] = _outlook(stamp, inputs, last, seen)
    return found


def _inputs_of(project: Path, stamp: Stamp, found: Mapping[str, Outlook]) -> _Inputs:
    known: dict[str, str | None] = {}
    likely: dict[str, str | None] = {}
    roots: set[str] = set()
    for name, folder in stamp.inputs.items():
        outlook = found.get(folder)
        if outlook is None:
            known[name] = likely[name] = _foreign_digest(project, folder)
            continue
        digest = outlook.digest
        is_certain = outlook.state != "build"
        known[name], likely[name] = (digest if is_certain else None), digest
        if not is_certain:
            roots |= set(outlook.unless or (outlook.stamp.artifact,))
    return _Inputs(known, likely, tuple(sorted(roots, key=list(BY_NAME).index)))


def _outlook(stamp: Stamp, inputs: _Inputs, last: Mapping[str, Any] | None, seen: Found) -> Outlook:
    if seen.state == "build":
        return Outlook(stamp, "build", inputs.known, last, seen.manifest)
    if inputs.unless:
        # it is built unless their bytes do not change; how much is moved then is not known yet
        rest = inputs.unless, seen.state, 0, seen.is_hollow
        return Outlook(stamp, "build", inputs.known, last, seen.manifest, *rest)
    rest = (), seen.state, seen.fetch_bytes, seen.is_hollow
    return Outlook(stamp, seen.state, inputs.known, last, seen.manifest, *rest)


def _foreign_digest(project: Path, folder: str) -> str:
    try:
        return sha256_of_file(project / folder / MANIFEST_NAME)
    except FileNotFoundError:
        domain = folder.split("/")[1]
        raise ConfigurationError(
            f"eval_results.compare names {domain!r}, whose results are not built ({folder}); build them first: "
            f"snakemake --cores all --config domain={domain}"
        ) from None


def _last_manifest(project: Path, stamp: Stamp, last: Mapping[str, Any] | None, store: Store) -> Manifest | None:
    """The artifact's manifest before it is built again.

    It comes from the workspace, or from the store by the record in the folder or by the note of the last install.
    """
    manifest = read_manifest(project / stamp.folder)
    if manifest is None and last is not None:
        hit = store.actions.get(last["key"])
        manifest = hit[0] if hit is not None else None
    if manifest is None and (note := read_installed_note(project, stamp)) is not None:
        manifest = read_tree(store.root, note[1])
    return manifest
