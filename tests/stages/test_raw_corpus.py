from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from material.packers import tarred, zipped

from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.raw.segments import shard_of
from domainlm.stages import raw_corpus

QUIET = Resources(log=lambda line: None)
LABELS = {"role": "corpus", "licence": "MIT", "authority": "official", "stance": "x"}
ROWS = b'{"text": "the lung has two halves"}\n' * 80
MEMBERS = {"pkg-1.0/doc/a.rst": b"A\n=\n", "pkg-1.0/doc/b.rst": b"B\n=\n", "pkg-1.0/setup.py": b"raise SystemExit"}
DECLARED = {"format": None, "charset": None, "include": ["**/*"], "exclude": [], "labels": [], "label_table": {}}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SDIST = tarred(MEMBERS)
CONTENTS = {sha256(data): data for data in (ROWS, SDIST, b"text")}
FETCHED_FILE = {
    **LABELS,
    **DECLARED,
    **{"source": "hpo", "origin": "fetch", "package": "p", "version": "1", "kind": "wheel", "member": "p/rows.jsonl"},
    **{"sha256": sha256(ROWS), "path": "p/rows.jsonl", "prefix": ""},
}
ARCHIVE = {
    **LABELS,
    **DECLARED,
    **{"source": "docs", "origin": "fetch", "package": "pkg", "version": "1.0", "kind": "sdist", "member": None},
    **{"sha256": sha256(SDIST), "include": ["doc/*.rst"], "exclude": ["doc/b*"], "path": None, "prefix": ""},
}
LOCAL = {
    **LABELS,
    **{
        "source": "notes",
        "origin": "local",
        "is_archive": False,
        "path": "a.txt",
        "sha256": sha256(b"text"),
        "size": 4,
        "start": 0,
        "end": 4,
    },
    **{"format": "txt", "media_type": "text/plain"},
}


def open_raw(row: Mapping[str, Any]) -> BinaryIO:
    return io.BytesIO(CONTENTS[row.get("archive") or row["sha256"]])


def local_archive(path: str, data: bytes, **changes: Any) -> dict[str, Any]:
    CONTENTS[sha256(data)] = data
    place = {
        "path": path,
        "prefix": f"{path}/",
        "sha256": sha256(data),
        "size": len(data),
        "start": 0,
        "end": len(data),
    }
    found = {**LABELS, **DECLARED, "source": "notes", "origin": "local", "is_archive": True, "include": ["**"], **place}
    return {**found, **changes}


def inventory(folder: Path, name: str = "inventory.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def build(
    tmp_path: Path, shards: int, fetched: list[dict[str, Any]], files: list[dict[str, Any]], **changes: Any
) -> list[Path]:
    """Folder of each shard."""
    folders = []
    for shard in range(shards):
        out, scratch = tmp_path / f"{shards}/{shard:04d}", tmp_path / "scratch"
        out.mkdir(parents=True)
        scratch.mkdir(exist_ok=True)
        own = [
            row
            for row in files
            if (row["is_archive"] and row["size"] > 1000)
            or shard_of(row["source"], row["path"], row["start"], shards) == shard
        ]
        config = {
            **{"files": own, "fetched": fetched, "hubs": [], "hub_files": {}, "shard": shard, "shards": shards},
            **{"segment_bytes": 1000, "max_archive_depth": 3, "max_archive_ratio": 200.0, "max_archive_bytes": 10**9},
            **changes,
        }
        raw_corpus.run_shard(
            Inputs({}, open_raw), parse_slice("raw_corpus", config, is_shard=True), out, scratch, QUIET
        )
        assert not list(scratch.iterdir())
        folders.append(out)
    return folders


def test_a_local_file_that_cannot_be_read_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    faults = {"a.md": "dangling_link", "pipe": "not_a_file"}
    rows = [
        {**LABELS, "source": "notes", "path": path, "fault": fault, "detail": "why", "sha256": "", "size": 0}
        | {"origin": "local", "is_archive": False, "start": 0, "end": 0}
        for path, fault in faults.items()
    ]
    folders = build(tmp_path, 2, [], [LOCAL, *rows])
    assert [row["path"] for folder in folders for row in inventory(folder)] == ["a.txt"]
    found = [row for folder in folders for row in inventory(folder, "rejected.jsonl")]
    assert {row["path"]: row["reason"] for row in found} == faults
    assert found[0].items() >= {"source": "notes", "detail": "why", "value": None}.items()
    (tmp_path / "out").mkdir()
    inputs = Inputs({str(number): folder for number, folder in enumerate(folders)}, None)
    raw_corpus.run(inputs, parse_slice("raw_corpus", {}), tmp_path / "out", tmp_path, QUIET)
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert (stats["files"], stats["rejected"]) == (1, {"dangling_link": 1, "not_a_file": 1})


