"""Archives: their members are listed and opened, never unpacked to a name.

In: an open file that is a zip, a tar (also packed by gzip, bzip2, xz or zstd), or one packed file. Out: its regular
files, each with a name that stays below the archive, and an open file for one of them. Rejected by name and reason,
while the rest is read, are: names that leave the archive, links and devices, encrypted and damaged members, and
members that unpack to more than the limits allow.

Packed bytes are unpacked once, to an unnamed temporary file: a compressed tar can only be read from its beginning, so
opening its members one by one would unpack it once for each. Members of a zip are unpacked one at a time.
"""

from __future__ import annotations

import errno
import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from domainlm.raw.file_names import is_inside, readable_name
from domainlm.raw.media_type import PACKED, TAR, ZIP, media_type_of
from domainlm.raw.packed import unpacked
from domainlm.raw.tar_headers import BoundedTar

CHUNK_BYTES = 1 << 20
# below this much unpacked, no ratio is a bomb
MIN_BOMB_BYTES = 10_000_000
# held in memory, above it on disk
SPOOLED_BYTES = 8_000_000
ARCHIVES = frozenset({ZIP, TAR, *PACKED})
# what the standard library and pyarrow raise for cut or altered bytes, beside OSError
_DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError)
_ERRORS_OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ESTALE),
)
# an unknown method of compression is a NotImplementedError, a missing password a RuntimeError
_FAULTS = (*_DAMAGES, NotImplementedError, RuntimeError)
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".bgz")
_ENCRYPTED_FLAG, _UTF8_FLAG = 0x1, 0x800


