"""The needs of the workspaces that use a store: collection roots.

In: the store's registered workspaces. Out: action keys and digests that must stay. A workspace needs its installed
artifacts, everything that its stamps ask for (an artifact that DVC has just deleted, the checkpoints of a training
that was killed), the raw files that either names, and everything that its `dvc.lock` files name. DVC's files are read
as data: importing DVC takes 0.5 s. An unreadable workspace is an error, never a workspace without needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.sources.fetch import declared_digests
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.collect import Roots
from domainlm.store.local import Store
from domainlm.store.location import dvc_cache_folder
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, parse_manifest
from domainlm.store.roots import find_workspaces, listed, read_pins, workspace_file

# what reading a file raises that is not what it should be
TORN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class CollectionError(Exception):
    """A workspace's needs are unknown, so nothing is collected.

    The message names the file and the fix.
    """


@dataclass
class Needs:
    """The needs of the workspaces.

    installed, wanted, locked: action keys. digests: objects, trees and code.
    """

    installed: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def find_roots(store: Store, project: Path) -> Roots:
    """The present collection roots."""
    workspaces = find_workspaces(store.root)
    pins, torn_pins = read_pins(store.root)
    own = workspace_file(store.root, project.resolve())
    for path, file in workspaces.closed:
        raise CollectionError(_closed(path, store, file))
    # a note is named after its workspace: this one's own is known without being read
    for file in (file for file in workspaces.torn if file != own):
        raise CollectionError(
            f"{file} is torn: it names no workspace, so the needs of that workspace are unknown; run snakemake -n in every "
            f"workspace that uses the store {store.root} (it writes the file again), then remove the file if it is still torn"
        )
    for file in torn_pins:
        raise CollectionError(
            f"{file} is torn, so the content of the pin is unknown; pin the artifact under another name, then remove this pin: "
            f"domainlm gc --unpin {file.stem}"
        )
    needs = Needs()
    for workspace in sorted({*workspaces.there, project.resolve()}):
        try:
            _add_installed(store, workspace, needs)
            _add_stamps(store, workspace, needs)
            _add_locked(workspace, needs)
        except PermissionError as error:
            if error.filename is None or not Path(error.filename).is_relative_to(workspace):
                raise
            raise CollectionError(
                _closed(Path(error.filename), store, workspace_file(store.root, workspace))
            ) from error
    keys = {
        "installed": frozenset(needs.installed),
        "wanted": frozenset(needs.wanted),
        "dvc.lock": frozenset(needs.locked),
        "pinned": frozenset(key for pin in pins for key in pin.keys),
    }
    return Roots(keys, frozenset(needs.digests), tuple(needs.notes), workspaces.gone)


def _closed(path: Path, store: Store, file: Path) -> str:
    return (
        f"{path} belongs to a workspace that uses the store {store.root} and cannot be read by this user, so its needs are "
        f"unknown; collect as a user who can read it, or remove {file} if that workspace is no longer used"
    )


def _add_installed(store: Store, workspace: Path, needs: Needs) -> None:
    """Add installed artifacts and shards, hollow ones too.

    The records of hollow ones are in use; only their bytes are elsewhere.
    """
    for folder in installed_folders(workspace):
        with suppress(*TORN):
            manifest = parse_manifest(_read(folder / MANIFEST_NAME) or b"null")
            needs.digests.update(entry.sha256 for entry in manifest.entries)
            needs.digests.add(manifest.tree_digest)
        with suppress(*TORN):
            record = json.loads(_read(folder / ACTION_NAME) or b"null")
            action = record["action"]
            needs.installed.add(record["key"])
            needs.digests.update([action["code"], *action["inputs"].values(), *declared_digests(store, action)])


def installed_folders(workspace: Path) -> Iterator[Path]:
    """Folders of artifacts and of their shards.

    Raises PermissionError for an unreadable folder.
    """
    for domain in _folders(workspace / "artifacts"):
        for artifact in _folders(domain):
            yield artifact
            for folder in _folders(artifact):
                if re.fullmatch(r"\d{4}", folder.name):
                    yield folder


def _add_stamps(store: Store, workspace: Path, needs: Needs) -> None:
    """Add the needs of the last run in each domain.

    They are raw files, and the keys of the artifacts that can be built next.
    """
    digests: dict[str, str | None] = {}

    def tree_digest(folder: str) -> str | None:
        if folder not in digests:
            data = _read(workspace / folder / MANIFEST_NAME)
            digests[folder] = sha256_of(data) if data is not None else None
        return digests[folder]

    for domain in _folders(workspace / ".domainlm" / "stamps"):
        for path in sorted(domain.glob("*.json")):
            with suppress(*TORN):
                # written by another version of this package: then its keys are others as well
                stamp = Stamp(**json.loads(_read(path) or b"null"))
                inputs = {name: tree_digest(folder) for name, folder in stamp.inputs.items()}
                known = {name: digest for name, digest in inputs.items() if digest is not None}
                action = action_of(stamp, known)
                needs.digests.update([stamp.code_digest, *declared_digests(store, action)])
                if len(known) == len(inputs):
                    needs.wanted.add(action_key(action))


def _add_locked(workspace: Path, needs: Needs) -> None:
    """Add everything that the checked-out dvc.lock files name.

    It is found by the action records in DVC's cache.
    """
    cache = dvc_cache_folder(workspace) / "files" / "md5"
    for path in [workspace / "dvc.lock", *(folder / "dvc.lock" for folder in _folders(workspace / "domains"))]:
        data = _read(path)
        if data is None:
            continue
        unknown = 0
        for digest in _locked_folders(path, data):
            rows = read_json(cache / digest[:2] / digest[2:])
            try:
                names = [row["md5"] for row in rows if row["relpath"].split("/")[-1] == ACTION_NAME]
                records = [read_json(cache / name[:2] / name[2:]) for name in names]
                needs.locked.update([record["key"] for record in records if record is not None])
            except TORN:
                unknown += 1
        if unknown:
            needs.notes.append(
                f"{path}: {unknown} of its outputs are not in DVC's cache here, so they keep nothing (dvc fetch brings them)"
            )


def _locked_folders(path: Path, data: bytes) -> Iterator[str]:
    """MD5 names (`<md5>.dir`) of the folders that a dvc.lock lists as outputs."""
    try:
        document = yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        for stage in ((document or {}).get("stages") or {}).values():
            for out in stage.get("outs") or []:
                if str(out.get("md5", "")).endswith(".dir"):
                    yield out["md5"]
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise CollectionError(
            f"{path} is not a lock file that DVC wrote ({type(error).__name__}), so its needs are unknown; "
            "resolve its conflict or restore it (git checkout)"
        ) from error


def _read(path: Path) -> bytes | None:
    """Bytes of a file; None if it does not exist.

    An unreadable file is an error, because its needs would be collected.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_json(path: Path) -> Any:
    data = _read(path)
    try:
        return json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None


def _folders(path: Path) -> list[Path]:
    return [entry for entry in listed(path) if entry.is_dir()]