def test_ranges_of_files_and_members_with_their_labels(tmp_path: Path) -> None:
    [folder] = build(tmp_path, 1, [FETCHED_FILE, ARCHIVE], [LOCAL])
    rows = inventory(folder)
    assert [(row["source"], row["path"], row["start"], row["end"]) for row in rows] == [
        ("docs", "doc/a.rst", 0, 4),
        *(("hpo", "p/rows.jsonl", start, end) for start, end in ((0, 960), (960, 1920), (1920, 2880))),
        ("notes", "a.txt", 0, 4),
    ]
    member, whole, local = rows[0], rows[1], rows[-1]
    assert (member["archive"], member["members"], member["format"]) == (sha256(SDIST), ["pkg-1.0/doc/a.rst"], "rst")
    assert member["sha256"] == sha256(MEMBERS["pkg-1.0/doc/a.rst"])
    assert (whole["archive"], whole["members"], whole["format"], whole["size"]) == (None, None, "jsonl", len(ROWS))
    assert whole["media_type"] == "application/jsonl"
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
    figures = raw_corpus.run(
        Inputs({folder.name: folder for folder in folders}),
        parse_slice("raw_corpus", {}),
        out,
        tmp_path,
        QUIET,
    )
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert {name: (source["files"], source["bytes"]) for name, source in stats["sources"].items()} == {
        "docs": (1, 4),
        "hpo": (1, len(ROWS)),
        "notes": (1, 4),
    }
    assert figures == {"files": 3, "bytes": len(ROWS) + 8} == {key: stats[key] for key in ("files", "bytes")}
    assert stats["sources"]["hpo"]["licence"] == "MIT"


def test_patterns_without_a_match_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"source docs: no member of the archive matches include \['\*\.md'\]"):
        build(tmp_path, 1, [{**ARCHIVE, "include": ["*.md"]}], [])


def test_without_a_corpus_there_is_nothing_to_build(tmp_path: Path) -> None:
    folders = build(tmp_path, 1, [], [{**LOCAL, "role": "replay"}])
    with pytest.raises(StageError, match="no file of role corpus"):
        raw_corpus.run(Inputs({"0000": folders[0]}), parse_slice("raw_corpus", {}), tmp_path, tmp_path, QUIET)


def test_a_listed_file_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        build(tmp_path, 1, [], [{**LOCAL, "sha256": "0" * 64}])


INNER = {"a.html": b"<!doctype html><p>A</p>", "deep/b.txt": b"B", ".DS_Store": b"x", "__MACOSX/b.txt": b"x"}


def test_local_archives_and_archives_in_them(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"text": "C"}\n{"text": "D"}\n', mtime=0)
    nested = zipped({"more.tar": tarred(INNER), "rows.jsonl.gz": packed, "skip.txt": b"no"})
    [folder] = build(tmp_path, 1, [], [local_archive("x/all.zip", nested, exclude=["**/skip.txt"])])
    rows = {row["path"]: row for row in inventory(folder)}
    assert {path: (row["members"], row["format"], row["media_type"]) for path, row in rows.items()} == {
        "x/all.zip/more.tar/a.html": (["more.tar", "a.html"], "html", "text/html"),
        "x/all.zip/more.tar/deep/b.txt": (["more.tar", "deep/b.txt"], "txt", "text/plain"),
        "x/all.zip/rows.jsonl.gz": (["rows.jsonl.gz", "rows.jsonl"], "jsonl", "application/jsonl"),
    }
    row = rows["x/all.zip/more.tar/deep/b.txt"]
    assert (row["archive"], row["archive_path"], row["sha256"]) == (sha256(nested), "x/all.zip", sha256(b"B"))
    assert {key: row[key] for key in LABELS} == LABELS
    assert inventory(folder, "rejected.jsonl") == []


