"""Installing an artifact in the workspace, and telling whether it is still what its manifest says.

In: a manifest whose objects the store has. Out: the artifact's folder, every file a link put in place by rename,
`manifest.json` last and as a copy (Snakemake touches it; a link would carry that into the store). A folder without
its manifest is not an artifact, so a kill in the middle leaves nothing that could be taken for one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.canonical import pretty_json, sha256_of_file
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.objects import Objects, expected_mtime_ns, is_untouched

_SHARD_CONTROL = re.compile(rf"^(\d{{4}})/({MANIFEST_NAME}|{ACTION_NAME})$")


@dataclass(frozen=True)
class Installed:
    """What an install had to do."""

    linked_files: int
    copied_bytes: int


def read_record(folder: Path) -> dict[str, Any] | None:
    """Action record of an installed artifact, or None where there is none or it is not one."""
    try:
        record = json.loads((folder / ACTION_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("action"), dict) else None


def _extra_files(folder: Path, manifest: Manifest) -> list[Path]:
    """Files that belong neither to the manifest nor to the records beside it (its own and its shards')."""
    known = {entry.path for entry in manifest.entries}
    shards = {path.split("/")[0] for path in known}
    extra = []
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent) / name for name in [*names, *folders]):
            name = path.relative_to(folder).as_posix()
            control = _SHARD_CONTROL.match(name)
            if path.is_dir() and not path.is_symlink():
                continue
            if name in known or name in (MANIFEST_NAME, ACTION_NAME) or (control and control[1] in shards):
                continue
            extra.append(path)
    return extra


def is_installed(folder: Path, manifest: Manifest) -> bool:
    """Whether the folder holds exactly the manifest's files, untouched. Stats files, reads none."""
    if read_manifest(folder) != manifest:
        return False
    if not all(is_untouched(folder / entry.path, entry.sha256, entry.size) for entry in manifest.entries):
        return False
    return not _extra_files(folder, manifest)


def is_sound(folder: Path, manifest: Manifest) -> bool:
    """Like `is_installed`, but a file that was only touched (a `dvc checkout` by copy) is hashed, once, and counts."""
    if read_manifest(folder) != manifest:
        return False
    for entry in manifest.entries:
        path = folder / entry.path
        if is_untouched(path, entry.sha256, entry.size):
            continue
        try:
            if path.stat().st_size != entry.size or sha256_of_file(path) != entry.sha256:
                return False
        except OSError:
            return False
        # another owner's file keeps its time and is hashed again
        with suppress(PermissionError):
            os.utime(path, ns=(expected_mtime_ns(entry.sha256),) * 2)
    return not _extra_files(folder, manifest)


def install(folder: Path, manifest: Manifest, action_record: Mapping[str, Any], objects: Objects) -> Installed:
    """Make the folder hold the manifest's files. The objects must be in the store."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    linked_files = copied_bytes = 0
    for entry in manifest.entries:
        target = folder / entry.path
        if target.is_symlink() or not _is_same_file(target, objects.path(entry.sha256)):
            copied_bytes += objects.install(entry.sha256, target)
            linked_files += 1
    _finish(folder, manifest, action_record)
    return Installed(linked_files, copied_bytes)


def install_hollow(folder: Path, manifest: Manifest, action_record: Mapping[str, Any]) -> None:
    """Put the two records in place without the files; of what lies there, only files that are the manifest's stay."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    for entry in manifest.entries:
        if not is_untouched(folder / entry.path, entry.sha256, entry.size):
            (folder / entry.path).unlink(missing_ok=True)
    _finish(folder, manifest, action_record)


def _finish(folder: Path, manifest: Manifest, action_record: Mapping[str, Any]) -> None:
    """Remove what does not belong, then write the records, the manifest last."""
    for path in _extra_files(folder, manifest):
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
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_bytes(data)
    os.replace(staged, path)


def adopt_installed(folder: Path, manifest: Manifest, objects: Objects) -> list[str]:
    """Bring an installed folder and the store into agreement, hashing what was touched; return the paths that are wrong.

    A file whose bytes are right (a `dvc checkout` that copied, a `touch`) goes into the store. One whose bytes are wrong is
    replaced from the store where the store has them; else its path is returned and nothing is changed.
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
