"""One build: from a stamp to an installed artifact, the cheapest way.

In: a stamp and the manifests of its inputs. Out: the installed artifact. `ways.py` states the ways and their order: the
artifact is installed and untouched; it is restored from the action cache by hardlink; it is fetched from the remote, or
only its records are (hollow), where nobody asked for the bytes. A way counts only if its result is right. Where no way
leads there, the stage runs in a temporary folder, and its output is recorded and installed. Two builders of one key
meet at a lease, and the second uses the first one's result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domainlm.builder.alternatives import Alternative
from domainlm.builder.hits import remote_hit, store_hit
from domainlm.builder.hollow import is_hollow, mark_hollow
from domainlm.builder.inputs import LEASE_TIMEOUT_SECONDS, fetch_declared, install_found
from domainlm.builder.installed import Installed, installed_in
from domainlm.builder.one_build import Build, make_build
from domainlm.builder.origins import note_origin, read_origin, withdraw_installed
from domainlm.builder.run_stage import run_stage
from domainlm.builder.ways import WITH_LEASE, WITHOUT_LEASE, Way, first_found
from domainlm.builder.workspace import adopt, bring_to_now, installing
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp, note_installed
from domainlm.store.actions import Recorded, is_record_of
from domainlm.store.damage import describe_links, projects_of, remove_from_dvc
from domainlm.store.install import install_hollow, is_installed, read_record
from domainlm.store.late_files import refresh
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
    """The result of a build: kind, reason, action key and tree digest.

    The kind is up_to_date, restored, fetched or built. size_bytes: size of the artifact. moved_bytes: bytes that came
    from the remote. alternative: the difference from an earlier output of the key, where there is one. quarantined:
    digests of damaged objects that this build moved into quarantine.
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


def explain(last: Mapping[str, Any] | None, action: Mapping[str, Any]) -> str:
    """The differences from the installed artifact's action, in a few words."""
    if last is None:
        return "not built here yet"
    changed = [name for name, value in action.items() if last["action"].get(name) != value]
    return f"changed: {', '.join(changed)}" if changed else "files were missing or touched"


def build(
    project: Path, stamp: Stamp, resources: Resources, is_requested: bool = True, may_run: bool = True
) -> Outcome:
    """Build one artifact or shard.

    is_requested: whether its bytes are wanted; where they are not, a remote's record is enough (hollow). may_run:
    whether the stage is run on a miss (`pull` only fetches what exists). Raises StageError, RemoteError, and
    LeaseTimeout where another builder never ends.
    """
    store = Store(store_folder(project))
    try:
        with naming_refusals(store.root):
            return _build(make_build(project, stamp, store, resources, is_requested=is_requested, may_run=may_run))
    finally:
        name_damage(project, store, resources.log)
        bring_to_now(project / folder / MANIFEST_NAME for folder in stamp.inputs.values())


@dataclass
class _Attempt:
    """A build on its way to the artifact.

    last: record of the folder's content. installed: the installed artifact, where it counts for this key. hit: the
    store's record of the key, as soon as it was looked up.
    """

    build: Build
    last: Mapping[str, Any] | None
    installed: Installed | None
    hit: Recorded | None = None

    @property
    def why(self) -> str:
        return explain(self.last, self.build.action)


def _build(build: Build) -> Outcome:
    store = build.store
    register_workspace(store.root, build.project)
    withdraw_installed(build.project, build.folder, store, build.log)
    attempt = _begun(build)
    outcome = first_found(WITHOUT_LEASE, TAKEN, attempt)
    if outcome is not None:
        return outcome
    with lease(store.leases, build.key, LEASE_TIMEOUT_SECONDS, build.log) as has_waited:
        if has_waited:
            refresh(store.actions.path(build.key).parent)
        outcome = first_found(WITH_LEASE, TAKEN, attempt)
        if outcome is not None:
            return outcome
        if not build.may_run:
            raise StageError(
                f"neither {store.root} nor the remote has all of {build.folder} (key {build.key[:12]}); "
                f"build it: snakemake --cores all {build.stamp.artifact} --config domain={build.stamp.domain}"
            )
        manifest, stats, alternative = run_stage(build)
    return replace(_done(attempt, "built", manifest), stats=stats, alternative=alternative)


def _begun(build: Build) -> _Attempt:
    installed = installed_in(build.project, build.folder)
    last = installed.record if installed is not None else read_record(build.path)
    # the manifest counts only with the record of this very action beside it
    is_of_key = installed is not None and is_record_of(installed.record, build.key)
    return _Attempt(build, last, installed if is_of_key else None)


def _done(attempt: _Attempt, outcome: str, manifest: Manifest, why: str | None = None, moved: int = 0) -> Outcome:
    """Note the installed artifact and the store's records that were used."""
    build, actions = attempt.build, attempt.build.store.actions
    note_installed(build.project, build.stamp, build.key, manifest.tree_digest)
    if outcome != "up_to_date":
        # the artifact that was replaced was in use until now, too
        for used in {build.key, build.key if attempt.last is None else attempt.last["key"]}:
            actions.mark_used(used)
    quarantined = tuple(path.name.split(".")[0] for path in build.store.objects.quarantined)
    why, digest = why if why is not None else attempt.why, manifest.tree_digest
    return Outcome(outcome, why, build.key, digest, manifest.size, {}, moved, quarantined=quarantined)


