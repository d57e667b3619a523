"""Files of local folders.

In: a source with `local`. Out: its files, sorted. Property kept: only hidden files are excluded silently. Linked
folders are followed, and a folder is read once, however many paths lead to it (22 folders with two links each make four
million): by the path with the fewest links, then the shortest, then the first by name. Paths that are not read (another
path to a folder, a dangling link, a pipe) are listed with their fault, because one bad file must not stop the rest. A
folder that cannot be listed is an error, because nobody could count the missing files. Names are taken as bytes, so
that the result does not depend on the locale; those that are not UTF-8 are read as GBK.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm.config.bounded_file import read_bounded
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import Source
from domainlm.raw.file_names import readable_name
from domainlm.raw.json_text import parsed_json
from domainlm.raw.segments import is_included, may_hold_included
from domainlm.store.location import experiment_origin

# `datasets` saves these files beside a dataset's data files
SAVED_DATASET = (b"state.json", b"dataset_info.json")
_DATASET_FOLDER = b"dataset_dict.json"
# a longer state.json names more than a million data files
MAX_STATE_BYTES = 100_000_000
# the length to which a message shows a path
MAX_SHOWN_CHARS = 300
# builds, DVC, git and Snakemake write here: a corpus that held these folders would change with every build
_OWN_FOLDERS = ("artifacts", "logs", ".domainlm", ".dvc", ".git", ".snakemake")
# fault of a file that is not read -> its meaning
FAULTS = {
    "dangling_link": "a link that leads to no file",
    "not_a_file": "a pipe, a socket or a device",
    "unreadable": "permission denied",
    "folder_again": "a folder that is read under another path",
    "folder_above": "a link to a folder that the source lies in",
    "own_folder": "a folder that builds, DVC or git write to",
}

Place = tuple[int, int]
Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a local source.

    path: in the source, readable text. location: where the file lies, as the system's bytes. name: its true name in the
    source where that is not UTF-8 (bytes as surrogates), else None. identity: size, time, inode, the inode's time.
    fault: the reason why it cannot be read, a key of FAULTS; its identity is then NO_IDENTITY.
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
    """The entries of a folder, without hidden files.

    A dataset that was saved to disk has its data files only. Raises ConfigurationError.
    """
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((e for e in scanned if not e.name.startswith(b".")), key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if names.issuperset(SAVED_DATASET):
            state = read_bounded(os.path.join(folder, SAVED_DATASET[0]), MAX_STATE_BYTES)
            taken = {os.fsencode(row["filename"]) for row in parsed_json(state.decode("utf-8"))["_data_files"]}
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
    """The status of an entry, links followed, or its fault.

    A fault is a key of FAULTS, for an entry that cannot be read.
    """
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


@dataclass(frozen=True, slots=True, order=True)
class _Folder:
    """A folder to read, in the order in which folders are read.

    name: its path in the source, with "/" at the end.
    """

    links: int
    depth: int
    name: bytes
    location: bytes
    place: Place


def _place(path: str | bytes) -> Place | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refused_places(project: Path, root: bytes) -> dict[Place, str]:
    """Folders that no source may read -> fault.

    They are the folders that the source lies in, and those that builds, DVC and git write.
    """
    above = dict.fromkeys(map(_place, map(str, Path(os.path.realpath(os.fsdecode(root))).parents)), "folder_above")
    return {
        **dict.fromkeys(_own_places(project), "own_folder"),
        **{p: why for p, why in above.items() if p is not None},
    }


def _own_places(project: Path) -> set[Place]:
    places = (_place(os.path.join(project, name)) for name in _OWN_FOLDERS)
    return {place for place in places if place is not None}


def _check_not_own(project: Path, root: bytes, shown: str, key: str) -> None:
    """Raise ConfigurationError for a source in a folder that builds write."""
    real = Path(os.path.realpath(os.fsdecode(root)))
    if not _own_places(project).isdisjoint(map(_place, map(str, (real, *real.parents)))):
        raise ConfigurationError(
            f"{key}: {shown} lies in a folder that builds, DVC or git write to ({', '.join(_OWN_FOLDERS)}), so it would change "
            "with every build; expected a folder of raw files: copy them to another folder"
        )


def _leads_within_own(location: bytes, refused: Mapping[Place, str]) -> bool:
    """Whether a link leads into a folder of builds, DVC or git.

    The link may lead to any depth below such a folder.
    """
    places = map(_place, map(str, Path(os.path.realpath(os.fsdecode(location))).parents))
    return any(place is not None and refused.get(place) == "own_folder" for place in places)


def _walk(project: Path, root: bytes, shown: str, key: str, source: Source) -> Iterator[LocalFile]:
    """Every file below a folder, links followed."""
    found = os.stat(root)
    _check_not_own(project, root, shown, key)
    refused = _refused_places(project, root)
    seen: set[Place] = set()
    waiting = [_Folder(0, 0, b"", root, (found.st_dev, found.st_ino))]
    while waiting:
        folder = heapq.heappop(waiting)
        fault = refused.get(folder.place) if folder.depth else None
        if fault is None and os.path.islink(folder.location) and _leads_within_own(folder.location, refused):
            fault = "own_folder"
        if fault is None and folder.place in seen:
            fault = "folder_again"
        if fault is not None:
            yield _faulty(folder.name[:-1], folder.location, fault)
            continue
        seen.add(folder.place)
        for entry in _entries(folder.location, _shown(shown, folder.name), key):
            name = folder.name + entry.name
            path = readable_name(name)
            is_taken = is_included(path, source.include, source.exclude)
            # a million excluded files must not cost a system call each
            if not is_taken and not entry.is_dir(follow_symlinks=False) and not entry.is_symlink():
                continue
            try:
                status = _status(entry)
            except OSError as error:
                raise unreadable(key, _shown(shown, name), str(error.strerror)) from error
            if isinstance(status, os.stat_result) and stat.S_ISDIR(status.st_mode):
                links = folder.links + entry.is_symlink()
                is_left_out = entry.is_symlink() and not is_included(path, ["**"], source.exclude)
                if not is_left_out and may_hold_included(path, source.include, source.exclude):
                    place = (status.st_dev, status.st_ino)
                    heapq.heappush(waiting, _Folder(links, folder.depth + 1, name + b"/", entry.path, place))
            elif is_taken:
                if isinstance(status, str):
                    yield _faulty(name, entry.path, status)
                else:
                    yield LocalFile(path, _true_name(name, path), entry.path, identity_of(status))


def _true_name(name: bytes, path: str) -> str | None:
    decoded = name.decode("utf-8", "surrogateescape")
    return None if decoded == path else decoded


def _faulty(name: bytes, location: bytes, fault: str) -> LocalFile:
    path = readable_name(name)
    return LocalFile(path, _true_name(name, path), location, NO_IDENTITY, fault)


def _shown(shown: str, name: bytes) -> str:
    """A path for a message; long ones are shortened in the middle."""
    text = f"{shown}/{readable_name(name)}".rstrip("/")
    half = MAX_SHOWN_CHARS // 2
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:half]}...{text[-half:]}"


def local_files(project: Path, name: str, source: Source) -> list[LocalFile]:
    """Files of a local source, sorted by path.

    Raises ConfigurationError where there is no file to read.
    """
    assert source.local is not None
    root = project / source.local
    key = f"sources.{name}.local"
    try:
        is_file, is_folder = root.is_file(), root.is_dir()
    except OSError as error:
        # a name that is too long, a folder above that is closed
        raise unreadable(key, source.local[:MAX_SHOWN_CHARS], str(error.strerror)) from error
    if is_file:
        return [LocalFile(root.name, None, os.fsencode(root), identity_of(root.stat()))]
    if not is_folder:
        origin = experiment_origin(project)
        if origin is not None and (origin / source.local).exists():
            raise left_behind(key, source.local, source.local, origin)
        raise ConfigurationError(
            f"{key}: {source.local} does not exist; expected a file or folder relative to {origin or project}"
        )
    found = sorted(_walk(project, os.fsencode(root), source.local, key, source), key=lambda file: file.path)
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
        f"give {key} an absolute path; or exclude it by sources.*.exclude"
    )
