from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from domainlm.sources.folders import Identity, LocalFile, identity_of
from domainlm.sources.index import INDEX_FILE, Content, LocalIndex
from domainlm.store.clock import clock_offset_ns, is_young


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file; nothing is young, whenever it was written."""
    monkeypatch.setattr("domainlm.store.clock.YOUNG_NS", -1)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.md").write_text("A")
    return tmp_path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def of_text(text: str) -> Content:
    return Content(sha256(text.encode()), len(text), "text/plain")


def local_file(path: Path) -> LocalFile:
    return LocalFile(path.name, None, os.fsencode(path), identity_of(path.stat()))


def content(index: LocalIndex, path: Path) -> Content | None:
    return index.contents([local_file(path)])[0]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read from here on; what is read of them is a stand-in."""
    seen: list[str] = []

    def reading(location: bytes) -> tuple[Identity, str, str]:
        seen.append(os.path.basename(location).decode())
        return identity_of(os.stat(location)), "digest", "text/plain"

    monkeypatch.setattr("domainlm.sources.index.read_content", reading)
    return seen


def test_an_unchanged_file_is_not_read_again(project: Path, request: pytest.FixtureRequest) -> None:
    index = LocalIndex(project)
    assert content(index, project / "texts/a.md") == of_text("A")
    index.save()
    read = request.getfixturevalue("read")
    assert content(LocalIndex(project), project / "texts/a.md") == of_text("A")
    assert read == []


def test_a_changed_file_is(project: Path) -> None:
    index = LocalIndex(project)
    content(index, project / "texts/a.md")
    index.save()
    (project / "texts/a.md").write_text("B")
    assert content(LocalIndex(project), project / "texts/a.md") == of_text("B")


@pytest.mark.parametrize("seconds", [-86_400, 0, 86_400])
def test_a_young_file_is_read_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, seconds: int
) -> None:
    """Young by the clock of its file system, however far this machine's is from it, and whatever time the file was given."""
    monkeypatch.setattr("domainlm.store.clock.YOUNG_NS", 2_000_000_000)
    path = project / "texts/a.md"
    path.write_text("A")
    os.utime(path, (1, 1))
    now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: now() + seconds * 1_000_000_000)
    index = LocalIndex(project)
    content(index, path)
    index.save()
    # a write within the clock's grain leaves size, time and inode as they are; nothing shows it but another look
    read = request.getfixturevalue("read")
    content(LocalIndex(project), path)
    assert read == ["a.md"]


def test_a_file_is_young_for_two_seconds_of_either_side() -> None:
    second = 1_000_000_000
    assert [is_young(10 * second, read * second) for read in (7, 8, 10, 12, 13)] == [False, True, True, True, False]


def test_the_clock_of_a_folder_leaves_no_name(tmp_path: Path) -> None:
    assert abs(clock_offset_ns(tmp_path)) < 2_000_000_000
    assert list(tmp_path.iterdir()) == []
    assert clock_offset_ns(tmp_path / "nowhere") == 0


@pytest.mark.parametrize("count", [40, 2000])
def test_of_many_files_only_the_changed_ones_are_read(
    project: Path, count: int, request: pytest.FixtureRequest
) -> None:
    paths = [project / f"texts/{number}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text(f"text {number}")
        os.utime(path, (1_000_000_000, 1_000_000_000))
    index = LocalIndex(project)
    assert index.contents([local_file(path) for path in paths]) == [of_text(f"text {n}") for n in range(count)]
    index.save()
    paths[7].write_text("another text")
    read = request.getfixturevalue("read")
    found = LocalIndex(project).contents([local_file(path) for path in paths])
    assert read == ["7.txt"]
    assert found[7] == Content("digest", len("another text"), "text/plain")
    assert found[6] == of_text("text 6")


def test_the_index_of_other_code_or_of_an_earlier_version_is_read_anew(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "texts/a.pdf").write_text("no PDF")
    os.utime(project / "texts/a.pdf", (1, 1))
    with monkeypatch.context() as patched:
        # as another version of the code tells types
        patched.setattr("domainlm.sources.index.kind_of_head", lambda head: "application/pdf")
        patched.setattr("domainlm.sources.index.module_digest", lambda source: "of another version")
        index = LocalIndex(project)
        assert content(index, project / "texts/a.pdf").media_type == "application/pdf"
        index.save()
    assert content(LocalIndex(project), project / "texts/a.pdf") == of_text("no PDF")
    # as it was before the code was kept: one row a file, and none with a type
    rows = json.loads((project / INDEX_FILE).read_bytes())["files"]
    (project / INDEX_FILE).write_text(json.dumps({name: row[:6] for name, row in rows.items()}))
    assert content(LocalIndex(project), project / "texts/a.pdf") == of_text("no PDF")


def test_a_file_that_grows_after_it_was_listed_has_the_size_that_was_read(project: Path) -> None:
    listed = local_file(project / "texts/a.md")
    (project / "texts/a.md").write_text("A and more")
    os.utime(project / "texts/a.md", (1, 1))
    index = LocalIndex(project)
    assert index.contents([listed]) == [of_text("A and more")]
    index.save()
    assert content(LocalIndex(project), project / "texts/a.md") == of_text("A and more")


def test_large_files_are_digested_whole(project: Path) -> None:
    data = os.urandom(5_000_000)
    (project / "large").write_bytes(data)
    assert content(LocalIndex(project), project / "large").sha256 == sha256(data)


def test_a_read_that_fails_names_its_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("domainlm.sources.index.kind_of_head", fail)
    with pytest.raises(OSError, match="Input/output error") as raised:
        content(LocalIndex(project), project / "texts/a.md")
    assert raised.value.filename == str(project / "texts/a.md")


def test_a_torn_index_is_forgotten(project: Path) -> None:
    (project / ".domainlm").mkdir()
    (project / INDEX_FILE).write_text("{")
    assert content(LocalIndex(project), project / "texts/a.md") == of_text("A")


def test_it_is_written_only_when_something_was_learnt(project: Path) -> None:
    LocalIndex(project).save()
    assert not (project / INDEX_FILE).exists()
    index = LocalIndex(project)
    content(index, project / "texts/a.md")
    index.save()
    assert list(json.loads((project / INDEX_FILE).read_text())["files"]) == ["texts/a.md"]


def test_a_file_that_may_not_be_read_is_forgotten_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(location: bytes) -> tuple[Identity, str, str]:
        raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(location))

    index = LocalIndex(project)
    content(index, project / "texts/a.md")
    index.save()
    os.utime(project / "texts/a.md", (2, 2))
    monkeypatch.setattr("domainlm.sources.index.read_content", refuse)
    index = LocalIndex(project)
    assert content(index, project / "texts/a.md") is None
    index.save()
    assert json.loads((project / INDEX_FILE).read_text())["files"] == {}
    (project / INDEX_FILE).unlink()
    index = LocalIndex(project)
    assert content(index, project / "texts/a.md") is None
    index.save()
    assert not (project / INDEX_FILE).exists()
