"""Hollow artifacts: the bytes stay in the remote until something reads them.

In: an artifact's manifest and action record, found in a remote. Out: a *hollow* artifact: both records are in place,
the files are absent, and a marker lies under `.domainlm/hollow/`. A hit needs the manifests of its inputs, not their
bytes, so a fresh clone with a remote fetches a few megabytes instead of gigabytes. A stage that misses fills its inputs
first; artifacts that the user requested by name are always filled. The marker lies outside the artifact, so it changes
neither the manifest's digest nor DVC's view of the folder.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.store.canonical import canonical_json
from domainlm.store.install import read_record
from domainlm.store.manifest import read_manifest
from domainlm.store.notes import read_note
from domainlm.store.staging import replace_file

MARKERS = ".domainlm/hollow"


def marker_path(project: Path, folder: str) -> Path:
    """Marker of an artifact's or a shard's folder (relative to the project)."""
    return project / MARKERS / f"{folder.removeprefix('artifacts/')}.json"


def _marker(project: Path, folder: str, key: str) -> dict[str, object] | None:
    """The folder's marker, where it is about this key."""
    try:
        row = read_note(marker_path(project, folder))
    except OSError:
        return None
    return row if row is not None and row.get("key") == key else None


def is_hollow(project: Path, folder: str, key: str) -> bool:
    """Whether the folder holds the records of this key without their bytes.

    The files count more than the marker, because `dvc pull` and `dvc checkout` fill a folder and leave its marker.
    """
    if _marker(project, folder, key) is None:
        return False
    manifest = read_manifest(project / folder)
    return manifest is None or not all((project / folder / entry.path).is_file() for entry in manifest.entries)


def is_lost(project: Path, folder: str, key: str) -> bool:
    """Whether this key's bytes were needed and the remote lacked them.

    The remote had only the record, so the artifact has to be built.
    """
    marker = _marker(project, folder, key)
    return marker is not None and marker.get("is_lost") is True


def mark_hollow(project: Path, folder: str, key: str, is_lost: bool = False) -> None:
    replace_file(marker_path(project, folder), canonical_json({"key": key, "is_lost": is_lost}))


def mark_filled(project: Path, folder: str) -> None:
    """Remove the markers of a folder and of the shards inside it."""
    path = marker_path(project, folder)
    for marker in [path, *path.with_suffix("").glob("*.json")]:
        marker.unlink(missing_ok=True)


def hollow_folders(project: Path, domain: str | None = None) -> list[str]:
    """Every hollow folder of a domain, or of all domains, sorted."""
    root = project / MARKERS
    markers = (root / domain if domain else root).rglob("*.json")
    folders = sorted(f"artifacts/{path.relative_to(root).with_suffix('').as_posix()}" for path in markers)
    records = {folder: read_record(project / folder) for folder in folders}
    return [name for name, record in records.items() if record is not None and is_hollow(project, name, record["key"])]
