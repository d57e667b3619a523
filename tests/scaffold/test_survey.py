from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.new_domains import Files, made, refused, unread, write
from material.torture import ENGLISH, SIMPLIFIED, docx, faults, zipped

from domainlm.scaffold import survey


def test_names_in_the_folder_that_are_not_utf_8(project: Path) -> None:
    folder = write(project / "data/leaflets", {"a.txt": ENGLISH})
    with open(os.fsencode(folder) + b"/" + "名字".encode("gbk") + b".txt", "wb") as file:
        file.write(b"")
    found = made(project)
    assert unread(found) == {"名字.txt": "empty"}
    assert "names of files that are not UTF-8, and are read as GBK: 1" in found.notes


def test_what_is_not_read_is_what_a_build_would_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the torture folder's faults that is small, by the verdict that its row expects of a build."""
    table = {
        name: (data, expected)
        for name, (data, expected) in faults().items()
        if len(data) < 1_000_000 and name != "faults/deep.html"
    }
    monkeypatch.setattr(survey, "MAX_READ", len(table))
    for name, (data, expected) in table.items():
        folder = project / "data/one"
        write(folder, {"sound.txt": ENGLISH, Path(name).name: data})
        reasons = {found.reason for found in made(project, "data/one").survey.unread}
        shutil.rmtree(folder)
        # a file of which something is read is not among them
        assert reasons or "text" in expected.split(), name
        assert reasons <= {*expected.split(), "no_document"}, name


def test_archives_are_looked_into(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members: dict[str, Any] = {f"{number}.txt": SIMPLIFIED.encode("gb18030") * 3 for number in range(5)}
    damaged = bytearray(zipped({"a.txt": ENGLISH}))
    damaged[60] ^= 0xFF
    write(
        project / "data/leaflets",
        {"a.zip": zipped({**members, "../out.txt": "x"}), "b.txt": ENGLISH, "c.zip": bytes(damaged)},
    )
    found = made(project)
    counts = {each.name: each.files for each in found.survey.formats}
    assert counts["archive"] == 2
    assert next(each for each in found.survey.formats if each.name == "txt").languages == {"en": 1, "zh": 5}
    assert {reason for reason in unread(found).values()} == {"path_escape", "damaged_member"}
    monkeypatch.setattr(survey, "MAX_MEMBERS", 3)
    assert made(project).survey.unlooked == 1
    monkeypatch.setattr(survey, "MAX_ARCHIVES", 0)
    found = made(project)
    assert (found.survey.unlooked, {each.name: each.files for each in found.survey.formats}) == (
        2,
        {"archive": 2, "txt": 1},
    )


def test_a_member_that_is_damaged_at_its_end(project: Path) -> None:
    data = bytearray(zipped({"a.txt": ENGLISH * 100}, zipfile.ZIP_STORED))
    data[len(ENGLISH) * 99] ^= 0x01
    write(project / "data/leaflets", {"a.zip": bytes(data), "b.txt": ENGLISH})
    assert unread(made(project)) == {"a.zip/a.txt": "damaged_member"}


def test_an_archive_that_is_too_large_to_look_into_is_none_that_is_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "data/leaflets", {"a.zip": zipped({"a.txt": ENGLISH * 50, "b.txt": ENGLISH * 50})})
    monkeypatch.setattr(survey, "MAX_UNPACKED_BYTES", len(ENGLISH) * 60)
    found = made(project).survey
    assert (found.unread, found.unlooked) == ((), 1)
    monkeypatch.setattr(survey, "MAX_ARCHIVE_BYTES", 10)
    assert made(project).survey.unlooked == 1


def test_of_many_files_a_sample_is_read_and_the_rest_told_by_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: Files = {f"{number // 10}/{number}.txt": SIMPLIFIED * 3 if number > 9 else ENGLISH for number in range(40)}
    write(project / "data/leaflets", {**files, "more.zip": zipped({"a.txt": ENGLISH}), "README": ENGLISH})
    monkeypatch.setattr(survey, "MAX_READ", 5)
    found = made(project)
    assert (found.survey.tried, found.survey.read, found.survey.text_files) == (5, 5, 41)
    assert "languages and character sets are those of a sample, 5 of 41 files" in found.notes
    # of all folders, not of the first one
    assert "zh" in found.survey.language_shares()
    monkeypatch.setattr(survey, "MAX_LOOKED_AT", 0)
    found = made(project)
    assert {each.name: (each.files, each.tried) for each in found.survey.formats} == {"txt": (40, 0), "archive": (1, 0)}
    assert (found.survey.by_name, found.survey.unlooked) == (42, 1)
    assert unread(found) == {"README": "unknown_format"}
    assert "detected by their names alone: 42 of 42 files" in found.notes


def test_one_set_of_nearly_all_files_reads_the_short_ones(project: Path) -> None:
    """As a build does: two characters that could be of several sets are of the folder's."""
    files: Files = {f"{number}.txt": (SIMPLIFIED * 3).encode("gb18030") for number in range(28)}
    short: Files = {"a.txt": "阿胶".encode("gb18030"), "b.txt": "川芎".encode("gb18030")}
    alone = made(project, write(project / "data/short", short).relative_to(project).as_posix()).survey
    assert [dict(each.charsets) for each in alone.formats] == [{"cp949": 1}]
    assert [each.reason for each in alone.unread] == ["charset_uncertain"]
    write(project / "data/leaflets", {**files, **short})
    found = made(project).survey
    assert [dict(each.charsets) for each in found.formats] == [{"gb18030": 30}]
    assert found.unread == ()


def test_links_and_files_that_may_not_be_read(
    open_folder: Path, repository: Path, as_nobody: Callable[..., Any]
) -> None:
    (open_folder / "config").mkdir()
    shutil.copyfile(repository / "config/config.yaml", open_folder / "config/config.yaml")
    folder = write(open_folder / "data", {"a.txt": ENGLISH, "closed.txt": ENGLISH})
    (folder / "closed.txt").chmod(0)
    (folder / "dangling.txt").symlink_to("nowhere")
    (folder / "round").symlink_to(".")
    found = as_nobody(lambda: unread(made(open_folder, "data")))
    assert found == {"closed.txt": "unreadable", "dangling.txt": "dangling_link", "round": "folder_again"}
    folder.chmod(0o700)
    assert "cannot list data" in as_nobody(lambda: refused(open_folder, "data"))


def test_a_reader_that_takes_too_long_tells_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build gives it more time, so it is not among what is not read."""
    monkeypatch.setattr(survey, "MAX_READ_SECONDS", 0.2)
    write(project / "data/leaflets", {"a.docx": docx(ENGLISH), "slow.html": "<div>" * 200_000 + ENGLISH})
    found = made(project).survey
    assert (found.tried, found.read, found.unread) == (2, 1, ())
