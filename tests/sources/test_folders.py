from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import Source
from domainlm.sources.folders import local_files
from domainlm.sources.index import LocalIndex
from domainlm.sources.rows import base_model_slice, text_slices
from domainlm.store.canonical import sha256_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder `texts` of a project, with one file."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.md").write_text("A")
    return tmp_path / "texts"


def paths(root: Path, **changes: Any) -> list[str]:
    source = Source.model_validate({"role": "corpus", "local": root.name, **changes})
    return [file.path for file in local_files(root.parent, "x", source)]


def rows(root: Path, **changes: Any) -> list[tuple[str, str | None]]:
    """(path, fault) of what a source lists."""
    source = Source.model_validate({"role": "corpus", "local": root.name, **changes})
    return [(file.path, file.fault) for file in local_files(root.parent, "x", source)]


def test_linked_folders_and_files_are_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/b.md").write_text("B")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "c.md").symlink_to(tmp_path / "elsewhere/deep/b.md")
    (root / "d.md").hardlink_to(root / "a.md")
    assert paths(root) == ["a.md", "c.md", "d.md", "linked/deep/b.md"]


def test_a_folder_is_read_once_by_the_path_with_the_fewest_links(root: Path) -> None:
    (root / "z/deep/real").mkdir(parents=True)
    (root / "z/deep/real/b.md").write_text("B")
    (root / "a").symlink_to("z/deep/real")
    (root / "b").symlink_to("a")
    (root / "m").mkdir()
    (root / "m/n").symlink_to("../z")
    again = [("a", "folder_again"), ("a.md", None), ("b", "folder_again"), ("m/n", "folder_again")]
    assert rows(root) == [*again, ("z/deep/real/b.md", None)]
    # excluded by either way of writing it
    assert rows(root, exclude=["a", "b/**", "m/**"]) == [("a.md", None), ("z/deep/real/b.md", None)]


def test_of_links_to_one_folder_the_first_by_depth_and_name_is_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.md").write_text("B")
    (root / "deep").mkdir()
    for link in (root / "deep/a", root / "c", root / "b"):
        link.symlink_to(tmp_path / "elsewhere")
    found = [("a.md", None), ("b/b.md", None), ("c", "folder_again"), ("deep/a", "folder_again")]
    assert rows(root) == found
    # a path that no pattern takes does not keep the files from another
    assert rows(root, include=["c/*.md"]) == [("c/b.md", None)]
    assert rows(root, exclude=["b/**"]) == [("a.md", None), ("c/b.md", None), ("deep/a", "folder_again")]


def test_a_folder_may_be_read_by_two_sources(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/linked").symlink_to(root)
    assert paths(root) == ["a.md"]
    assert paths(tmp_path / "other") == ["linked/a.md"]


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (".", "folder_again"),
        ("..", "folder_again"),
        ("../../texts", "folder_again"),
        ("../..", "folder_above"),
        ("/", "folder_above"),
    ],
)
def test_a_link_in_a_circle_is_listed(root: Path, target: str, fault: str) -> None:
    (root / "deep").mkdir()
    (root / "deep/round").symlink_to(target)
    assert rows(root) == [("a.md", None), ("deep/round", fault)]


def test_a_circle_through_several_folders_is_read_once(root: Path) -> None:
    for name, target in (("b", "c"), ("c", "d"), ("d", "b")):
        (root / name).mkdir()
        (root / name / f"{name}.md").write_text(name)
        (root / name / "next").symlink_to(f"../{target}")
    assert [path for path, fault in rows(root) if fault is None] == ["a.md", "b/b.md", "c/c.md", "d/d.md"]
    assert [fault for _, fault in rows(root) if fault is not None] == ["folder_again"] * 3


@pytest.mark.parametrize("name", ["artifacts", "artifacts/law/documents", "logs", ".dvc", ".domainlm", ".git/objects"])
def test_what_builds_write_is_no_part_of_a_source(root: Path, name: str) -> None:
    (root.parent / name).mkdir(parents=True)
    (root.parent / name / "b.md").write_text("B")
    (root / "linked").symlink_to(root.parent / name)
    assert rows(root) == [("a.md", None), ("linked", "own_folder")]
    whole = Source.model_validate({"role": "corpus", "local": "."})
    assert {file.path for file in local_files(root.parent, "x", whole) if file.fault is None} == {"texts/a.md"}
    own = Source.model_validate({"role": "corpus", "local": name})
    with pytest.raises(
        ConfigurationError, match=rf"sources\.x\.local: {re.escape(name)} lies in a folder that builds, DVC or git"
    ):
        local_files(root.parent, "x", own)


