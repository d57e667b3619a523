from __future__ import annotations

import io
import tarfile

import pytest
from material.counted import Counted

from domainlm.raw.tar_headers import EXTENSIONS, MAX_HEADER_BYTES, MAX_HEADERS, PAX, BoundedTar


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("n")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


MEMBER = header(tarfile.REGTYPE, 0)
LONG_NAME = header(tarfile.GNUTYPE_LONGNAME, 2) + b"m\0".ljust(512, b"\0")


def attributes(kind: bytes = tarfile.XHDTYPE, **values: str) -> bytes:
    """A header of attributes of what follows it."""
    data = b""
    for key, value in values.items():
        record = f" {key.replace('__', '.')}={value}\n".encode()
        size = next(n for n in range(len(record), len(record) + 9) if n == len(record) + len(str(n)))
        data += str(size).encode() + record
    return header(kind, len(data)) + data.ljust(-(-len(data) // 512) * 512, b"\0")


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
    with pytest.raises(tarfile.ReadError, match="number"):
        names(attributes(kind, path="9" * 5000) + MEMBER)
    usual = "99" + "x" * 488
    assert names(attributes(kind, path=usual) + MEMBER) == [usual]


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, b"?", *EXTENSIONS])
def test_a_negative_size_is_refused_and_leads_nowhere_back(kind: bytes) -> None:
    with pytest.raises(tarfile.ReadError, match="negative"):
        names(header(kind, -512) + MEMBER)
    # and behind a good member
    with pytest.raises(tarfile.ReadError, match="negative"):
        names(MEMBER + header(kind, -512) + MEMBER)


@pytest.mark.parametrize("kind", PAX)
def test_a_negative_size_among_the_attributes(kind: bytes) -> None:
    for size in ("-512", "-1536"):
        with pytest.raises(tarfile.ReadError, match="negative"):
            names(attributes(kind, size=size) + MEMBER)


def test_a_sparse_file_s_map_is_not_read() -> None:
    sparse = {"GNU__sparse__major": "1", "GNU__sparse__minor": "0", "GNU__sparse__realsize": "9"}
    for size in ({}, {"size": str(2_000_384)}):
        data = attributes(**sparse, **size) + header(tarfile.REGTYPE, 2_000_384) + b"500000\n".ljust(2_000_384, b"\n")
        file = Counted(data + MEMBER + bytes(1024))
        with BoundedTar.open(fileobj=file, mode="r:") as archive:
            assert [member.issparse() for member in archive.getmembers()] == [True, False]
        assert file.count < 10_000


@pytest.mark.parametrize(("blocks", "is_cut"), [(MAX_HEADER_BYTES // 512 + 1, False), (1, True), (0, True)])
def test_the_older_map_is_bounded(blocks: int, is_cut: bool) -> None:
    first = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    first[257:265] = b"ustar  \0"
    first[386:495] = bytes(96) + b"\1" + b"0" * 11 + b"\0"
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    more = bytes(504) + b"\1" + bytes(7)
    end = b"" if is_cut else bytes(512) + MEMBER + bytes(1024)
    with (
        pytest.raises(tarfile.ReadError, match="precedes"),
        BoundedTar.open(fileobj=io.BytesIO(bytes(first) + more * blocks + end), mode="r:") as archive,
    ):
        archive.getmembers()
    whole = bytes(first) + more * 100 + bytes(512) + MEMBER + bytes(1024)
    with BoundedTar.open(fileobj=io.BytesIO(whole), mode="r:") as archive:
        assert [member.issparse() for member in archive.getmembers()] == [True, False]
