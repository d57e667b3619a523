"""Reading members out of archives without unpacking them, so no member can name a path on this machine.

In: an open zip, wheel or tar file. Out: names and sizes of its regular files, or the bytes of one. Links, devices and
members above `MAX_MEMBER_BYTES` (a guard against archive bombs) are refused.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from domainlm.stage import StageError

MAX_MEMBER_BYTES = 2_000_000_000
# what the standard library raises for a cut or altered archive, beside its own error types
DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)


def _damaged(error: Exception) -> StageError:
    return StageError(f"not a readable zip or tar archive: {error}; expected a wheel or an sdist")


def _read_limited(name: str, size: int, stream: BinaryIO) -> bytes:
    if size > MAX_MEMBER_BYTES:
        raise StageError(
            f"archive member {name} has {size} bytes; the limit is {MAX_MEMBER_BYTES}; take it out of include"
        )
    data = stream.read(size + 1)
    if len(data) != size:
        raise StageError(f"archive member {name} declares {size} bytes but holds {len(data)} or more; fetch it again")
    return data


def iter_members(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every regular file, in the archive's order. Raises StageError for what is no archive."""
    if zipfile.is_zipfile(file):
        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        with archive.open(info) as stream:
                            yield info.filename, _read_limited(info.filename, info.file_size, stream)  # type: ignore[arg-type]
        except DAMAGES as error:
            raise _damaged(error) from error
        return
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield member.name, _read_limited(member.name, member.size, content)  # type: ignore[arg-type]
    except DAMAGES as error:
        raise _damaged(error) from error


def read_member(file: BinaryIO, name: str) -> bytes:
    """Bytes of one member. Raises StageError where it is absent."""
    if zipfile.is_zipfile(file):
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            try:
                info = archive.getinfo(name)
            except KeyError:
                raise StageError(f"the archive has no member {name!r}; check `member` against its listing") from None
            try:
                with archive.open(info) as stream:
                    return _read_limited(name, info.file_size, stream)  # type: ignore[arg-type]
            except DAMAGES as error:
                raise _damaged(error) from error
    file.seek(0)
    for member, data in iter_members(file):
        if member == name:
            return data
    raise StageError(f"the archive has no member {name!r}; check `member` against its listing")
