from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from material.packers import PACKERS

from domainlm.raw import archives
from domainlm.raw.archives import Archive, ArchiveFault, Limits
from domainlm.raw.tar_headers import EXTENSIONS

FILES = {"top/a.txt": b"alpha", "top/deep/b.bin": bytes(range(256)) * 40, "top/empty": b""}
LIMITS = Limits(max_ratio=200.0, max_bytes=10**9)


def zipped(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("top")
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        folder = tarfile.TarInfo("top")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items() if isinstance(files, Mapping) else files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


ARCHIVES = {
    "zip": zipped(FILES),
    "tar": tarred(FILES),
    **{f"tar.{kind}": pack(tarred(FILES)) for kind, pack in PACKERS.items()},
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[dict[str, bytes], list[tuple[str, str]]]]:
    """read(data): members with their bytes, and (name, reason) of what is refused; ("", reason) for the whole archive."""

    def read_all(data: bytes, name: str = "some.archive", limits: Limits = LIMITS) -> tuple:
        found, refused = {}, []
        try:
            with Archive(io.BytesIO(data), name, tmp_path, limits) as archive:
                for member in archive.members():
                    try:
                        with archive.open(member) as file:
                            found[member.name] = file.read()
                        assert len(found[member.name]) == member.size
                    except ArchiveFault as fault:
                        refused.append((member.name, fault.reason))
        except ArchiveFault as fault:
            refused.append(("", fault.reason))
        assert not list(tmp_path.iterdir())
        return found, refused

    return read_all


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_regular_file_and_no_folder(kind: str, read: Callable) -> None:
    assert read(ARCHIVES[kind]) == (FILES, [])


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize(("name", "inner"), [("notes.txt.{}", "notes.txt"), ("notes", "notes"), (".{}", ".{}")])
def test_one_packed_file_is_an_archive_of_one(kind: str, name: str, inner: str, read: Callable) -> None:
    assert read(PACKERS[kind](b"text"), name.format(kind)) == ({inner.format(kind): b"text"}, [])


def test_packed_in_several_parts(read: Callable) -> None:
    # as parallel packers and appending logs write them
    assert [read(pack(b"one ") + pack(b"two"), "x")[0] for pack in PACKERS.values()] == [{"x": b"one two"}] * 4


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_members_are_seekable_and_independent(kind: str, tmp_path: Path) -> None:
    with Archive(io.BytesIO(ARCHIVES[kind]), "x", tmp_path, LIMITS) as archive:
        members = {member.name: member for member in archive.members()}
        first, second = archive.open(members["top/deep/b.bin"]), archive.open(members["top/a.txt"])
        first.seek(250)
        assert second.readline() == b"alpha"
        assert first.read(10) == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])
        assert first.seek(-1, io.SEEK_END) == 10239
        first.close()
        assert archive.head(members["top/a.txt"], 3) == b"alp"


def test_links_devices_and_sparse_files_are_refused(read: Callable) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
        sparse = tarfile.TarInfo("sparse")
        sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "99999999999999"}
        sparse.size = 1
        archive.addfile(sparse, io.BytesIO(b"x"))
        info = tarfile.TarInfo("plain")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    assert read(file.getvalue()) == (
        {"plain": b"x"},
        [("link", "not_a_file"), ("hard", "not_a_file"), ("device", "not_a_file"), ("sparse", "unsupported_member")],
    )
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zip_file:
        zip_file.writestr(link, "/etc/passwd")
    assert read(file.getvalue()) == ({}, [("link", "not_a_file")])


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "..\\up", "C:\\x", "\\\\host\\x"])
def test_names_that_leave_the_archive_are_refused(make: Callable, name: str, read: Callable) -> None:
    found, refused = read(make({name: b"1", "./good/x.txt": b"2"}))
    assert found == {"good/x.txt": b"2"}
    assert [reason for _, reason in refused] == ["path_escape"]


def test_names_in_gbk_are_read(read: Callable) -> None:
    name = "资料/第一章.txt"
    data = zipped({"AAAAAAAAAAAAAAA": b"text"})
    # as Windows in Chinese writes them: neither UTF-8 nor said to be anything else
    raw = name.encode("gbk")
    assert len(raw) == 15
    assert read(data.replace(b"A" * 15, raw)) == ({name: b"text"}, [])
    surrogates = raw.decode("utf-8", "surrogateescape")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        archive.addfile(tarfile.TarInfo(surrogates))
    assert read(file.getvalue()) == ({name: b""}, [])