def test_many_paths_to_one_folder_take_no_time(root: Path, tmp_path: Path) -> None:
    for number in range(30):
        folder = tmp_path / f"bomb/d{number}"
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / name).symlink_to(f"../d{number + 1}")
    (tmp_path / "bomb/d30").mkdir()
    (tmp_path / "bomb/d30/x.md").write_text("X")
    (root / "bomb").symlink_to(tmp_path / "bomb/d0")
    found = rows(root)
    assert ("bomb/" + "a/" * 30 + "x.md", None) in found
    assert len(found) == 2 + 30


def test_more_links_than_the_system_follows_are_listed(root: Path, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"chain/d{number}").mkdir(parents=True)
        (tmp_path / f"chain/d{number}/next").symlink_to(f"../d{number + 1}")
    (root / "chain").symlink_to(tmp_path / "chain/d0")
    [(path, fault)] = [row for row in rows(root) if row[1] is not None]
    assert (set(path.split("/")), fault) == ({"chain", "next"}, "dangling_link")


def test_folders_nested_beyond_the_system_s_longest_path_are_named(root: Path) -> None:
    place = os.getcwd()
    try:
        os.chdir(root)
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir(place)
    with pytest.raises(ConfigurationError, match=r"cannot (list|read) texts/d.*: File name too long") as caught:
        paths(root)
    assert len(str(caught.value)) < 600
    assert paths(root, exclude=["d*/**"]) == ["a.md"]


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (os.mkfifo, "not_a_file"),
        (lambda path: os.mknod(path, 0o140644), "not_a_file"),
        (lambda path: path.symlink_to("/dev/zero"), "not_a_file"),
        (lambda path: path.symlink_to("nowhere"), "dangling_link"),
        (lambda path: path.symlink_to("odd"), "dangling_link"),
        (lambda path: path.symlink_to("a.md/inner"), "dangling_link"),
    ],
)
def test_what_is_no_file_is_listed_with_its_fault(root: Path, make: Callable[[Path], None], fault: str) -> None:
    make(root / "odd")
    source = Source.model_validate({"role": "corpus", "local": "texts"})
    assert [(file.path, file.fault) for file in local_files(root.parent, "x", source)] == [
        ("a.md", None),
        ("odd", fault),
    ]
    assert paths(root, exclude=["odd"]) == ["a.md"]
    assert paths(root, include=["*.md"]) == ["a.md"]


def listed(root: Path, role: str = "corpus") -> list[list[str]]:
    """[path, fault or digest] of a source's rows, or the error."""
    config = DomainConfig.model_validate({"sources": {"x": {"role": role, "local": "texts"}}})
    try:
        slices = text_slices(root.parent, config, LocalIndex(root.parent))
        if role == "base_model":
            slices = [base_model_slice(root.parent, config, LocalIndex(root.parent))]
        return sorted([row["path"], row.get("fault", row["sha256"])] for slice_ in slices for row in slice_["files"])
    except ConfigurationError as error:
        return [["error", str(error)]]


def test_a_file_that_may_not_be_read_is_listed_and_a_folder_stops_the_run(
    open_folder: Path, as_nobody: Callable[[Callable[[], Any]], Any]
) -> None:
    root = open_folder / "texts"
    root.mkdir()
    (root / "closed.txt").touch(mode=0o600)
    [[_, message]] = as_nobody(lambda: listed(root))
    assert message.startswith("sources.x.local: cannot read texts/closed.txt: permission denied; make it readable")
    (root / "a.md").write_text("A")
    assert as_nobody(lambda: listed(root)) == [["a.md", sha256_of(b"A")], ["closed.txt", "unreadable"]]
    [[_, message]] = as_nobody(lambda: listed(root, "base_model"))
    assert "cannot read texts/closed.txt: permission denied" in message
    (root / "closed").mkdir(mode=0o700)
    [[_, message]] = as_nobody(lambda: listed(root))
    assert message.startswith("sources.x.local: cannot list texts/closed: Permission denied; make it readable")
    (root / "closed").chmod(0o755)
    (root / "closed/b.md").symlink_to(root / "a.md")
    (open_folder / "inner").mkdir(mode=0o700)
    (open_folder / "inner/c.md").touch()
    (root / "closed/c.md").symlink_to(open_folder / "inner/c.md")
    found = as_nobody(lambda: listed(root))
    assert found[1:] == [["closed.txt", "unreadable"], ["closed/b.md", sha256_of(b"A")], ["closed/c.md", "unreadable"]]


