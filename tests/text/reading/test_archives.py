from __future__ import annotations

import bz2
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import pytest

from domainlm.stage import StageError
from domainlm.text import archives
from domainlm.text.reading.archives import iter_members, read_member

FILES = {"top/a.txt": b"alpha", "top/deep/b.bin": bytes(range(256)) * 40, "top/empty": b""}


def zipped(files: Mapping[str, bytes]) -> BinaryIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("top")
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def tarred(files: Mapping[str, bytes], mode: str = "w:gz") -> BinaryIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("top")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


ARCHIVES = {
    "zip": zipped(FILES),
    "tar": tarred(FILES, "w"),
    "tar.gz": tarred(FILES),
    "tar.bz2": tarred(FILES, "w:bz2"),
    "tar.xz": tarred(FILES, "w:xz"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_regular_file_and_no_folder(kind: str) -> None:
    # wherever the file stands
    ARCHIVES[kind].seek(7)
    assert dict(iter_members(ARCHIVES[kind])) == FILES


@pytest.mark.parametrize("kind", ARCHIVES)
def test_one_member(kind: str) -> None:
    assert read_member(ARCHIVES[kind], "top/deep/b.bin") == FILES["top/deep/b.bin"]
    with pytest.raises(StageError, match="no member 'top/c'; check `member`"):
        read_member(ARCHIVES[kind], "top/c")


def test_links_and_devices_are_passed_over() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("plain")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    assert list(iter_members(file)) == [("plain", b"x")]
    with pytest.raises(StageError, match="no member"):
        read_member(file, "link")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_that_leave_the_archive_are_only_names(make: type) -> None:
    # nothing is unpacked, so such a name can do nothing
    assert dict(iter_members(make({"../../up": b"1", "/abs": b"2"}))).keys() == {"../../up", "/abs"}


@pytest.mark.parametrize("make", [zipped, tarred])
def test_large_members_are_refused_before_they_are_read(make: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 100)
    file = make({"small": b"x", "bomb": bytes(101)})
    with pytest.raises(StageError, match="bomb has 101 bytes; the limit is 100"):
        list(iter_members(file))
    assert read_member(file, "small") == b"x"


@pytest.mark.parametrize("data", [b"", b"plain text", b"PK\x03\x04 cut", bz2.compress(b"no tar inside")])
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(StageError, match="not a readable zip or tar archive"):
        list(iter_members(io.BytesIO(data)))
    with pytest.raises(StageError, match="not a readable zip or tar archive"):
        read_member(io.BytesIO(data), "a")


# gzip's own checksum stands after the part that tar reads: there the digest of the archive tells
@pytest.mark.parametrize("kind", ["zip", "tar.xz"])
def test_damage_inside_is_a_stage_error(kind: str) -> None:
    file = ARCHIVES[kind]
    file.seek(0)
    data = bytearray(file.read())
    middle = data.index(b"top/deep/b.bin") + 60 if kind == "zip" else len(data) // 2
    data[middle : middle + 16] = bytes(16)
    with pytest.raises(StageError):
        list(iter_members(io.BytesIO(bytes(data))))
    with pytest.raises(StageError):
        read_member(io.BytesIO(bytes(data)), "top/deep/b.bin")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_cut_archive_is_a_stage_error(kind: str) -> None:
    file = ARCHIVES[kind]
    file.seek(0)
    data = file.read()
    with pytest.raises(StageError):
        list(iter_members(io.BytesIO(data[: len(data) // 2])))
