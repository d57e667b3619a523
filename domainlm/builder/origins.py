"""Where an installed artifact came from, and whether that is trusted now.

In: the records of a remote, the file of trusted keys. Out: a note per folder under `.domainlm/fetched/`, as long as what
lies there came from a remote; and what nobody trusted has signed, withdrawn. The store's own record says the same, but a
hollow artifact has none, and a record that is made again from an installed folder must not forget it: what was fetched
unsigned would count as built here. The note lies outside the artifact, so DVC's view of the folder knows nothing of it.

What was fetched is checked when it is used, not only when it comes: who begins to trust keys today has yesterday's
records already.
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
    """Note where what is put in place now came from; None for what was built with this store.

    trusted_by: digest of the question, what is installed and the file of trusted keys, that was answered by yes.
    """
    path = note_path(project, folder)
    if origin is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, canonical_json({"key": key, "fetched": origin.as_json(), "trusted_by": trusted_by}))


def read_origin(project: Path, folder: str, key: str) -> Origin | None:
    """Where the artifact of this key came from; None for what was built with this store."""
    return _read(project, folder, key)[0]


def origin_of_installed(installed: Installed, store: Store) -> Origin | None:
    """Like `read_origin`; of a folder that another workspace or DVC has filled the store may know more."""
    origin = read_origin(installed.project, installed.folder, installed.key)
    if origin is None:
        recorded = store.actions.find(installed.key)
        origin = recorded.origin if recorded is not None and recorded.manifest == installed.manifest else None
    return origin


def recorded_of(installed: Installed) -> Recorded:
    """The record of what is installed, as the store would have it: with where it came from."""
    origin = read_origin(installed.project, installed.folder, installed.key)
    return Recorded(installed.manifest, installed.record, origin)


def _read(project: Path, folder: str, key: str) -> tuple[Origin | None, str]:
    row = read_note(note_path(project, folder)) or {}
    return (origin_of(row.get("fetched")), str(row.get("trusted_by", ""))) if row.get("key") == key else (None, "")


def trusted_keys(project: Path) -> Path | None:
    """The file of trusted keys, or None where everybody is trusted. Raises RemoteError for one that is not there."""
    file = trusted_keys_file(project)
    if file is not None and not file.is_file():
        raise RemoteError(f"{TRUSTED_VARIABLE} is {file}, which is not a file; expected an allowed_signers file")
    return file


def installed_fault(project: Path, folder: str, store: Store, keys: Path, is_remembered: bool = True) -> str | None:
    """Why what is installed in a folder does not count, in words: it came from a remote, and nobody trusted signed it.

    is_remembered: whether it is noted that somebody did, so that it is not asked again as long as the file of keys is the same.
    """
    installed = installed_in(project, folder)
    if installed is None or not is_record_of(installed.record, installed.key):
        # no build takes it for the result of its key
        return None
    key, manifest = installed.key, installed.manifest
    origin = origin_of_installed(installed, store)
    # another file of keys, or another output of the key, is another question
    asked = sha256_of(canonical_json([sha256_of_file(keys), manifest.tree_digest]))
    if origin is None or _read(project, folder, key)[1] == asked:
        return None
    fault = trust_fault(key, manifest.tree_digest, origin.signature, keys)
    if fault is not None:
        return f"it came from {origin.remote}, and {fault}"
    # asking again each time would be two processes for every artifact
    if is_remembered:
        note_origin(project, folder, key, origin, asked)
    return None


def untrusted_folders(
    project: Path, stamps: Iterable[Stamp], store: Store, is_remembered: bool = True
) -> dict[str, str]:
    """Folder -> why what is installed there does not count. Empty, at no cost, where no keys are trusted."""
    keys = trusted_keys(project)
    if keys is None:
        return {}
    faults = {stamp.folder: installed_fault(project, stamp.folder, store, keys, is_remembered) for stamp in stamps}
    return {folder: fault for folder, fault in faults.items() if fault is not None}


def withdraw_installed(project: Path, folder: str, store: Store, log: Log) -> None:
    """Take away the manifest of what is installed in a folder and does not count, where keys are trusted."""
    keys = trusted_keys(project)
    fault = installed_fault(project, folder, store, keys) if keys is not None else None
    if fault is not None:
        (project / folder / MANIFEST_NAME).unlink(missing_ok=True)
        log(f"{folder} does not count: {fault}; it is fetched where somebody trusted signed it, else built here")


def record_fault(project: Path, key: str, found: Recorded) -> str | None:
    """Why the store's record of a key does not count, in words, where keys are trusted."""
    keys = trusted_keys(project)
    if keys is None or found.origin is None:
        return None
    fault = trust_fault(key, found.manifest.tree_digest, found.origin.signature, keys)
    return f"it came from {found.origin.remote}, and {fault}" if fault is not None else None
