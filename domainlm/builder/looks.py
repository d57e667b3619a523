"""The looks of an outlook, one for each way of a build.

In: a build that has not begun, the remote's records. Out: the state in which `build` would find its key, in its order
(`ways.py`). Nothing is written, moved or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from domainlm.builder.hollow import is_hollow, is_lost
from domainlm.builder.one_build import Build
from domainlm.builder.origins import installed_fault, record_fault, trusted_keys
from domainlm.builder.ways import Way, first_found
from domainlm.store.actions import Recorded
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import is_sound
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest, read_manifest
from domainlm.store.objects import is_untouched
from domainlm.store.remote import Remote

State = Literal["not_needed", "up_to_date", "restore", "fetch", "build"]
# with these, no job does anything
IDLE: tuple[State, ...] = ("not_needed", "up_to_date")


@dataclass(frozen=True)
class Found:
    state: State
    manifest: Manifest | None
    fetch_bytes: int = 0
    is_hollow: bool = False


@dataclass
class _Look:
    """The state of a build that has not been carried out.

    installed: manifest in the folder, where it counts for this key. recorded: the store's record, as soon as it was
    looked up.
    """

    build: Build
    remote: Remote | None
    installed: Manifest | None
    recorded: Recorded | None = None


def look(build: Build, last: Mapping[str, Any] | None, remote: Remote | None) -> Found:
    """The state in which `build` would find a key, in its order."""
    project, folder = build.project, build.folder
    is_requested = build.is_requested or is_lost(project, folder, build.key)
    manifest = read_manifest(build.path) if last is not None and last["key"] == build.key else None
    keys = trusted_keys(project)
    if keys is not None and installed_fault(project, folder, build.store, keys, is_remembered=False) is not None:
        manifest = None
    looked = _Look(replace(build, is_requested=is_requested), remote, manifest)
    return first_found(Way, LOOKS, looked) or Found("build", None)


def _look_at_installed(look: _Look) -> Found | None:
    build, manifest = look.build, look.installed
    if manifest is None:
        return None
    if is_hollow(build.project, build.folder, build.key):
        return Found("up_to_date", manifest, is_hollow=True) if not build.is_requested else None
    return Found("up_to_date", manifest) if is_sound(build.path, manifest, is_remembered=False) else None


def _look_into_read_only(_: _Look) -> Found | None:
    """No result: an outlook describes stores that can be written.

    A user who may only read the store is shown what happens to those who may write to it.
    """
    return None


def _look_into_store(look: _Look) -> Found | None:
    recorded = look.build.store.actions.find(look.build.key)
    if recorded is not None and record_fault(look.build.project, look.build.key, recorded) is None:
        look.recorded = recorded
        return _restorable(look, recorded.manifest)
    return None


def _look_for_checkout(look: _Look) -> Found | None:
    return _restorable(look, look.installed) if look.recorded is None else None


def _restorable(look: _Look, manifest: Manifest | None) -> Found | None:
    # what the store lacks may still lie in the workspace
    if manifest is None or missing_entries(manifest, look.build.store, look.build.path):
        return None
    return Found("restore", manifest)


def _look_into_remote(look: _Look) -> Found | None:
    found = look.remote.action(look.build.key) if look.remote is not None else None
    if found is None or (look.recorded is not None and look.recorded.manifest != found[0]):
        return None
    if not look.build.is_requested:
        return Found("fetch", found[0], is_hollow=True)
    return Found("fetch", found[0], sum(entry.size for entry in missing_entries(found[0], look.build.store)))


def _look_for_alternative(look: _Look) -> Found | None:
    for manifest, _ in look.build.store.actions.alternatives(look.build.key):
        if not missing_entries(manifest, look.build.store):
            return Found("restore", manifest)
    return None


LOOKS: dict[Way, Callable[[_Look], Found | None]] = {
    Way.INSTALLED: _look_at_installed,
    Way.READ_ONLY_STORE: _look_into_read_only,
    Way.STORE: _look_into_store,
    Way.CHECKOUT: _look_for_checkout,
    Way.REMOTE: _look_into_remote,
    Way.ALTERNATIVE: _look_for_alternative,
}


def missing_entries(manifest: Manifest, store: Store, folder: Path | None = None) -> list[Entry]:
    """Distinct files of a manifest that neither store nor folder has.

    Damaged files count as missing. Files that were touched are read and left as they are.
    """
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