def test_what_is_refused_is_listed_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    deep = zipped({"4.txt": b"x"})
    for name in ("3.zip", "2.zip", "1.zip"):
        deep = zipped({name: deep, f"{name}.txt": b"beside"})
    files = {"../up.txt": b"x", "good.txt": b"good", "bomb.txt": bytes(11_000_000), "cut.tar.gz": b"\x1f\x8b\x08 cut"}
    large = zipped({**files, "deep.zip": deep})
    assert len(large) > 1000
    archives = [local_archive("l.zip", large), local_archive("cut.zip", large[:500])]
    one = build(tmp_path, 1, [], archives)
    expected = [
        ("cut.zip", "damaged_archive"),
        ("l.zip/../up.txt", "path_escape"),
        ("l.zip/bomb.txt", "archive_bomb"),
        ("l.zip/cut.tar.gz", "damaged_archive"),
        ("l.zip/deep.zip/1.zip/2.zip", "nested_too_deep"),
    ]
    assert [(row["path"], row["reason"]) for row in inventory(one[0], "rejected.jsonl")] == expected
    assert [row["path"] for row in inventory(one[0])] == [
        "l.zip/deep.zip/1.zip.txt",
        "l.zip/deep.zip/1.zip/2.zip.txt",
        "l.zip/good.txt",
    ]
    bomb = inventory(one[0], "rejected.jsonl")[2]
    assert (bomb["threshold"], bomb["source"]) == (200.0, "notes")
    assert bomb["value"] > 900
    # a large archive is handed to every shard
    many = build(tmp_path, 5, [], archives)
    found = [row for folder in many for row in inventory(folder, "rejected.jsonl")]
    assert sorted(row["path"] for row in found) == [path for path, _ in expected]
    assert sorted(row["path"] for folder in many for row in inventory(folder)) == [
        row["path"] for row in inventory(one[0])
    ]


def test_a_small_archive_stays_in_one_shard(tmp_path: Path) -> None:
    folders = build(tmp_path, 4, [], [local_archive("s.zip", zipped({f"{n}.txt": b"x" * n for n in range(5)}))])
    assert sorted(len(inventory(folder)) for folder in folders) == [0, 0, 0, 5]


def test_archives_in_an_archive_count_towards_its_limit(tmp_path: Path) -> None:
    inner = zipped({"a.txt": b"a" * 600, "b.txt": b"b" * 600})
    archive = local_archive("x.zip", zipped({"1.zip": inner, "2.zip": inner}))
    [folder] = build(tmp_path, 1, [], [archive], max_archive_bytes=1500)
    assert [row["path"] for row in inventory(folder)] == ["x.zip/1.zip/a.txt", "x.zip/1.zip/b.txt"]
    assert [row["reason"] for row in inventory(folder, "rejected.jsonl")] == ["archive_too_large"]


def test_content_wins_over_the_extension(tmp_path: Path) -> None:
    members = {"page.txt": b"<html><p>x</p></html>", "notes.pdf": b"plain", "scan.pdf": b"\x89PNG\r\n\x1a\n\0"}
    [folder] = build(tmp_path, 1, [], [LOCAL, local_archive("x.zip", zipped(members))])
    found = {row["path"]: (row["format"], row["extension_format"], row["media_type"]) for row in inventory(folder)}
    assert found == {
        "a.txt": ("txt", None, "text/plain"),
        "x.zip/notes.pdf": ("txt", "pdf", "text/plain"),
        "x.zip/page.txt": ("html", "txt", "text/html"),
        "x.zip/scan.pdf": (None, "pdf", "image/png"),
    }
    out = tmp_path / "out"
    out.mkdir()
    raw_corpus.run(Inputs({"0000": folder}), parse_slice("raw_corpus", {}), out, tmp_path, QUIET)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["disagreeing"], stats["media_types"]) == (3, {"image/png": 1, "text/html": 1, "text/plain": 2})


def test_a_dump_that_is_read_packed_stays_packed(tmp_path: Path) -> None:
    packed = gzip.compress(b"<mediawiki></mediawiki>", mtime=0)
    rows = [local_archive("d.xml.gz", packed, format="mediawiki"), local_archive("e.xml.gz", packed)]
    [folder] = build(tmp_path, 1, [], rows)
    assert [(row["path"], row["format"], row["members"]) for row in inventory(folder)] == [
        ("d.xml.gz", "mediawiki", None),
        ("e.xml.gz", "mediawiki", ["e.xml"]),
    ]


