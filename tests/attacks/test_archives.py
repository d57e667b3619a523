"""Archives that a stranger packed: they cost what they hold, reach nothing outside, and refuse member by member."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from material.attack import attack
from material.packers import PACKERS, tarred, zipped

from domainlm.raw import archives
from domainlm.raw.archives import Archive, ArchiveFault, Limits

Read = Callable[[bytes], tuple[dict[str, bytes], list[str]]]
GOOD = {"a.txt": b"alpha"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """read(data): members with their bytes, and the reasons of what is refused; in seconds, and nothing is left behind."""

    def read_all(data: bytes) -> tuple[dict[str, bytes], list[str]]:
        found, refused = {}, []
        began = time.process_time()
        try:
            with Archive(io.BytesIO(data), "some.archive", tmp_path, Limits(200.0, 10**9)) as archive:
                for member in archive.members():
                    try:
                        with archive.open(member) as file:
                            found[member.name] = file.read()
                    except ArchiveFault as fault:
                        refused.append(fault.reason)
        except ArchiveFault as fault:
            refused.append(fault.reason)
        assert time.process_time() - began < 5
        assert not list(tmp_path.iterdir())
        return found, refused

    return read_all


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


NAMES = ["../x", "a/../../x", "/etc/x", "C:/x", "..\\x", "\\\\host\\x", "a/..", "."]


@attack(
    "corpus",
    "zip slip",
    "members named ../x, /etc/x, C:/x, ..\\x, in zip and tar",
    "refused one by one, path_escape; the other members are read",
)
@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out(make: Callable[..., bytes], name: str, read: Read) -> None:
    assert read(make({name: b"x", **GOOD})) == (GOOD, ["path_escape"])


@attack(
    "corpus",
    "link extraction",
    "links, hard links, devices and pipes in a tar, a symbolic link in a zip",
    "refused one by one, not_a_file; no link is followed or made",
)
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file(kind: bytes, read: Read) -> None:
    odd, good = tarfile.TarInfo("odd"), tarfile.TarInfo("a.txt")
    odd.type, odd.linkname = kind, "/etc/passwd"
    assert read(tar_of((odd, b""), (good, b"alpha"))) == (GOOD, ["not_a_file"])
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO(zipped(GOOD))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert read(file.getvalue()) == (GOOD, ["not_a_file"])


@attack(
    "corpus",
    "decompression bomb",
    "50 MB of zeros packed by gz, bz2, xz or zst, and a tar of them",
    "refused, archive_bomb, once the ratio is passed and before more is unpacked",
)
@pytest.mark.parametrize("kind", sorted(PACKERS))
@pytest.mark.parametrize("is_tar", [False, True])
def test_zeros(kind: str, is_tar: bool, read: Read) -> None:
    data = b"\0" * 50_000_000
    assert read(PACKERS[kind](tarred({"a": data}) if is_tar else data)) == ({}, ["archive_bomb"])


@attack(
    "corpus",
    "decompression bomb",
    "a zip whose members share their bytes (a better zip bomb), or whose one member is a bomb",
    "the sum of all sizes counts; a member alone costs itself",
)
def test_zip_bombs(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(zipped({"bomb": b"\0" * 50_000_000, "a.txt": b"alpha"})) == (GOOD, ["archive_bomb"])
    monkeypatch.setattr(archives, "MIN_BOMB_BYTES", 10_000)
    data = zipped({"a": bytes(10_000) + b"x" * 1000})
    assert read(data)[0] or read(data)[1] == ["archive_bomb"]


@attack(
    "corpus",
    "decompression bomb",
    "a gz of a gz of a gz, each a hundred times larger",
    "one level is unpacked at a time, within its own limits",
)
def test_nested_packing(read: Read) -> None:
    inner = gzip.compress(b"\0" * 9_000_000, mtime=0)
    found, refused = read(gzip.compress(inner, mtime=0))
    assert (list(found.values()), refused) == ([inner], [])


@attack(
    "corpus",
    "memory bomb",
    "an xz header that asks for a dictionary of 1.5 GB, a zstd frame that asks for a window of 2 GB",
    "refused before the memory is taken",
)
def test_dictionaries_of_gigabytes(read: Read) -> None:
    block = lzma.compress(b"alpha", lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}])
    # header of the block: size, flags, filter 0x21, one byte of properties (here: 2^31 bytes), padding, CRC32
    header = bytearray(block[12:24])
    place = header.index(0x21) + 2
    header[place] = 38
    struct.pack_into("<I", header, 8, zlib.crc32(bytes(header[:8])))
    xz = block[:12] + bytes(header) + block[24:]
    # no single segment, window descriptor 0xa8: 2^31 bytes; one raw block of five bytes
    zstd = b"\x28\xb5\x2f\xfd\x00\xa8" + struct.pack("<I", 5 << 3 | 1)[:3] + b"alpha"
    for data in (xz, zstd):
        tracemalloc.start()
        found, refused = read(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found, len(refused)) == ({}, 1)
        assert peak < 50_000_000


@attack(
    "corpus",
    "lying header",
    "a zip whose directory or zip64 field says another size, a tar that declares more bytes than it has",
    "refused, damaged_member or archive_bomb; no more is unpacked than the declared size",
)
@pytest.mark.parametrize("size", [1, 4, 6, 2**31, 2**32 - 2])
def test_sizes_that_lie(size: int, read: Read) -> None:
    data = zipped({"a.txt": b"alpha"})
    at = data.rindex(b"PK\x01\x02") + 24
    found, refused = read(data[:at] + struct.pack("<I", size) + data[at + 4 :])
    assert (found, len(refused)) == ({}, 1)
    data = bytearray(tarred({"a.txt": b"alpha"}))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    found, refused = read(bytes(data))
    assert found == {}
    assert "damaged_member" in refused


@attack(
    "corpus",
    "overlapping members",
    "two entries of a zip's directory that point at the same bytes, or into each other",
    "refused, damaged_member, whatever the Python",
)
def test_members_that_overlap(read: Read) -> None:
    data = bytearray(zipped({"one.txt": b"first " * 50, "two.txt": b"second" * 50}, zipfile.ZIP_STORED))
    first = data.index(b"PK\x01\x02")
    data[first + 42 : first + 46] = struct.pack("<I", 0)
    # the first says that it holds the second's bytes as well
    for at in (first + 20, 18):
        data[at : at + 4] = struct.pack("<I", 500)
    found, refused = read(bytes(data))
    assert "one.txt" not in found
    assert refused


@attack(
    "corpus",
    "oversized input",
    "a tar member with a name of a megabyte, or a sparse file of a terabyte",
    "refused; the members around it are read, or what came before",
)
def test_names_and_holes_of_any_size(read: Read) -> None:
    sparse = tarfile.TarInfo("sparse")
    sparse.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": str(10**12),
    }
    good = tarfile.TarInfo("a.txt")
    body = b"1\n1000000000000\n0\n".ljust(512, b"\0")
    found, refused = read(tar_of((good, b"alpha"), (sparse, body)))
    assert found.get("a.txt") == b"alpha"
    assert len(refused) == 1
    found, refused = read(tar_of((good, b"alpha"), (tarfile.TarInfo("n" * 2_000_000), b"x")))
    assert found == GOOD
    assert len(refused) == 1


@attack(
    "corpus",
    "trailing data",
    "a packed file of several streams, or with other bytes after the last one",
    "all streams are read; anything else is damage, and nothing is cut silently",
)
@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_what_follows_a_stream(kind: str, read: Read) -> None:
    pack = PACKERS[kind]
    found, refused = read(pack(b"alpha") + pack(b"beta"))
    assert (list(found.values()), refused) == ([b"alphabeta"], [])
    assert read(pack(b"alpha") + b"something else")[0] == {}
