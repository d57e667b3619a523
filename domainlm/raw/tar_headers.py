"""Headers of a tar, within limits.

In: an open tar. Out: the standard library's TarFile, which raises ReadError if too much precedes a member (a long
name, its attributes, the map of a sparse file) or a size is negative, which leads back to bytes that were read.
Property kept: to name a member takes little memory, stack and time, although the library reads each such header whole
and calls itself for the next. The headers are checked as the library reaches them, because a parser of our own would
differ from it.
"""

from __future__ import annotations

import re
import tarfile

MAX_HEADER_BYTES = 1_000_000
MAX_HEADERS = 10
# types of the headers that are only about the member that follows
PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
EXTENSIONS = (*PAX, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# before Python 3.11.10, 3.12.6 and 3.13 the library looks for the end of a number from each of its digits: 64 kB take 7 s
_LONG_NUMBER = re.compile(rb"\d{100}")


class _Header(tarfile.TarInfo):
    """A tar's header, checked before the library reads the bytes after it."""

    def _proc_member(self, archive: BoundedTar) -> tarfile.TarInfo:
        is_extension = self.type in EXTENSIONS
        archive.headers_in_a_row = archive.headers_in_a_row + 1 if is_extension else 0
        if self.size < 0:
            raise tarfile.ReadError("a negative size")
        if is_extension and (self.size > MAX_HEADER_BYTES or archive.headers_in_a_row > MAX_HEADERS):
            raise tarfile.ReadError("too much precedes a member")
        if self.type in PAX:
            assert archive.fileobj is not None
            place = archive.fileobj.tell()
            if _LONG_NUMBER.search(archive.fileobj.read(self.size)):
                raise tarfile.ReadError("a number that is too long precedes a member")
            archive.fileobj.seek(place)
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._check_map(archive)
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _apply_pax_info(self, *attributes: object) -> None:
        super()._apply_pax_info(*attributes)  # type: ignore[misc]
        if self.size < 0:
            raise tarfile.ReadError("a negative size")

    def _check_map(self, archive: BoundedTar) -> None:
        """Raises ReadError if a sparse file's map is cut or too long."""
        file = archive.fileobj
        assert file is not None
        place, has_more = file.tell(), self._sparse_structs[1]  # type: ignore[attr-defined]
        while has_more:
            block = file.read(tarfile.BLOCKSIZE)
            if len(block) < tarfile.BLOCKSIZE or file.tell() - place > MAX_HEADER_BYTES:
                raise tarfile.ReadError("too much precedes a member")
            has_more = block[504]
        file.seek(place)

    def _proc_gnusparse_10(self, following: tarfile.TarInfo, *_: object) -> None:
        """A sparse file, whose map is not read.

        The map may be as large as the archive, and such a file is rejected.
        """
        following.sparse = []  # type: ignore[assignment]


class BoundedTar(tarfile.TarFile):
    """A tar whose members are cheap to list.

    headers_in_a_row: the number of headers before the next member.
    """

    tarinfo = _Header
    headers_in_a_row = 0