def test_members_have_labels_by_pattern_and_by_table(tmp_path: Path) -> None:
    labels = [
        {"pattern": "x.zip/deep/**", "licence": "CC0", "authority": "media", "stance": None},
        {"pattern": "**/b.txt", "licence": "BSD", "authority": None, "stance": None},
    ]
    row = local_archive("x.zip", zipped(INNER), labels=labels, label_table={"x.zip/deep/b.txt": {"stance": "y"}})
    [folder] = build(tmp_path, 1, [], [row])
    found = {row["path"]: (row["licence"], row["authority"], row["stance"]) for row in inventory(folder)}
    assert found == {"x.zip/a.html": ("MIT", "official", "x"), "x.zip/deep/b.txt": ("BSD", "media", "y")}
    out = tmp_path / "out"
    out.mkdir()
    raw_corpus.run(Inputs({"0000": folder}), parse_slice("raw_corpus", {}), out, tmp_path, QUIET)
    source = json.loads((out / "stats.json").read_text(encoding="utf-8"))["sources"]["notes"]
    assert (source["licence"], source["files_by_label"]["licence"]) == ("BSD; MIT", {"BSD": 1, "MIT": 1})
    with pytest.raises(StageError, match=r"sources\.notes\.label_table: x\.zip/no\.txt is no file"):
        build(tmp_path / "again", 1, [], [{**row, "label_table": {"x.zip/no.txt": {"stance": "y"}}}])


def test_a_copied_source_s_bytes_are_part_of_the_output(tmp_path: Path) -> None:
    data = zipped(INNER)
    rows = [{**LOCAL, "is_copied": True}, local_archive("x.zip", data, is_copied=True)]
    [folder] = build(tmp_path, 1, [], [*rows, {**LOCAL, "source": "other"}])
    files = {path.parent.name + path.name: path.read_bytes() for path in folder.glob("files/*/*")}
    assert files == {sha256(b"text"): b"text", sha256(data): data}
    assert {row["path"]: row["is_copied"] for row in inventory(folder) if row["source"] == "notes"}["x.zip/a.html"]


def test_files_of_a_hub_revision_are_dealt_out_with_their_labels(tmp_path: Path) -> None:
    rows = b'{"text": "a"}\n{"text": "b"}\n' * 60
    packed = gzip.compress(rows, mtime=0)
    CONTENTS.update({sha256(rows): rows, sha256(packed): packed})
    table = {"data/two.jsonl.gz": {"licence": "CC0"}}
    hub = {
        **LABELS,
        **DECLARED,
        "source": "hub",
        "origin": "hub",
        "kind": "dataset",
        "repository": "o/n",
        "label_table": table,
    }
    files = [
        {"path": "data/one.jsonl", "sha256": sha256(rows), "size": len(rows)},
        {"path": "data/two.jsonl.gz", "sha256": sha256(packed), "size": len(packed)},
    ]
    folders = build(tmp_path, 2, [], [], hubs=[{**hub, "revision": "a" * 40}], hub_files={"hub": files})
    found = sorted((row["path"], row["start"], row["licence"]) for folder in folders for row in inventory(folder))
    assert found == [
        ("data/one.jsonl", 0, "MIT"),
        ("data/one.jsonl", 840, "MIT"),
        ("data/two.jsonl.gz", 0, "CC0"),
        ("data/two.jsonl.gz", 840, "CC0"),
    ]
    row = inventory(folders[0])[0]
    assert (row["origin"], row["repository"], row["revision"]) == ("hub", "o/n", "a" * 40)
    with pytest.raises(StageError, match=r"label_table: data/two\.jsonl\.gz is no file that is read from"):
        build(tmp_path / "again", 1, [], [], hubs=[hub], hub_files={"hub": files[:1]})


def test_what_was_fetched_and_is_no_archive(tmp_path: Path) -> None:
    row = {**ARCHIVE, "sha256": sha256(b"text")}
    with pytest.raises(StageError, match=r"no member of the archive matches.*text/plain; expected zip or tar"):
        build(tmp_path, 1, [row], [])


