"""The origin of installed artifacts, and whether it is trusted now.

In: the records of a remote, the file of trusted keys. Out: a note per folder under `.domainlm/fetched/`, as long as the
folder's content came from a remote; an artifact that nobody trusted has signed is withdrawn. The store's own record
states the same. But a hollow artifact has none there, and a record that is made again from an installed folder must
keep the origin, or an artifact that was fetched unsigned would count as built here. The note lies outside the artifact,
so it does not change DVC's view of the folder.

A fetched artifact is checked when it is used, not only when it is fetched, because a user who starts to trust keys
today already has yesterday's records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from domainlm.builder.installed import Installed, installed_in
from domainlm.pipeline.stamp import Stamp
from domainlm.store.actions import Origin, Recorded, is_record_of, origin_of
from domainlm.store.canonical import canonical_json, sha256_of, sha256_of_file
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME
from domainlm.store.notes import read_note
from domainlm.store.remote_location import RemoteError
from domainlm.store.signatures import TRUSTED_VARIABLE, trust_fault, trusted_keys_file
from domainlm.store.staging import replace_file

NOTES = ".domainlm/fetched"
Log = Callable[[str], None]


def note_path(project: Path, folder: str) -> Path:
    """Note of an artifact's or a shard's folder (relative to the project)."""
    return project / NOTES / f"{folder.removeprefix('artifacts/')}.json"


def note_origin(project: Path, folder: str, key: str, origin: Origin | None, trusted_by: str = "") -> None:
    """Note the origin of an artifact that is being installed.

    origin: None for an artifact that was built with this store. trusted_by: digest of the question that was answered by
    yes, made from the installed artifact and the file of trusted keys.
    """
    path = note_path(project, folder)
    if origin is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, canonical_json({"key": key, "fetched": origin.as_json(), "trusted_by": trusted_by}))


def read_origin(project: Path, folder: str, key: str) -> Origin | None:
    """The origin of this key's artifact; None if built with this store."""
    return _read(project, folder, key)[0]


def origin_of_installed(installed: Installed, store: Store) -> Origin | None:
    """`read_origin`, asking the store as well.

    The store may know more about a folder that another workspace or DVC has filled.
    """
    origin = read_origin(installed.project, installed.folder, installed.key)
    if origin is None:
        recorded = store.actions.find(installed.key)
        origin = recorded.origin if recorded is not None and recorded.manifest == installed.manifest else None
    return origin


def recorded_of(installed: Installed) -> Recorded:
    """The record of an installed artifact as the store would have it.

    It includes the origin.
    """
    origin = read_origin(installed.project, installed.folder, installed.key)
    return Recorded(installed.manifest, installed.record, origin)


def _read(project: Path, folder: str, key: str) -> tuple[Origin | None, str]:
    row = read_note(note_path(project, folder)) or {}
    return (origin_of(row.get("fetched")), str(row.get("trusted_by", ""))) if row.get("key") == key else (None, "")


def trusted_keys(project: Path) -> Path | None:
    """The file of trusted keys; None where everybody is trusted.

    Raises RemoteError where the named file does not exist.
    """
    file = trusted_keys_file(project)
    if file is not None and not file.is_file():
        raise RemoteError(f"{TRUSTED_VARIABLE} is {file}, which is not a file; expected an allowed_signers file")
    return file


def installed_fault(project: Path, folder: str, store: Store, keys: Path, is_remembered: bool = True) -> str | None:
    """The reason why an installed artifact does not count, or None.

    An artifact does not count if it came from a remote and nobody trusted has signed it. is_remembered: whether a
    positive answer is noted, so that the question is not asked again as long as the file of keys is the same.
    """
    installed = installed_in(project, folder)
    if installed is None or not is_record_of(installed.record, installed.key):
        # no build takes it for the result of its key
        return None
    key, manifest = installed.key, installed.manifest
    origin = origin_of_installed(installed, store)
    # with another file of keys, or another output of the key, the question is a new one
    asked = sha256_of(canonical_json([sha256_of_file(keys), manifest.tree_digest]))
    if origin is None or _read(project, folder, key)[1] == asked:
        return None
    fault = trust_fault(key, manifest.tree_digest, origin.signature, keys)
    if fault is not None:
        return f"it came from {origin.remote}, and {fault}"
    # asking again each time would start two processes for every artifact
    if is_remembered:
        note_origin(project, folder, key, origin, asked)
    return None


def untrusted_folders(
    project: Path, stamps: Iterable[Stamp], store: Store, is_remembered: bool = True
) -> dict[str, str]:
    """Folder -> reason why its artifact does not count.

    Where no keys are trusted, the result is empty and costs nothing.
    """
    keys = trusted_keys(project)
    if keys is None:
        return {}
    faults = {stamp.folder: installed_fault(project, stamp.folder, store, keys, is_remembered) for stamp in stamps}
    return {folder: fault for folder, fault in faults.items() if fault is not None}


def withdraw_installed(project: Path, folder: str, store: Store, log: Log) -> None:
    """Remove the manifest of an artifact that nobody trusted has signed.

    Nothing happens where no keys are trusted.
    """
    keys = trusted_keys(project)
    fault = installed_fault(project, folder, store, keys) if keys is not None else None
    if fault is not None:
        (project / folder / MANIFEST_NAME).unlink(missing_ok=True)
        log(f"{folder} does not count: {fault}; it is fetched where somebody trusted signed it, else built here")


def record_fault(project: Path, key: str, found: Recorded) -> str | None:
    """The reason why the store's record of a key does not count.

    None: it counts, or no keys are trusted.
    """
    keys = trusted_keys(project)
    if keys is None or found.origin is None:
        return None
    fault = trust_fault(key, found.manifest.tree_digest, found.origin.signature, keys)
    return f"it came from {found.origin.remote}, and {fault}" if fault is not None else None
