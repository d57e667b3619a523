"""Installing an artifact in the workspace, and checking an installed one.

In: a manifest whose objects the store has. Out: the artifact's folder: every file is a link put in place by rename,
and `manifest.json` comes last and as a copy (Snakemake touches it; a link would carry the touch into the store). A
folder without its manifest is no artifact, so a kill in the middle leaves nothing that looks like one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.actions import check_facts
from domainlm.store.canonical import pretty_json, sha256_of_file
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Entry, Manifest, read_manifest
from domainlm.store.notes import read_note
from domainlm.store.objects import Objects, expected_mtime_ns, is_untouched
from domainlm.store.staging import write_whole

_SHARD = re.compile(r"\d{4}")
_CONTROL = (MANIFEST_NAME, ACTION_NAME)


@dataclass(frozen=True)
class InstallCost:
    """The work that an install had to do."""

    linked_files: int
    copied_bytes: int


def read_record(folder: Path) -> dict[str, Any] | None:
    """Action record of an installed artifact, or None if there is none."""
    try:
        record = read_note(folder / ACTION_NAME)
    except OSError:
        return None
    return record if record is not None and _is_record(record) else None


def _is_record(record: Mapping[str, Any]) -> bool:
    """Whether it has a key, a complete action and plain platform facts."""
    action = record.get("action")
    try:
        check_facts(record.get("built", {}))
    except ValueError:
        return False
    return (
        isinstance(record.get("key"), str)
        and isinstance(action, dict)
        and isinstance(action.get("artifact"), str)
        and isinstance(action.get("code"), str)
        and all(isinstance(action.get(part), dict) for part in ("config", "inputs", "distributions"))
        and all(isinstance(digest, str) for digest in action["inputs"].values())
    )


def read_installed(folder: Path) -> tuple[Manifest, dict[str, Any]] | None:
    """Manifest and action record of an installed artifact, of one moment.

    None while the artifact is being installed.
    """
    record, manifest = read_record(folder), read_manifest(folder)
    # an install writes the record, then the manifest: a record that is still the same belongs to what was read in between
    if record is None or manifest is None or read_record(folder) != record:
        return None
    return manifest, record


def extra_files(folder: Path, manifest: Manifest) -> list[Path]:
    """Files that belong to neither the manifest nor the records.

    The records are the artifact's own and its shards'.
    """
    known = {entry.path for entry in manifest.entries} | set(_CONTROL)
    shards = {path.split("/")[0] for path in known if "/" in path}
    known |= {f"{shard}/{name}" for shard in shards if _SHARD.fullmatch(shard) for name in _CONTROL}
    extra = []
    # text, not Path: a run with nothing to do comes through here once for every shard
    for parent, folders, names in os.walk(folder):
        way = f"{parent[len(str(folder)) + 1 :]}/" if parent != str(folder) else ""
        links = [name for name in folders if os.path.islink(f"{parent}/{name}")]
        extra += [Path(parent, name) for name in [*names, *links] if f"{way}{name}" not in known]
    return extra


def is_installed(folder: Path, manifest: Manifest) -> bool:
    """Whether the folder holds exactly the manifest's files, untouched.

    It reads their status, not their bytes.
    """
    if read_manifest(folder) != manifest:
        return False
    if not all(is_untouched(folder / entry.path, entry.sha256, entry.size) for entry in manifest.entries):
        return False
    return not extra_files(folder, manifest)


def is_sound(folder: Path, manifest: Manifest, is_remembered: bool = True) -> bool:
    """Like `is_installed`, but a touched file with the right bytes counts.

    Such a file (after a `dvc checkout` by copy) is hashed once. manifest: as it was just read from the folder.
    is_remembered: whether such a file gets its object's time, so that it is not hashed again.
    """
    for entry in manifest.entries:
        path = folder / entry.path
        if is_untouched(path, entry.sha256, entry.size):
            continue
        try:
            if path.stat().st_size != entry.size or sha256_of_file(path) != entry.sha256:
                return False
        except OSError:
            return False
        if is_remembered:
            # another owner's file keeps its time and is hashed again
            with suppress(PermissionError):
                os.utime(path, ns=(expected_mtime_ns(entry.sha256),) * 2)
    return not extra_files(folder, manifest)


def install(folder: Path, manifest: Manifest, action_record: Mapping[str, Any], objects: Objects) -> InstallCost:
    """Make the folder hold the manifest's files.

    The objects must be in the store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _retire(folder, manifest)
    _make_way(folder, manifest)
    linked_files = copied_bytes = 0
    for entry in manifest.entries:
        target = folder / entry.path
        if target.is_symlink() or not _is_same_file(target, objects.path(entry.sha256)):
            copied_bytes += objects.install(entry.sha256, target)
            linked_files += 1
    _finish(folder, manifest, action_record)
    return InstallCost(linked_files, copied_bytes)