def test_an_archive_in_an_archive_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    inner = {
        "none.zip": zipped({}),
        "hidden.zip": zipped({".a": b"x"}),
        "hidden.tar": tarred({".a": b"x"}),
        "a.txt": b"text",
    }
    [folder] = build(tmp_path, 1, [], [local_archive("x.zip", zipped(inner))])
    assert [row["path"] for row in inventory(folder)] == ["x.zip/a.txt"]
    found = [(row["path"], row["reason"]) for row in inventory(folder, "rejected.jsonl")]
    assert found == [(f"x.zip/{name}", "empty") for name in ("hidden.tar", "hidden.zip", "none.zip")]


def test_of_files_with_one_path_the_first_is_taken(tmp_path: Path) -> None:
    twice = zipped({"in.zip": zipped({"a.txt": b"first"}), "in.zip/a.txt": b"second", "b.txt": b"text"})
    sdist = tarred({"pkg-1.0/a.txt": b"first", "other/a.txt": b"second", "other/b.txt": b"text"})
    for number, row in enumerate((local_archive("x.zip", twice), local_archive("x.zip", sdist, kind="sdist"))):
        [folder] = build(tmp_path / str(number), 1, [], [row])
        assert {row["sha256"] for row in inventory(folder)} == {sha256(b"first"), sha256(b"text")}
        [refused] = inventory(folder, "rejected.jsonl")
        assert (refused["path"].endswith("a.txt"), refused["reason"]) == (True, "same_name")


@pytest.mark.parametrize("is_one", [True, False])
def test_a_label_of_what_is_refused_stops_nothing(tmp_path: Path, is_one: bool) -> None:
    prefix = "" if is_one else "x.zip/"
    place = {"prefix": prefix}
    bomb = zipped({"bomb.txt": bytes(11_000_000), "a.txt": b"text", "cut.zip": zipped({"b.txt": b"x" * 99})[:50]})
    table = {f"{prefix}{name}": {"stance": "y"} for name in ("bomb.txt", "a.txt", "cut.zip/b.txt")}
    [folder] = build(tmp_path, 1, [], [local_archive("x.zip", bomb, label_table=table, **place)])
    assert [(row["path"], row["stance"]) for row in inventory(folder)] == [(f"{prefix}a.txt", "y")]
    assert [row["reason"] for row in inventory(folder, "rejected.jsonl")] == ["archive_bomb", "damaged_archive"]
    # the archive itself, of which nobody knows what it holds
    damaged = zipped({"a.txt": b"text" * 99})[:-30]
    table = {f"{prefix}a.txt": {"stance": "y"}}
    [folder] = build(tmp_path / "cut", 1, [], [local_archive("x.zip", damaged, label_table=table, **place), LOCAL])
    assert [row["reason"] for row in inventory(folder, "rejected.jsonl")] == ["damaged_archive"]
    # a file whose name begins like an archive's that is refused
    table = {f"{prefix}cut.zip.txt": {"stance": "y"}}
    with pytest.raises(StageError, match=r"label_table: .*cut\.zip\.txt is no file"):
        build(tmp_path / "alike", 1, [], [local_archive("x.zip", bomb, label_table=table, **place)])
    # what is in none is a mistake, as before
    good = local_archive("x.zip", zipped(INNER), label_table={f"{prefix}c.txt": {"stance": "y"}}, **place)
    with pytest.raises(StageError, match=r"label_table: .*c\.txt is no file"):
        build(tmp_path / "good", 1, [], [good])


def test_what_is_refused_is_looked_up_in_the_table_in_linear_time(tmp_path: Path) -> None:
    class Counting(str):
        """A path that counts how often it is looked at."""

        count = 0
        __hash__ = str.__hash__

        def __str__(self) -> str:
            Counting.count += 1
            return str.__str__(self)

        def __format__(self, spec: str) -> str:
            return str(self)

    names = [f"../{number}.txt" for number in range(100)]
    data = zipped({"a.txt": b"text", **dict.fromkeys(names, b"x")})
    table = {Counting(f"../{number}.txt"): {"stance": "y"} for number in range(100)}
    [folder] = build(tmp_path, 1, [], [local_archive("x.zip", data, label_table=table, prefix="")])
    assert len(inventory(folder, "rejected.jsonl")) == 100
    assert Counting.count < 1000