def _take_installed(attempt: _Attempt) -> Outcome | None:
    build, installed = attempt.build, attempt.installed
    if installed is None:
        return None
    manifest = installed.manifest
    if is_hollow(build.project, build.folder, build.key):
        why = "the remote's record of this key is in place; its bytes are not needed"
        return _done(attempt, "up_to_date", manifest, why) if not build.is_requested else None
    if not is_installed(build.path, manifest):
        return None
    with where_permitted():
        if not build.store.actions.path(build.key).exists():
            # a checkout on another machine: without a record here, the next change would lose it
            _record_installed(build, installed)
    if build.stage.lists_raw_files:
        # the inventory names fetched files that lie in the store: an emptied store gets them again
        fetch_declared(build.action, build.store, build.log)
    return _done(attempt, "up_to_date", manifest, "the installed artifact has this key")


def _record_installed(build: Build, installed: Installed) -> bool:
    """Give the store the record of an installed artifact.

    Returns False, and records nothing, where files of the artifact are wrong.
    """
    if adopt(build.path, installed.manifest, build.store.objects, build.project):
        return False
    origin = read_origin(build.project, build.folder, build.key)
    build.store.actions.put(build.key, installed.manifest, installed.record, origin)
    return True


def _take_from_read_only(attempt: _Attempt) -> Outcome | None:
    """Install from a store that this process may only read.

    No lease is needed for that. Raises StageError.
    """
    build, store = attempt.build, attempt.build.store
    if can_lease(store.leases):
        return None
    hit = store_hit(build)
    if (
        hit is None
        or not store.has_all(hit.manifest)
        or not install_found(build.project, build.folder, hit, store, build.log)[0]
    ):
        raise StageError(
            f"{build.folder} is not in the store {store.root} (key {build.key[:12]}), and this store cannot be written, so it "
            "cannot be built into it: make it writable, or name another store with DOMAINLM_STORE"
        )
    return _done(attempt, "restored", hit.manifest)


def _take_from_store(attempt: _Attempt) -> Outcome | None:
    attempt.hit = store_hit(attempt.build)
    return _restored(attempt)


def _take_checkout(attempt: _Attempt) -> Outcome | None:
    build, installed = attempt.build, attempt.installed
    # the files' times are new after a checkout that copied
    if attempt.hit is not None or installed is None or not _record_installed(build, installed):
        return None
    attempt.hit = build.store.actions.find(build.key)
    return _restored(attempt)


def _restored(attempt: _Attempt) -> Outcome | None:
    """Install the store's record of the key.

    None where neither the store nor the folder has its bytes.
    """
    build, hit, store = attempt.build, attempt.hit, attempt.build.store
    if hit is None or (
        not store.has_all(hit.manifest) and adopt(build.path, hit.manifest, store.objects, build.project)
    ):
        return None
    is_whole, moved = _install_whole(build, hit)
    return _done(attempt, "fetched" if moved else "restored", hit.manifest, moved=moved) if is_whole else None


def _take_from_remote(attempt: _Attempt) -> Outcome | None:
    build, hit = attempt.build, attempt.hit
    remote = open_remote(build.project)
    found = remote_hit(build, remote) if remote is not None else None
    if found is None or (hit is not None and hit.manifest != found.manifest):
        return None
    if not build.is_requested:
        # the store gets no record of bytes that it does not have; `why` compares with the manifest later
        write_tree(build.store.root, found.manifest)
        mark_hollow(build.project, build.folder, build.key)
        note_origin(build.project, build.folder, build.key, found.origin)
        with installing(build.project):
            install_hollow(build.path, found.manifest, found.record)
        what = "the bytes stay in the remote until something reads them"
        return _done(attempt, "fetched", found.manifest, f"{attempt.why}; {what}")
    is_whole, moved = _install_whole(build, found)
    if is_whole:
        return _done(attempt, "fetched", found.manifest, moved=moved)
    build.log(
        f"{remote} has a record of {build.key[:12]} without all its bytes; {build.folder} is built as if it had none, and "
        "`domainlm push` puts a right one in its place"
    )
    return None


def _take_alternative(attempt: _Attempt) -> Outcome | None:
    build = attempt.build
    for manifest, record in build.store.actions.alternatives(build.key):
        # another output of this very key is better than the same work again
        if build.store.has_all(manifest) and _install_whole(build, Recorded(manifest, record))[0]:
            why = f"{attempt.why}; the first output's bytes are gone, an alternative's are here"
            return _done(attempt, "restored", manifest, why)
    return None


def _install_whole(build: Build, found: Recorded) -> tuple[bool, int]:
    """`install_found`, and the raw files that an inventory names."""
    is_whole, moved = install_found(build.project, build.folder, found, build.store, build.log)
    if is_whole and build.stage.lists_raw_files:
        # declared by this project's own action, which is the same one; a record is not trusted to name downloads
        fetch_declared(build.action, build.store, build.log)
    return is_whole, moved


TAKEN: dict[Way, Callable[[_Attempt], Outcome | None]] = {
    Way.INSTALLED: _take_installed,
    Way.READ_ONLY_STORE: _take_from_read_only,
    Way.STORE: _take_from_store,
    Way.CHECKOUT: _take_checkout,
    Way.REMOTE: _take_from_remote,
    Way.ALTERNATIVE: _take_alternative,
}


def name_damage(project: Path, store: Store, log: Callable[[str], None]) -> None:
    """Report this build's damaged records and objects, with their other names.

    They were moved into quarantine. Links to such an object are removed from DVC's cache.
    """
    for wrong in store.actions.put_aside:
        where = f"; it is kept: {wrong.kept}" if wrong.kept is not None else ""
        log(f"the store's record {wrong.name} does not count: {wrong.reason}{where}")
    if not store.objects.quarantined:
        return
    links = remove_from_dvc(store.objects.quarantined, projects_of(store.root, project))
    for kept, found in links.items():
        said = [f"object {kept.name[:12]} was damaged; its bytes are kept: {kept}", *describe_links(found)]
        log("; ".join(said))