def install_hollow(folder: Path, manifest: Manifest, action_record: Mapping[str, Any]) -> None:
    """Put the two records in place without the files.

    Of the files that are there, only those in the manifest stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _retire(folder, manifest)
    _make_way(folder, manifest)
    for entry in manifest.entries:
        if not is_untouched(folder / entry.path, entry.sha256, entry.size):
            (folder / entry.path).unlink(missing_ok=True)
    _finish(folder, manifest, action_record)


def _retire(folder: Path, manifest: Manifest) -> None:
    """Remove the manifest before files change.

    This includes other manifests that describe the same files differently. A whole artifact and its shards share
    files; if they come from two configurations, only one of them can be there.
    """
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    if _SHARD.fullmatch(folder.name):
        whole = read_manifest(folder.parent)
        if whole is not None and _by_shard(whole).get(folder.name, set()) != set(manifest.entries):
            (folder.parent / MANIFEST_NAME).unlink(missing_ok=True)
        return
    shards = _by_shard(manifest)
    for path in folder.glob(f"[0-9][0-9][0-9][0-9]/{MANIFEST_NAME}"):
        shard = read_manifest(path.parent)
        if shard is None or shards.get(path.parent.name, set()) != set(shard.entries):
            path.unlink(missing_ok=True)


def _make_way(folder: Path, manifest: Manifest) -> None:
    """Remove whatever has another kind than in the manifest.

    That is a folder at a file's name, or a file or a link at a folder's.
    """
    folders = {parent for entry in manifest.entries for parent in Path(entry.path).parents}
    for path in (folder / name for name in sorted(folders, key=lambda parent: len(parent.parts)) if name.parts):
        if path.is_symlink() or path.is_file():
            path.unlink()
    for path in (folder / entry.path for entry in manifest.entries):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _by_shard(whole: Manifest) -> dict[str, set[Entry]]:
    """First folder of the path -> entries in that folder's own manifest."""
    found: dict[str, set[Entry]] = {}
    for entry in whole.entries:
        shard, _, path = entry.path.partition("/")
        found.setdefault(shard, set()).add(Entry(path, entry.sha256, entry.size))
    return found


def _finish(folder: Path, manifest: Manifest, action_record: Mapping[str, Any]) -> None:
    """Remove extra files, then write the records, the manifest last."""
    for path in extra_files(folder, manifest):
        path.unlink()
    for parent, _, _ in os.walk(folder, topdown=False):
        if parent != str(folder) and not os.listdir(parent):
            os.rmdir(parent)
    _write(folder / ACTION_NAME, pretty_json(dict(action_record)))
    _write(folder / MANIFEST_NAME, manifest.to_bytes())


def _is_same_file(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    write_whole(path, data, path.with_name(f".{path.name}.{os.getpid()}"))


def adopt_installed(folder: Path, manifest: Manifest, objects: Objects) -> list[str]:
    """Reconcile an installed folder and the store; return the wrong paths.

    Touched files are hashed. A file whose bytes are right (a `dvc checkout` that copied, a `touch`) goes into the
    store. A file whose bytes are wrong is replaced from the store if the store has it; else its path is returned and
    nothing is changed.
    """
    wrong = []
    for entry in manifest.entries:
        path = folder / entry.path
        if is_untouched(path, entry.sha256, entry.size):
            if not objects.path(entry.sha256).exists():
                objects.adopt(path, entry.sha256)
            continue
        if path.is_file() and sha256_of_file(path) == entry.sha256:
            if not objects.has(entry.sha256, entry.size):
                objects.adopt(path, entry.sha256)
            objects.install(entry.sha256, path)
        elif objects.has(entry.sha256, entry.size):
            objects.install(entry.sha256, path)
        else:
            wrong.append(entry.path)
    return wrong