class ArchiveFault(Exception):
    """A rejected archive or member. reason: lower_snake; value, threshold: of a limit."""

    def __init__(self, reason: str, detail: str, value: float | None = None, threshold: float | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.value, self.threshold = reason, detail, value, threshold


@dataclass(frozen=True)
class Limits:
    """max_ratio: unpacked to packed bytes, from MIN_BOMB_BYTES on. max_bytes: of one archive."""

    max_ratio: float
    max_bytes: int
    max_depth: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in an archive, or a rejected entry.

    key: the entry's identifier for `Archive.open`. spelling: the bytes of the name, which `name` decodes.
    """

    name: str
    size: int
    key: Any
    fault: ArchiveFault | None = None
    spelling: bytes = b""


class Archive:
    """One open archive. name: of its file, for a packed file's name."""

    def __init__(self, file: BinaryIO, name: str, scratch: Path, limits: Limits) -> None:
        """Raises ArchiveFault: not_an_archive, damaged_archive, archive_bomb, archive_too_large."""
        self._file, self._scratch, self._limits = file, scratch, limits
        self._packed_bytes = max(1, file.seek(0, io.SEEK_END))
        self._zip: zipfile.ZipFile | None = None
        # where each member of a zip begins -> where the next does
        self._ends: dict[int, int] = {}
        self._tar: tarfile.TarFile | None = None
        self._temporary: BinaryIO | None = None
        self.is_single = False
        kind = media_type_of(file)
        try:
            if kind in PACKED:
                with unpacked(file, PACKED[kind]) as stream:
                    self._file = self._temporary = self._spooled(stream, None)
                kind = TAR if media_type_of(self._file) == TAR else ""
                self.is_single = kind == ""
            if kind == TAR:
                self._tar = BoundedTar.open(fileobj=self._file, mode="r:", encoding="utf-8", errors="surrogateescape")
            elif kind == ZIP:
                self._zip = zipfile.ZipFile(file)
                starts = sorted(entry.header_offset for entry in self._zip.infolist())
                ends = [*starts, self._zip.start_dir][1:]
                self._ends = dict(reversed(list(zip(starts, ends, strict=True))))
            elif kind:
                raise ArchiveFault("not_an_archive", f"{kind}; expected zip, tar, gzip, bzip2, xz or zstd")
        except _FAULTS as error:
            self.close()
            raise _damaged(error) from error
        except ArchiveFault:
            self.close()
            raise
        path = PurePosixPath(name)
        self._single = path.stem if path.suffix.lower() in PACKED_SUFFIXES else path.name

    def close(self) -> None:
        for opened in (self._zip, self._tar, self._temporary):
            if opened is not None:
                opened.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def members(self) -> Iterator[Member]:
        """Regular files in the archive's order, and rejected entries.

        Of two with one name the last counts, as in unpacking.
        """
        found = list(self._entries())
        last = {member.name: number for number, member in enumerate(found) if member.fault is None}
        for number, member in enumerate(found):
            if member.fault is not None or last[member.name] == number:
                yield member
            elif member.spelling != found[last[member.name]].spelling:
                detail = "the name of a later member reads alike, in UTF-8 and in GBK; that one is taken"
                yield Member(member.name, 0, None, ArchiveFault("same_name", detail))

    def _entries(self) -> Iterator[Member]:
        if self._zip is not None:
            entries = [entry for entry in self._zip.infolist() if not _zip_name(entry).endswith(b"/")]
            members = [_zip_member(entry, self._limits) for entry in entries]
            try:
                self._check_size(sum(member.size for member in members if member.fault is None))
            except ArchiveFault as fault:
                members = [Member("", 0, None, fault)]
            yield from members
        elif self._tar is not None:
            size = self._file.seek(0, io.SEEK_END)
            try:
                while (info := self._tar.next()) is not None:
                    # the library keeps every header, a kilobyte each
                    self._tar.members.clear()  # type: ignore[attr-defined]
                    if not info.isdir():
                        yield _tar_member(info, size)
                self._file.seek(self._tar.offset)
                if self._file.read(512).strip(b"\0"):
                    raise tarfile.ReadError("no header where one is due")
            except _DAMAGES as error:
                # the members before the damage are good
                yield Member("", 0, None, _damaged(error))
        else:
            yield Member(self._single, self._file.seek(0, io.SEEK_END), None)

    def head(self, member: Member, size: int) -> bytes:
        """The first bytes of a member. Raises ArchiveFault."""
        with self._opened(member) as stream:
            try:
                return stream.read(size)
            except _FAULTS as error:
                raise _damaged_member(error) from error

    def open(self, member: Member) -> BinaryIO:
        """A member, seekable, while the archive is open. Raises ArchiveFault (damaged_member, encrypted)."""
        stream = self._opened(member)
        if self._zip is None:
            return cast(BinaryIO, stream)
        try:
            with stream:
                return self._spooled(stream, member.size)
        except _FAULTS as error:
            raise _damaged_member(error) from error

    def _opened(self, member: Member) -> IO[bytes]:
        if member.fault is not None:
            raise member.fault
        if self._zip is None:
            start, size = member.key or (0, member.size)
            return cast(IO[bytes], io.BufferedReader(_Slice(self._file, start, size)))
        try:
            self._check_overlap(member.key)
            return self._zip.open(member.key)
        except _FAULTS as error:
            raise _damaged_member(error) from error

    def _check_overlap(self, entry: zipfile.ZipInfo) -> None:
        """Raises BadZipFile if a zip's member overlaps the next one."""
        # not every Python's own library checks this
        self._file.seek(entry.header_offset + 26)
        name_bytes, extra_bytes = struct.unpack("<HH", self._file.read(4).ljust(4, b"\0"))
        if entry.header_offset + 30 + name_bytes + extra_bytes + entry.compress_size > self._ends[entry.header_offset]:
            raise zipfile.BadZipFile

    def _spooled(self, stream: IO[bytes], size: int | None) -> BinaryIO:
        """A stream's content in a temporary file. Raises ArchiveFault before exceeding limits."""
        found = tempfile.SpooledTemporaryFile(SPOOLED_BYTES, dir=str(self._scratch))  # noqa: SIM115 - its user closes it
        held = 0
        try:
            while data := stream.read(CHUNK_BYTES):
                held += len(data)
                if size is None:
                    self._check_size(held)
                elif held > size:
                    raise ArchiveFault("damaged_member", f"declares {size} bytes and holds more", held, size)
                found.write(data)
            if size is not None and held < size:
                raise ArchiveFault("damaged_member", f"declares {size} bytes and holds fewer", held, size)
        except BaseException:
            found.close()
            raise
        found.seek(0)
        return cast(BinaryIO, found)

    def _check_size(self, unpacked: int) -> None:
        """Raises ArchiveFault if this many bytes exceed the ratio or the maximum."""
        limits = self._limits
        if unpacked > limits.max_bytes:
            detail = f"unpacks to more than {limits.max_bytes} bytes (raw_corpus.max_archive_bytes)"
            raise ArchiveFault("archive_too_large", detail, unpacked, limits.max_bytes)
        if unpacked > MIN_BOMB_BYTES and unpacked > limits.max_ratio * self._packed_bytes:
            raise _bomb(unpacked / self._packed_bytes, limits)


def _bomb(ratio: float, limits: Limits) -> ArchiveFault:
    detail = f"unpacks to more than {limits.max_ratio:g} times its size (raw_corpus.max_archive_ratio)"
    return ArchiveFault("archive_bomb", detail, round(ratio, 1), limits.max_ratio)


class _Slice(io.RawIOBase):
    """Bytes [start, start + size) of a file, which close() leaves open."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _damaged(error: Exception, reason: str = "damaged_archive", detail: str = "cut short or altered") -> ArchiveFault:
    """The fault that a library's error stands for.

    An error of this machine (a full disk) is raised again. A damaged listing leads to places before the file's
    beginning, which is a system error, too (EINVAL).
    """
    if isinstance(error, OSError) and error.errno in _ERRORS_OF_THE_MACHINE:
        raise error
    # without the library's own message, which differs between versions
    return ArchiveFault(reason, f"{type(error).__name__}: {detail}")


def _damaged_member(error: Exception) -> ArchiveFault:
    return _damaged(error, "damaged_member", "the member cannot be unpacked")


def _checked(name: bytes, size: int, key: Any) -> Member:
    readable = readable_name(name)
    if not is_inside(readable):
        fault = ArchiveFault("path_escape", "the name is none, or leads out of the archive")
        return Member(readable, size, None, fault)
    # one spelling for ./a and a
    spelling = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
    return Member(readable_name(spelling), size, key, spelling=spelling)


def _zip_name(entry: zipfile.ZipInfo) -> bytes:
    # not `filename`, which Python 3.12 and later take from another field where there is one
    name = entry.orig_filename.partition("\0")[0]
    # zipfile reads what is not marked as UTF-8 as code page 437, in which every byte is a character
    return name.encode("utf-8" if entry.flag_bits & _UTF8_FLAG else "cp437")


def _zip_member(entry: zipfile.ZipInfo, limits: Limits) -> Member:
    """A zip's member, rejected if it alone is a bomb."""
    # the other members are read in that case
    name = _zip_name(entry)
    ratio = entry.file_size / max(1, entry.compress_size)
    if entry.file_size > MIN_BOMB_BYTES and ratio > limits.max_ratio:
        fault = _bomb(ratio, limits)
    elif entry.flag_bits & _ENCRYPTED_FLAG:
        fault = ArchiveFault("encrypted", "the member is encrypted")
    elif (entry.external_attr >> 16) & 0o170000 == 0o120000:
        fault = ArchiveFault("not_a_file", "a symbolic link")
    else:
        return _checked(name, entry.file_size, entry)
    return Member(readable_name(name), 0, None, fault)


def _tar_member(info: tarfile.TarInfo, archive_size: int) -> Member:
    name = info.name.encode("utf-8", "surrogateescape")
    if not info.isreg():
        kind = "a link" if info.issym() or info.islnk() else "a device"
        fault = ArchiveFault("not_a_file", f"{kind}; its target is read where it is a member itself")
    elif info.issparse():
        fault = ArchiveFault("unsupported_member", "a sparse file; its size is not bounded by its bytes")
    elif info.offset_data + info.size > archive_size:
        fault = ArchiveFault("damaged_member", f"the archive ends before its {info.size} bytes do")
    else:
        return _checked(name, info.size, (info.offset_data, info.size))
    return Member(readable_name(name), 0, None, fault)
