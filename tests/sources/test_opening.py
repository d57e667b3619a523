from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from material.packers import tarred, zipped

from domainlm.config.domain import DomainConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import config_slice, parse_slice
from domainlm.raw.archives import Archive
from domainlm.sources import opening as raw_files
from domainlm.sources.index import LocalIndex
from domainlm.sources.opening import raw_opener
from domainlm.sources.rows import text_slices
from domainlm.stages import raw_corpus
from domainlm.store.canonical import sha256_of
from domainlm.store.local import Store
from domainlm.text.json_files import read_json

Rows = dict[str, dict[str, Any]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    return tmp_path


@pytest.fixture
def inventory(project: Path) -> Callable[..., tuple[Rows, Callable[[Mapping[str, Any]], BinaryIO], Path]]:
    """inventory(): rows by path and start as `raw_corpus` lists them, the opener that later stages have, the output."""

    def make(**source: Any) -> tuple[Rows, Callable[[Mapping[str, Any]], BinaryIO], Path]:
        values = {"role": "corpus", "local": "texts", **source}
        section = {"shards": 1, "segment_bytes": 1000}
        config = DomainConfig.model_validate({"raw_corpus": section, "sources": {"x": values}})
        [rows_] = text_slices(project, config, LocalIndex(project))
        slice_ = config_slice("raw_corpus", config, is_shard=True) | rows_
        store = Store(project / "store")
        roots = {"x": values["local"]}
        out, scratch = project / "out", project / "scratch"
        for folder in (out, scratch):
            folder.mkdir()
        opener = raw_opener(project, roots, store, is_listing=True)
        raw_corpus.run_shard(
            Inputs({}, opener),
            parse_slice("raw_corpus", slice_, is_shard=True),
            out,
            scratch,
            Resources(log=lambda line: None),
        )
        rows = {}
        for line in (out / "inventory.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["path"] if row["start"] == 0 else f"{row['path']}@{row['start']}"] = row
        return rows, raw_opener(project, roots, store), out

    return make


def test_members_of_archives_in_archives(project: Path, inventory: Callable) -> None:
    inner = {"one.txt": b"1", "deep/two.txt": b"2"}
    data = zipped({"a.tar.gz": tarred(inner, "w:gz"), "b.txt": b"b", "c.jsonl.gz": gzip.compress(b'{"text": "c"}\n')})
    (project / "texts/all.zip").write_bytes(data)
    (project / "texts/plain.txt").write_bytes(b"plain")
    rows, opened, _ = inventory()
    found = {}
    for path, row in rows.items():
        with opened(row) as file:
            found[path] = file.read()
    assert found == {
        "all.zip/a.tar.gz/one.txt": b"1",
        "all.zip/a.tar.gz/deep/two.txt": b"2",
        "all.zip/b.txt": b"b",
        "all.zip/c.jsonl.gz": b'{"text": "c"}\n',
        "plain.txt": b"plain",
    }


@pytest.mark.parametrize("make", [partial(tarred, mode="w:gz"), zipped])
def test_an_archive_is_opened_once_and_a_cut_member_unpacked_once(
    make: Callable, project: Path, inventory: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b"".join(b'{"text": "%06d"}\n' % number for number in range(1000))
    members = {f"{number:03d}.txt": str(number).encode() for number in range(300)}
    (project / "texts/x.bin").write_bytes(make({**members, "rows.jsonl": lines}))
    rows, opened, _ = inventory()
    opens: list[str] = []

    class Counting(Archive):
        def __init__(self, *arguments: Any) -> None:
            opens.append("archive")
            super().__init__(*arguments)

        def open(self, member: Any) -> BinaryIO:
            opens.append(member.name)
            return super().open(member)

    monkeypatch.setattr(raw_files, "Archive", Counting)
    read = {}
    for row in sorted(rows.values(), key=lambda row: (row["path"], row["start"])):
        with opened(row) as file:
            read[row["path"]] = file.read()
    assert opens == ["archive", *sorted(members), "rows.jsonl"]
    assert len(rows) == 300 + len([row for row in rows.values() if row["path"] == "x.bin/rows.jsonl"]) > 310
    assert read["x.bin/rows.jsonl"] == lines
    assert read["x.bin/123.txt"] == b"123"


def test_a_file_is_opened_by_its_true_name(project: Path, inventory: Callable) -> None:
    name = "文件.txt"
    for place, data in ((name.encode("gbk"), b"text"), ("夹.zip".encode("gbk"), zipped({"a.txt": b"member"}))):
        with open(os.fsencode(project / "texts") + b"/" + place, "wb") as file:
            file.write(data)
    rows, opened, _ = inventory()
    assert {path: opened(row).read() for path, row in rows.items()} == {name: b"text", "夹.zip/a.txt": b"member"}


@pytest.mark.parametrize("name", ["a.txt", "a.zip"])
def test_a_file_that_changed_or_went_is_refused(name: str, project: Path, inventory: Callable) -> None:
    path = project / "texts" / name
    path.write_bytes(b"text" if name == "a.txt" else zipped({"m.txt": b"text"}))
    rows, opened, _ = inventory()
    [row] = rows.values()
    path.write_bytes(b"TEXT" if name == "a.txt" else zipped({"m.txt": b"TEXT"}))
    with pytest.raises(StageError, match="it changed while the build ran"):
        opened(row)
    path.unlink()
    with pytest.raises(StageError, match=r"cannot read .*No such file"):
        opened(row)


def test_copied_bytes_outlive_the_files(project: Path, inventory: Callable) -> None:
    for name, data in {"a.txt": b"text", "b.zip": zipped({"m.txt": b"member"})}.items():
        (project / "texts" / name).write_bytes(data)
    rows, opened, out = inventory(copy=True)
    Store(project / "store").commit(out)
    for path in (project / "texts").iterdir():
        path.unlink()
    assert {path: opened(row).read() for path, row in rows.items()} == {"a.txt": b"text", "b.zip/m.txt": b"member"}


def test_a_copy_that_is_gone_is_named(project: Path, inventory: Callable) -> None:
    (project / "texts/a.txt").write_bytes(b"text")
    rows, opened, _ = inventory(copy=True)
    with pytest.raises(StageError, match=rf"the raw file {sha256_of(b'text')[:16]} of source x is not in the store"):
        opened(rows["a.txt"])


def test_an_inventory_that_does_not_fit_its_archive_is_refused(project: Path, inventory: Callable) -> None:
    (project / "texts/a.zip").write_bytes(zipped({"m.txt": b"text"}))
    rows, opened, _ = inventory()
    row = rows["a.zip/m.txt"]
    for wrong in ({**row, "members": ["n.txt"]}, {**row, "sha256": "0" * 64}):
        with pytest.raises(StageError, match="is not what the inventory lists"):
            opened(wrong)
    assert opened(row).read() == b"text"


def test_figures_of_the_whole(project: Path, inventory: Callable, tmp_path: Path) -> None:
    (project / "texts/a.txt").write_bytes(b"text")
    (project / "texts/cut.zip").write_bytes(zipped({"m.txt": b"text"})[:30])
    _, _, out = inventory()
    whole = project / "whole"
    whole.mkdir()
    raw_corpus.run(
        Inputs({"0000": out}),
        parse_slice("raw_corpus", {}),
        whole,
        tmp_path,
        Resources(log=lambda line: None),
    )
    stats = read_json(whole / "stats.json")
    assert (stats["files"], stats["rejected"], stats["disagreeing"]) == (1, {"damaged_archive": 1}, 0)
