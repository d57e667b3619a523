from __future__ import annotations

import io
import tarfile

import pytest

from domainlm.text.reading.tar_headers import EXTENSIONS, MAX_HEADER_BYTES, MAX_HEADERS, PAX, BoundedTar


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("n")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


MEMBER = header(tarfile.REGTYPE, 0)
LONG_NAME = header(tarfile.GNUTYPE_LONGNAME, 2) + b"m\0".ljust(512, b"\0")


def names(data: bytes) -> list[str]:
    with BoundedTar.open(fileobj=io.BytesIO(data + bytes(1024)), mode="r:") as archive:
        return archive.getnames()


def test_headers_within_the_limits_are_the_library_s() -> None:
    assert names(MEMBER + LONG_NAME + MEMBER) == ["n", "m"]
    assert names(LONG_NAME * MAX_HEADERS + MEMBER) == ["m"]


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_a_large_one_is_refused_before_it_is_read(kind: bytes) -> None:
    with pytest.raises(tarfile.ReadError, match="precedes"):
        names(header(kind, MAX_HEADER_BYTES + 1) + MEMBER)


def test_too_many_in_a_row_are_refused() -> None:
    with pytest.raises(tarfile.ReadError, match="precedes"):
        names(LONG_NAME * (MAX_HEADERS + 1) + MEMBER)


@pytest.mark.parametrize("kind", PAX)
def test_a_long_number_is_refused_before_the_library_looks_for_its_end(kind: bytes) -> None:
    def attributes(path: bytes) -> bytes:
        data = b"%d path=%s\n" % (len(path) + 10, path)
        return header(kind, len(data)) + data.ljust(-(-len(data) // 512) * 512, b"\0")

    with pytest.raises(tarfile.ReadError, match="number"):
        names(attributes(b"9" * 5000) + MEMBER)
    usual = b"99" + b"x" * 488
    assert names(attributes(usual) + MEMBER) == [usual.decode()]
