"""Files of local folders.

In: a source with `local`. Out: its files, sorted. Property kept: nothing is left out silently but hidden files. Linked folders
are followed. What is no file to read (a dangling link, a pipe) is listed with its fault, for one bad file must not stop the rest;
a folder that cannot be listed or lies in itself is an error, because nobody could count what is missing. Names are taken as
bytes, so that the result does not depend on the locale; those that are not UTF-8 are read as GBK.
"""

from __future__ import annotations

import errno
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
SAVED_DATASET = (b"state.json", b"dataset_info.json")
_DATASET_FOLDER = b"dataset_dict.json"
# why a file of texts is not read -> in words
FAULTS = {
    "dangling_link": "a link that leads to no file",
    "not_a_file": "a pipe, a socket or a device",
    "unreadable": "permission denied",
}

Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a local source. path: in the source, readable text. location: where it lies, as the system's bytes.

    name: its true name in the source where that is not UTF-8 (bytes as surrogates), else None. identity: size, time, inode,
    the inode's time. fault: why it cannot be read, a key of FAULTS; its identity is then NO_IDENTITY.
    """

    path: str
    name: str | None
    location: bytes
    identity: Identity
    fault: str | None = None


NO_IDENTITY = (0, 0, 0, 0)


def identity_of(found: os.stat_result) -> Identity:
    return (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def _entries(folder: bytes, shown: str, key: str) -> list[os.DirEntry[bytes]]:
    """What a folder holds, less hidden files; of a dataset that was saved to disk its data files. Raises ConfigurationError."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((e for e in scanned if not e.name.startswith(b".")), key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if names.issuperset(SAVED_DATASET):
            with open(os.path.join(folder, SAVED_DATASET[0]), "rb") as file:
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


def _status(entry: os.DirEntry[bytes]) -> os.stat_result | str:
    """What an entry is, links followed; a key of FAULTS where it is nothing to read."""
    try:
        found = entry.stat()
    except PermissionError:
        return "unreadable"
    except OSError as error:
        # ELOOP: a link to itself; ENOTDIR: one through a file
        if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return "dangling_link"
        raise
    return found if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) else "not_a_file"


def _walk(root: bytes, shown: str, key: str, source: Source) -> Iterator[LocalFile]:
    """Every file below a folder, links followed."""
    found = os.stat(root)
    waiting: list[tuple[bytes, bytes, tuple[tuple[int, int], ...]]] = [(root, b"", ((found.st_dev, found.st_ino),))]
    while waiting:
        folder, prefix, above = waiting.pop()
        for entry in _entries(folder, readable_name(shown.encode() + b"/" + prefix).rstrip("/"), key):
            name = prefix + entry.name
            path = readable_name(name)
            is_taken = is_included(path, source.include, source.exclude)
            # of a million files that are left out none is asked for
            if not is_taken and not entry.is_dir(follow_symlinks=False) and not entry.is_symlink():
                continue
            try:
                status = _status(entry)
            except OSError as error:
                raise unreadable(key, f"{shown}/{path}", str(error.strerror)) from error
            if isinstance(status, os.stat_result) and stat.S_ISDIR(status.st_mode):
                place = (status.st_dev, status.st_ino)
                if place in above:
                    raise ConfigurationError(f"{key}: {shown}/{path} is a link to a folder that it lies in; remove it")
                waiting.append((entry.path, name + b"/", (*above, place)))
            elif is_taken:
                decoded = name.decode("utf-8", "surrogateescape")
                true_name = None if decoded == path else decoded
                if isinstance(status, str):
                    yield LocalFile(path, true_name, entry.path, NO_IDENTITY, status)
                else:
                    yield LocalFile(path, true_name, entry.path, identity_of(status))


def local_files(project: Path, name: str, source: Source) -> list[LocalFile]:
    """Files of a local source, sorted by path. Raises ConfigurationError where nothing is there to read."""
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
    found = sorted(_walk(os.fsencode(root), source.local, key, source), key=lambda file: file.path)
    if not found:
        raise ConfigurationError(
            f"{key}: no file below {source.local} matches include {source.include}; check the patterns"
        )
    for first, second in itertools.pairwise(found):
        if first.path == second.path:
            raise ConfigurationError(
                f"{key}: {source.local} has two files whose names both read {first.path}, in UTF-8 and in GBK; rename one"
            )
    return found


def unreadable(key: str, shown: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{key}: cannot read {shown}: {reason}; make it readable or name it under exclude")


def left_behind(key: str, local: str, missing: str, origin: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: {missing} is in {origin} but not in this DVC experiment's temporary folder, to which DVC copies only what "
        f"git or DVC tracks. Do one of: git add {missing}; dvc add {local}; dvc exp run --copy-paths {missing} ...; "
        f"give {key} an absolute path; leave it out by sources.*.exclude"
    )