def test_names_in_gbk_with_newlines_and_of_no_charset(root: Path) -> None:
    for name in ("资料.txt".encode("gbk"), b"two\nlines.txt", b"\xff\xfe.txt"):
        (Path(os.fsdecode(os.fsencode(root) + b"/" + name))).write_bytes(b"x")
    source = Source.model_validate({"role": "corpus", "local": "texts"})
    found = {file.path: file for file in local_files(root.parent, "x", source)}
    assert sorted(found) == ["\\xff\\xfe.txt", "a.md", "two\nlines.txt", "资料.txt"]
    assert found["资料.txt"].name == "资料.txt".encode("gbk").decode("utf-8", "surrogateescape")
    assert [found[name].name for name in ("a.md", "two\nlines.txt")] == [None, None]
    assert Path(os.fsdecode(found["资料.txt"].location)).read_bytes() == b"x"


def test_two_names_that_read_alike_are_refused(root: Path) -> None:
    for name in ("资料.txt".encode("gbk"), "资料.txt".encode()):
        (Path(os.fsdecode(os.fsencode(root) + b"/" + name))).touch()
    with pytest.raises(ConfigurationError, match=r"two files whose names both read 资料\.txt"):
        paths(root)


class TestSavedDataset:
    """A folder as `Dataset.save_to_disk` writes it: the data files that state.json names, and descriptions."""

    @pytest.fixture
    def saved(self, root: Path) -> Path:
        for split in ("train", "test"):
            folder = root / "set" / split
            folder.mkdir(parents=True)
            (folder / "data-00000-of-00001.arrow").write_bytes(b"x")
            (folder / "cache-12ab.arrow").write_bytes(b"left over")
            (folder / "dataset_info.json").write_text("{}")
            (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        (root / "set/dataset_dict.json").write_text('{"splits": ["test", "train"]}')
        return root / "set"

    def test_only_its_data_files_are_taken(self, saved: Path, root: Path) -> None:
        assert paths(root) == [
            "a.md",
            "set/test/data-00000-of-00001.arrow",
            "set/train/data-00000-of-00001.arrow",
        ]
        assert paths(root, local="texts/set/train") == ["data-00000-of-00001.arrow"]

    def test_a_missing_data_file_is_named(self, saved: Path, root: Path) -> None:
        (saved / "test/data-00000-of-00001.arrow").unlink()
        with pytest.raises(ConfigurationError, match=r"texts/set/test has no data-00000-of-00001\.arrow"):
            paths(root)

    def test_a_torn_description_is_named(self, saved: Path, root: Path) -> None:
        (saved / "test/state.json").write_text("{")
        with pytest.raises(ConfigurationError, match=r"texts/set/test/state\.json is not that of a saved dataset"):
            paths(root)

    def test_it_is_what_datasets_writes(self, root: Path) -> None:
        import datasets

        datasets.Dataset.from_dict({"text": ["a", "b"]}).save_to_disk(root / "set")
        assert paths(root) == ["a.md", "set/data-00000-of-00001.arrow"]


def test_files_are_listed_sorted_without_hidden_ones(project: Path) -> None:
    assert paths(project / "texts") == ["a.md", "b.txt", "deep/c.html", "deep/er/d.weird"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.md"], [], ["a.md"]),
        (["**/*.html", "b.*"], [], ["b.txt", "deep/c.html"]),
        (["deep/*"], [], ["deep/c.html"]),
        (["deep/**"], [], ["deep/c.html", "deep/er/d.weird"]),
        (["**/*"], ["deep/**", "?.txt"], ["a.md"]),
    ],
)
def test_include_and_exclude(project: Path, include: list[str], exclude: list[str], expected: list[str]) -> None:
    assert paths(project / "texts", include=include, exclude=exclude) == expected


def test_a_source_may_be_one_file(project: Path) -> None:
    assert paths(project / "texts", local="texts/deep/c.html") == ["c.html"]


@pytest.mark.parametrize(
    ("source", "message"), [({"local": "nowhere"}, "nowhere does not exist"), ({"include": ["*.pdf"]}, "no file")]
)
def test_missing_sources_are_configuration_errors(project: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        paths(project / "texts", **source)
    assert "sources.x.local" in str(caught.value)
