"""Parts of a zip archive of XML: Word documents and books.

In: the bytes of the file. Out: its parts by name, and parsed XML. Rejected, with the reason, are: files that are no
zip, encrypted files, and a part that unpacks to more than `MAX_PART_BYTES` or `MAX_RATIO` times its size, judged
before it is unpacked. XML with entity declarations is rejected too, because they turn a kilobyte into a gigabyte.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from xml.etree import ElementTree

from domainlm.raw.unreadable import Unreadable

# text of a book of 10 million characters is 30 MB of XML; deflate of prose stays below 1:20, of dull tables below 1:200
MAX_PART_BYTES = 100_000_000
MAX_RATIO = 400
MIN_BOMB_BYTES = 10_000_000
_OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
_DOCTYPE = re.compile(rb"<!DOCTYPE[^>\[]*>", re.IGNORECASE)


@dataclass(frozen=True)
class Parts:
    """An open zip file.

    names: its parts by lower-case name, because the spelling in some files is inconsistent.
    """

    archive: zipfile.ZipFile
    names: dict[str, str]

    def has(self, name: str) -> bool:
        return name.lower() in self.names

    def read(self, name: str) -> bytes:
        """Bytes of a part. Raises Unreadable."""
        found = self.names.get(name.lower())
        if found is None:
            raise Unreadable("malformed", f"no part {name!r} in the file")
        info = self.archive.getinfo(found)
        if info.flag_bits & 0x1:
            raise Unreadable("encrypted", f"part {name!r} is locked by a password")
        is_bomb = info.file_size > max(MIN_BOMB_BYTES, MAX_RATIO * info.compress_size)
        if is_bomb or info.file_size > MAX_PART_BYTES:
            raise Unreadable("too_large", f"part {name!r} unpacks from {info.compress_size} to {info.file_size} bytes")
        try:
            return self.archive.read(found)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise Unreadable("malformed", f"part {name!r} cannot be unpacked ({type(error).__name__})") from error

    def xml(self, name: str) -> ElementTree.Element:
        """Root element of a part. Raises Unreadable."""
        data = self.read(name)
        # without zero bytes, so that UTF-16 hides nothing
        if _ENTITY.search(data.replace(b"\0", b"")):
            raise Unreadable("malformed", f"part {name!r} declares entities")
        try:
            # entities, which make this parser dangerous, were refused above
            return ElementTree.fromstring(_DOCTYPE.sub(b"", data, count=1))  # noqa: S314
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise Unreadable("malformed", f"part {name!r} is no XML that can be read") from error


def parts_of(data: bytes, kind: str) -> Parts:
    """Parts of a zipped document; kind names it in errors. Raises Unreadable."""
    if data.startswith(_OLE_MARK):
        # a password turns a Word document into an OLE file with this stream; without it, it is the format before 2007
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Unreadable("encrypted", f"a {kind} locked by a password")
        raise Unreadable("unknown_format", f"an Office file from before 2007, not {kind}: save it as {kind}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = {name.lower(): name for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if data.startswith(b"PK"):
            raise Unreadable("truncated", f"a {kind} without its end: the zip's directory is missing") from error
        raise Unreadable("malformed", f"no {kind}: it is not a zip file") from error
    return Parts(archive, names)


def local_name(element: ElementTree.Element) -> str:
    """Name of an element without its name space.

    Strict and transitional files use different name spaces.
    """
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: ElementTree.Element, name: str) -> str | None:
    """Value of an attribute whatever its name space."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)
