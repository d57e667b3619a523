"""Files of local folders.

In: a source with `local`. Out: its files, sorted. Property kept: nothing is left out silently but hidden files. Linked folders
are followed; what cannot be listed, a link in a circle, a pipe or a device is an error with its name. Names are taken as bytes,
so that the result does not depend on the locale; those that are not UTF-8 are read as GBK.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from domainlm.config.sources import Source
from domainlm.resolve import ConfigurationError
from domainlm.store.location import experiment_origin
from domainlm.text.reading.file_names import readable_name
from domainlm.text.reading.segments import is_included

# what `datasets` saves beside a dataset's data files
_SAVED_DATASET = (b"state.json", b"dataset_info.json")
_DATASET_FOLDER = b"dataset_dict.json"


Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a local source. path: in the source, readable text. location: where it lies, as the system's bytes.

    name: its true name in the source where that is not UTF-8 (bytes as surrogates), else None. identity: size, time, inode,
    the inode's time.
    """

    path: str
    name: str | None
    location: bytes
    identity: Identity


def identity_of(found: os.stat_result) -> Identity:
    return (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def _entries(folder: bytes, shown: str, key: str) -> list[os.DirEntry[bytes]]:
    """What a folder holds, less hidden files; of a dataset that was saved to disk its data files. Raises ConfigurationError."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((e for e in scanned if not e.name.startswith(b".")), key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if names.issuperset(_SAVED_DATASET):
            with open(os.path.join(folder, _SAVED_DATASET[0]), "rb") as file:
                taken = {os.fsencode(row["filename"]) for row in json.load(file)["_data_files"]}
            if not taken <= names:
                missing = os.fsdecode(min(taken - names))
                raise ConfigurationError(
                    f"{key}: the saved dataset {shown} has no {missing}, which its state.json names"
                )
            return [entry for entry in entries if entry.name in taken]
        return [entry for entry in entries if entry.name != _DATASET_FOLDER]
    except OSError as error:
        raise ConfigurationError(
            f"{key}: cannot list {shown}: {error.strerror}; make it readable or give a folder without it"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{key}: {shown}/state.json is not that of a saved dataset; save it again") from error


def _walk(root: bytes, shown: str, key: str, source: Source) -> Iterator[tuple[str, str | None, os.DirEntry[bytes]]]:
    """(path, true name where it differs, entry) of every file below a folder, links followed."""
    found = os.stat(root)
    waiting: list[tuple[bytes, bytes, tuple[tuple[int, int], ...]]] = [(root, b"", ((found.st_dev, found.st_ino),))]
    while waiting:
        folder, prefix, above = waiting.pop()
        for entry in _entries(folder, readable_name(shown.encode() + b"/" + prefix).rstrip("/"), key):
            name = prefix + entry.name
            if entry.is_dir():
                inside = entry.stat()
                place = (inside.st_dev, inside.st_ino)
                if place in above:
                    raise ConfigurationError(
                        f"{key}: {shown}/{readable_name(name)} is a link to a folder that it lies in; remove it"
                    )
                waiting.append((entry.path, name + b"/", (*above, place)))
                continue
            path = readable_name(name)
            if is_included(path, source.include, source.exclude):
                true_name = name.decode("utf-8", "surrogateescape")
                yield path, None if true_name == path else true_name, entry


def local_files(project: Path, name: str, source: Source) -> list[LocalFile]:
    """Files of a local source, sorted by path. Raises ConfigurationError where there is nothing, or what cannot be read."""
    assert source.local is not None
    root = project / source.local
    key = f"sources.{name}.local"
    if root.is_file():
        return [LocalFile(root.name, None, os.fsencode(root), identity_of(root.stat()))]
    if not root.is_dir():
        origin = experiment_origin(project)
        if origin is not None and (origin / source.local).exists():
            raise left_behind(key, source.local, source.local, origin)
        raise ConfigurationError(
            f"{key}: {source.local} does not exist; expected a file or folder relative to {origin or project}"
        )
    found: list[LocalFile] = []
    for path, true_name, entry in _walk(os.fsencode(root), source.local, key, source):
        try:
            status = entry.stat()
        except OSError as error:
            raise unreadable(key, f"{source.local}/{path}", error) from error
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(
                f"{key}: {source.local}/{path} is a pipe, a socket or a device; expected files and folders; name it "
                "under exclude"
            )
        found.append(LocalFile(path, true_name, entry.path, identity_of(status)))
    if not found:
        raise ConfigurationError(
            f"{key}: no file below {source.local} matches include {source.include}; check the patterns"
        )
    found.sort(key=lambda file: file.path)
    for first, second in itertools.pairwise(found):
        if first.path == second.path:
            raise ConfigurationError(
                f"{key}: {source.local} has two files whose names both read {first.path}, in UTF-8 and in GBK; rename one"
            )
    return found


def unreadable(key: str, shown: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: cannot read {shown}: {error.strerror}; make it readable or name it under exclude"
    )


def left_behind(key: str, local: str, missing: str, origin: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: {missing} is in {origin} but not in this DVC experiment's temporary folder, to which DVC copies only what "
        f"git or DVC tracks. Do one of: git add {missing}; dvc add {local}; dvc exp run --copy-paths {missing} ...; "
        f"give {key} an absolute path; leave it out by sources.*.exclude"
    )