def test_of_two_members_with_one_name_the_last_counts(read: Callable) -> None:
    assert read(tarred([("a", b"old"), ("b", b"b"), ("a", b"new")])) == ({"b": b"b", "a": b"new"}, [])


def test_of_two_names_that_read_alike_the_earlier_is_refused(read: Callable) -> None:
    name = "第一章.txt"
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for number, raw in enumerate((name.encode("gbk"), name.encode(), b"./" + name.encode())):
            info = tarfile.TarInfo(raw.decode("utf-8", "surrogateescape"))
            info.size = 1
            archive.addfile(info, io.BytesIO(b"%d" % number))
    assert read(file.getvalue()) == ({name: b"2"}, [(name, "same_name")])
    raw = name.encode("gbk")
    data = zipped({name: b"utf-8", "A" * len(raw): b"gbk"}).replace(b"A" * len(raw), raw)
    assert read(data) == ({name: b"gbk"}, [(name, "same_name")])


@pytest.mark.parametrize("kind", EXTENSIONS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_tar_s_member_takes_little_memory_to_be_named(kind: bytes, is_first: bool, tmp_path: Path) -> None:
    large = tarfile.TarInfo("large")
    large.type, large.size = kind, 40_000_000
    before = b"" if is_first else tarred({"a": b"x"})[:1536]
    data = before + large.tobuf(tarfile.USTAR_FORMAT) + b"x" * 40_000_000 + tarred({"b": b"y"})
    found: list[tuple[str, str]] = []
    tracemalloc.start()
    try:
        with Archive(io.BytesIO(data), "x", tmp_path, LIMITS) as archive:
            found += ((member.name, member.fault.reason if member.fault else "") for member in archive.members())
    except ArchiveFault as fault:
        found.append(("", fault.reason))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [*([] if is_first else [("a", "")]), ("", "damaged_archive")]
    assert peak < 5_000_000


def test_a_tar_s_member_after_a_thousand_headers(read: Callable) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    block = header.tobuf(tarfile.USTAR_FORMAT) + b"n\0".ljust(512, b"\0")
    assert read(tarred({"a": b"x"})[:1536] + block * 1000 + tarred({"b": b"y"})) == (
        {"a": b"x"},
        [("", "damaged_archive")],
    )
    # a name and a link's, as GNU tar writes them, are as before
    assert read(block * 4 + tarred({"b": b"y"})[512:])[0] == {"n": b"y"}


def test_encrypted_members_are_refused_and_the_rest_is_read(read: Callable) -> None:
    data = bytearray(zipped({"secret": b"x", "open": b"text"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark, data.index(mark) + 4) + offset
        struct.pack_into("<H", data, place, struct.unpack_from("<H", data, place)[0] | 1)
    assert read(bytes(data)) == ({"open": b"text"}, [("secret", "encrypted")])


def test_a_method_of_packing_that_nobody_knows(read: Callable) -> None:
    data = bytearray(zipped({"odd": b"x", "open": b"text"}))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(mark, data.index(mark) + 4) + offset, 99)
    assert read(bytes(data)) == ({"open": b"text"}, [("odd", "damaged_member")])


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_refused_before_it_is_unpacked(kind: str, read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = PACKERS[kind](bytes(30_000_000))
    assert read(bomb) == ({}, [("", "archive_bomb")])
    assert read(PACKERS[kind](tarred({"a": bytes(20_000_000)}))) == ({}, [("", "archive_bomb")])
    # small ones are harmless, whatever their ratio
    assert read(PACKERS[kind](bytes(5_000_000)), "x")[1] == []
    assert read(bomb, limits=Limits(1e9, 29_000_000)) == ({}, [("", "archive_too_large")])


def test_a_bomb_in_a_zip_leaves_the_other_members(read: Callable) -> None:
    data = zipped({"bomb": bytes(12_000_000), "good": b"text"})
    assert read(data) == ({"good": b"text"}, [("bomb", "archive_bomb")])


def test_members_that_share_their_bytes_are_a_bomb(read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MIN_BOMB_BYTES", 100_000)
    data = zipped({"one": bytes(range(256)) * 300})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end]
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 900, 900, len(entry) * 900, start, 0)
    copies = b"".join(entry.replace(b"one", f"{number:03d}".encode()) for number in range(900))
    assert read(data[:start] + copies + tail, limits=Limits(500, 10**9)) == ({}, [("", "archive_bomb")])


def test_a_zip_that_lies_about_a_size(read: Callable) -> None:
    data = bytearray(zipped({"lies": b"x" * 1000}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark, data.index(mark) + 4) + offset, 10)
    found, refused = read(bytes(data))
    assert found == {}
    assert refused == [("lies", "damaged_member")]


@pytest.mark.parametrize("data", [b"", b"plain text", b"%PDF-1.4 ..."])
def test_what_is_no_archive(data: bytes, read: Callable) -> None:
    assert read(data) == ({}, [("", "not_an_archive")])


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_cut_archive_gives_what_came_before_the_cut(kind: str, read: Callable) -> None:
    data = ARCHIVES[kind]
    for share in (0.3, 0.55, 0.95):
        found, refused = read(data[: int(len(data) * share)])
        assert set(found.items()) <= set(FILES.items())
        if not (kind == "tar" and share == 0.95):
            # less than the last block of zeros is missing of that one, and no file
            assert {"damaged_archive"} <= {reason for _, reason in refused} <= {"damaged_archive", "damaged_member"}


def test_damage_inside_concerns_its_member(read: Callable) -> None:
    data = bytearray(ARCHIVES["zip"])
    middle = data.index(b"top/deep/b.bin") + 60
    data[middle : middle + 16] = bytes(16)
    found, refused = read(bytes(data))
    assert refused == [("top/deep/b.bin", "damaged_member")]
    assert sorted(found) == ["top/a.txt", "top/empty"]


@pytest.mark.parametrize("kind", ["bz2", "xz"])
def test_a_damaged_stream_after_a_good_one_is_damage(kind: str, read: Callable) -> None:
    data = PACKERS[kind](b"one ") + b"?" + PACKERS[kind](b"two")
    assert read(data) == ({}, [("", "damaged_archive")])


def test_a_zip_s_name_is_that_of_its_entry_whatever_the_python(read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    # Windows' packers write GBK, and the name in UTF-8 beside it, which Python reads from 3.12 on
    name, unicode_name = "病历.txt".encode("gbk"), "病历.txt".encode()
    field = struct.pack("<BL", 1, zlib.crc32(name)) + unicode_name
    info = zipfile.ZipInfo("name.txt")
    info.extra = struct.pack("<HH", 0x7075, len(field)) + field
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, b"text")
    data = file.getvalue().replace(b"name.txt", name)
    assert read(data) == ({"病历.txt": b"text"}, [])
    own = zipfile.ZipInfo._decodeExtra

    def as_in_python_3_12(entry: zipfile.ZipInfo, *found: int) -> None:
        own(entry, *found)
        entry.filename = "病历.txt"

    monkeypatch.setattr(zipfile.ZipInfo, "_decodeExtra", as_in_python_3_12)
    assert read(data) == ({"病历.txt": b"text"}, [])


def test_a_zip_of_a_version_to_come(read: Callable) -> None:
    # found by fuzzing
    data = bytearray(zipped({"a": b"x"}))
    data[data.index(b"PK\x01\x02") + 6] = 0xF0
    assert read(bytes(data)) == ({}, [("", "damaged_archive")])


def test_a_listing_that_leads_before_the_file(tmp_path: Path) -> None:
    # in a real file that is an OSError with a number, like a full disk
    data = bytearray(zipped({"a": b"x"}))
    struct.pack_into("<I", data, data.index(b"PK\x05\x06") + 16, 2**31)
    (tmp_path / "x.zip").write_bytes(data)
    with (tmp_path / "x.zip").open("rb") as file, Archive(file, "x", tmp_path, LIMITS) as archive:
        [member] = archive.members()
        with pytest.raises(ArchiveFault) as raised:
            archive.open(member)
    assert raised.value.reason == "damaged_member"


def test_a_member_without_a_name(read: Callable) -> None:
    # found by fuzzing
    data = bytearray(zipped({"a": b"x"}))
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<HH", data, place + 28, 0, 1)
    assert read(bytes(data)) == ({}, [("", "path_escape")])


def test_members_of_a_zip_that_overlap_are_damaged_whatever_the_python(read: Callable) -> None:
    data = bytearray(zipped({"a": b"first", "b": b"second", "c": b"third"}))
    places = [data.index(b"PK\x01\x02")]
    while (place := data.find(b"PK\x01\x02", places[-1] + 4)) > 0:
        places.append(place)
    assert len(places) == 4
    # its packed size goes into the next one
    struct.pack_into("<I", data, places[1] + 20, struct.unpack_from("<I", data, places[1] + 20)[0] + 40)
    assert read(bytes(data)) == ({"b": b"second", "c": b"third"}, [("a", "damaged_member")])


def test_a_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", fail)
    with pytest.raises(OSError, match="No space left"):
        Archive(io.BytesIO(gzip.compress(b"text")), "x", tmp_path, LIMITS)
