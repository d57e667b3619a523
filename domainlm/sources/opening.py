"""Opening raw files by their inventory rows.

In: the places of sources, the store (which holds fetched and copied files), a row. Out: an open file whose bytes have
the digest that the row lists; any other file is refused. The open file itself is checked, so the checked bytes are the
bytes that are read. Rows of one archive follow each other: the archive stays open between them, so a packed one is
unpacked once.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from domainlm.contract import StageError
from domainlm.raw.archives import Archive, ArchiveFault, Limits, Member
from domainlm.raw.expansion import digest_of
from domainlm.raw.raw_file import RawFile
from domainlm.store.local import Store

# the files of an inventory were within the limits when it was made
_NO_LIMITS = Limits(math.inf, 1 << 62)


class OpenArchives:
    """The archives that lead to the last member read, and that member.

    scratch: folder for unpacked files. Of two rows with the same archive and member, the second unpacks nothing.
    """

    def __init__(self, open_archive: Callable[[RawFile], BinaryIO], scratch: Path) -> None:
        self._open_archive = open_archive
        self._scratch = scratch
        # digest of the outermost archive, then names of members; with each the archive, its members by name, its file
        self._way: list[str] = []
        self._archives: list[tuple[BinaryIO, Archive, dict[str, Member]]] = []
        self._last: tuple[list[str], BinaryIO] | None = None

    def open(self, row: RawFile) -> BinaryIO:
        """A member, seekable.

        Raises StageError where its bytes are not those that the row lists.
        """
        way = [row["archive"], *(row["members"] or ())]
        try:
            if self._last is None or self._last[0] != way:
                self._last = None
                opened = self._member(way, row)
                if digest_of(opened) != row["sha256"]:
                    raise ArchiveFault("changed", "its digest is another one")
                self._last = (way, opened)
        except (ArchiveFault, KeyError) as error:
            raise StageError(
                f"source {row['source']}: {row['path']} is not what the inventory lists ({error}), though its archive is; "
                "the inventory is another version's: run snakemake again"
            ) from error
        found = self._last[1]
        found.seek(0)
        return io.BufferedReader(_View(found))

    def _member(self, way: list[str], row: RawFile) -> BinaryIO:
        while self._archives and self._way[: len(self._archives)] != way[: len(self._archives)]:
            file, archive, _ = self._archives.pop()
            archive.close()
            file.close()
        while len(self._archives) < len(way) - 1:
            depth = len(self._archives)
            if depth == 0:
                file, name = self._open_archive(row), "archive"
            else:
                _, above, members = self._archives[-1]
                file, name = above.open(members[way[depth]]), way[depth]
            archive = Archive(file, name, self._scratch, _NO_LIMITS)
            named = {member.name: member for member in archive.members() if member.fault is None}
            self._archives.append((file, archive, named))
        self._way = way
        _, archive, members = self._archives[-1]
        if archive.is_single:
            return archive.open(next(iter(members.values())))
        return archive.open(members[way[-1]])


class _View(io.RawIOBase):
    """A view of a file: closing it leaves the file open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def raw_opener(
    project: Path, roots: Mapping[str, str], store: Store, is_listing: bool = False
) -> Callable[[Mapping[str, Any]], BinaryIO]:
    """The function that opens a raw file by its inventory row.

    It refuses bytes that the inventory does not list. roots: source -> local file or folder. is_listing: for the stage
    that lists the files, and so reads the files themselves; every other stage reads the copies that were made where the
    source states `copy: true`.
    """
    checked: dict[str, tuple[int, int, int]] = {}

    def stored(digest: str, source: str) -> BinaryIO:
        path = store.objects.path(digest)
        if not path.exists() or not store.objects.has(digest, path.stat().st_size):
            raise StageError(
                f"the raw file {digest[:16]} of source {source} is not in the store {store.root}; "
                "get it again: snakemake --cores all --forcerun raw_corpus_shard"
            )
        return path.open("rb")

    def whole(row: RawFile) -> BinaryIO:
        digest = row.get("archive") or row["sha256"]
        # the copy that raw_corpus made is an object; only raw_corpus itself reads the original file
        if row["origin"] != "local" or (row.get("is_copied") and not is_listing):
            return stored(digest, row["source"])
        return local(row, digest)

    def local(row: RawFile, digest: str) -> BinaryIO:
        root = project / roots[row["source"]]
        # the archive's place, or a name that is not UTF-8, stand beside the path where they differ from it
        name = row.get("archive_path") or row.get("file_name") or row["path"]
        path = (
            os.fsencode(root) if root.is_file() else os.fsencode(root) + b"/" + name.encode("utf-8", "surrogateescape")
        )
        try:
            file = open(path, "rb")  # noqa: SIM115 - its user closes it
        except OSError as error:
            raise StageError(
                f"source {row['source']}: cannot read {row['path']}: {error.strerror}; it was listed when this run began; "
                "put it back or run snakemake again"
            ) from error
        found = os.fstat(file.fileno())
        identity = (found.st_size, found.st_mtime_ns, found.st_ino)
        if checked.get(str(path)) != identity:
            listed = digest_of(file)
            if listed != digest:
                file.close()
                raise StageError(
                    f"source {row['source']}: {row['path']} has sha256 {listed}, but the inventory lists {digest}: "
                    "it changed while the build ran; run snakemake again"
                )
            checked[str(path)] = identity
        return file

    archives: list[OpenArchives] = []

    def opened(listed: Mapping[str, Any]) -> BinaryIO:
        # a row of the listing stage lacks some keys of an inventory, but has those that lead to its file
        row = cast(RawFile, listed)
        if not row.get("members"):
            return whole(row)
        if not archives:
            scratch = store.root / "tmp"
            scratch.mkdir(parents=True, exist_ok=True)
            archives.append(OpenArchives(whole, scratch))
        return archives[0].open(row)

    return opened
