"""An index of digests and media types of local files.

In: files as a folder lists them. Out: digest, size and media type of each. The index is kept from run to run, and a
file is read only where it changed: size, time in ns, inode, and the inode's own time, because a program that edits in
place can put the file's time back. A file that changed within two seconds of its hashing, by its file system's
clock, is hashed again, because its next write could leave the time as it is. A row describes the file at the moment
when it was opened, which may be after it was listed. The whole index is dropped when the code that detects media types
changes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.raw import media_type as media_types
from domainlm.raw.media_type import HEAD_BYTES, ZIP, kind_of_head, media_type_of
from domainlm.sources.folders import Identity, LocalFile, identity_of
from domainlm.store.canonical import canonical_json
from domainlm.store.canonical_code import module_digest
from domainlm.store.clock import clock_offset_ns, is_young
from domainlm.store.notes import read_note
from domainlm.store.staging import replace_file

INDEX_FILE = ".domainlm/local_index.json"
# files for one thread at once: a future for each of a million files would cost more than reading them
_FILES_PER_TASK = 256
# identity (size, time, inode, the inode's time), digest, time of reading, media type
_ROW = [int, int, int, int, str, int, str]


@dataclass(frozen=True, slots=True)
class Content:
    """The digest, size and media type of a file."""

    sha256: str
    size: int
    media_type: str


def read_content(location: bytes) -> tuple[Identity, str, str]:
    """Identity, SHA-256 and media type of a file as it is read.

    Raises OSError with the file's name.
    """
    try:
        with open(location, "rb") as file:
            identity = identity_of(os.fstat(file.fileno()))
            head = file.read(HEAD_BYTES)
            media_type = kind_of_head(head)
            if media_type == ZIP:
                media_type = media_type_of(file)
            if len(head) < HEAD_BYTES:
                digest = hashlib.sha256(head).hexdigest()
            else:
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        # the error of a failed read names no file, that of a failed open does
        raise OSError(error.errno, error.strerror, os.fsdecode(location)) from error
    return identity, digest, media_type


def _rows(files: Sequence[LocalFile], offset_ns: int) -> list[list[Any] | None]:
    """The index row of each file; None where reading is not permitted.

    offset_ns: how far the files' clock is ahead.
    """
    rows: list[list[Any] | None] = []
    for file in files:
        began_ns = time.time_ns() + offset_ns
        try:
            identity, digest, media_type = read_content(file.location)
        except PermissionError:
            rows.append(None)
        else:
            rows.append([*identity, digest, began_ns, media_type])
    return rows


def _is_row(row: object) -> bool:
    return type(row) is list and list(map(type, row)) == _ROW


class LocalIndex:
    """The index of local files, by their place relative to the project."""

    def __init__(self, project: Path) -> None:
        self._project = os.fsencode(project)
        self._file = project / INDEX_FILE
        self._rows: dict[str, list[Any]] = {}
        self._is_changed = False
        self._code = module_digest(Path(media_types.__file__).read_bytes())
        kept = read_note(self._file) or {}
        rows = kept.get("files")
        # an index of other code, a torn one, or one of another form is dropped: then every file is read again
        if kept.get("media_type_code") == self._code and isinstance(rows, dict) and all(map(_is_row, rows.values())):
            self._rows = rows

    def contents(self, files: Sequence[LocalFile]) -> list[Content | None]:
        """Content of each file; None where reading is not permitted.

        Changed files are hashed in threads, because hashlib works without the interpreter's lock. Raises OSError with
        the name of a file that cannot be read for another reason.
        """
        names = [self._name(file.location) for file in files]
        changed = [n for n, file in enumerate(files) if not self._is_known(names[n], file.identity)]
        if changed:
            tasks = [changed[at : at + _FILES_PER_TASK] for at in range(0, len(changed), _FILES_PER_TASK)]
            if len(changed) < 2 * _FILES_PER_TASK:
                tasks = [[number] for number in changed]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                offset_ns = clock_offset_ns(Path(os.fsdecode(self._project)))
                found_rows = pool.map(lambda task: _rows([files[n] for n in task], offset_ns), tasks)
                for task, rows in zip(tasks, found_rows, strict=True):
                    for n, row in zip(task, rows, strict=True):
                        known = self._rows.pop(names[n], None)
                        if row is not None:
                            self._rows[names[n]] = row
                        self._is_changed |= known is not row
        found = (self._rows.get(name) for name in names)
        return [None if row is None else Content(row[4], row[0], row[6]) for row in found]

    def _name(self, location: bytes) -> str:
        prefix = self._project + b"/"
        # relpath asks for the working folder at each call, which is slow with ten thousand files
        own = location[len(prefix) :] if location.startswith(prefix) else os.path.relpath(location, self._project)
        return own.decode("utf-8", "surrogateescape")

    def _is_known(self, name: str, identity: tuple[int, int, int, int]) -> bool:
        known = self._rows.get(name)
        return known is not None and known[:4] == [*identity] and not is_young(identity[3], known[5])

    def save(self) -> None:
        if self._is_changed:
            replace_file(self._file, canonical_json({"media_type_code": self._code, "files": self._rows}))
