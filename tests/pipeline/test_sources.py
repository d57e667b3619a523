"""Every kind of source through the text stages: archives, names in GBK, saved datasets, URLs, copies, labels."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.packers import tarred, zipped
from material.servers import http_server

from domainlm.explain.trace import make_trace
from domainlm.store.canonical import sha256_of
from domainlm.store.manifest import read_manifest
from domainlm.text.document import Document, read_documents

LETTERS = str.maketrans("0123456789", "abcdefghij")


def prose(number: int) -> str:
    return " ".join(f"{number:03d}{place}".translate(LETTERS) for place in range(12, 36)) + ".\n"


def write_sources(root: Path, order: int = 1) -> None:
    """A folder `more` of every kind. order: 1 or -1, in which files are written."""
    nested = zipped(
        {"deep.tar.gz": tarred({f"{n}.txt": prose(n).encode() for n in range(20, 25)}, "w:gz"), "../up.txt": b"x"}
    )
    rows = b"".join(json.dumps({"text": prose(n)}).encode() + b"\n" for n in range(40, 60))
    lines = [json.dumps({"text": prose(n)}) for n in range(100, 140)]
    files = {
        "plain.txt": prose(1).encode(),
        "really.pdf": f"<!doctype html><p>{prose(2)}</p>".encode(),
        "two\nlines.txt": prose(3).encode(),
        "nested.zip": nested,
        "rows.jsonl.gz": gzip.compress(rows, mtime=0),
        "lines.jsonl": "\n".join([*lines[:30], '{"text": "cut off', *lines[30:]]).encode(),
        "cut.tar.gz": tarred({"a.txt": b"x" * 4000}, "w:gz")[:90],
        "media/press.txt": prose(5).encode(),
    }
    for name, data in list(files.items())[::order]:
        (root / "more" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "more" / name).write_bytes(data)
    with open(os.fsencode(root / "more") + b"/" + "说明.txt".encode("gbk"), "wb") as file:
        file.write(prose(6).encode())
    (root / "elsewhere").mkdir()
    (root / "elsewhere/linked.txt").write_text(prose(7))
    (root / "more/link").symlink_to(root / "elsewhere")
    (root / "more/gone.txt").symlink_to("nowhere")
    os.mkfifo(root / "more/pipe.txt")
    (root / "labels.csv").write_text("path,stance\nnested.zip/deep.tar.gz/21.txt,opinion\nmedia/press.txt,release\n")


MORE = {
    "role": "corpus",
    "local": "more",
    "licence": "CC0-1.0",
    "labels": [{"pattern": "media/**", "authority": "media"}, {"pattern": "**/deep.tar.gz/*", "licence": "MIT"}],
    "label_table": "labels.csv",
}
BARE = {"role": "corpus", "local": "more"}
SOURCES = {"x": {"role": "corpus", "local": "corpus"}, "more": MORE}


def documents(project: Any, artifact: str = "unique_shards") -> dict[str, Document]:
    """Documents of `more` by path and section."""
    folder = project.path / "artifacts/tiny" / artifact
    found = [found for file in sorted(folder.rglob("documents.parquet")) for found in read_documents(file)]
    return {f"{found.path}|{found.section}": found for found in found if found.source == "more"}


def rejected(project: Any, artifact: str) -> dict[str, str]:
    rows = {}
    for file in sorted((project.path / "artifacts/tiny" / artifact).glob("*/rejected.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["path"]] = row["reason"]
    return rows


def ranges_by_shard(project: Any, path: str) -> Counter[str]:
    """Ranges of a raw file in each shard."""
    found: Counter[str] = Counter()
    for file in (project.path / "artifacts/tiny/raw_corpus").glob("*/inventory.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found += Counter({file.parent.name: sum(row["path"] == path for row in rows)})
    return found


def test_every_file_ends_in_documents_with_its_labels_or_in_a_reason(text_project: Any) -> None:
    write_sources(text_project.path)
    text_project.build(sources=SOURCES)
    found = documents(text_project)
    paths = {document.path for document in found.values()}
    assert paths == {
        *(f"nested.zip/deep.tar.gz/{number}.txt" for number in range(20, 25)),
        *(
            "plain.txt",
            "really.pdf",
            "two\nlines.txt",
            "rows.jsonl.gz",
            "lines.jsonl",
            "media/press.txt",
            "说明.txt",
            "link/linked.txt",
        ),
    }
    assert sum(document.path == "rows.jsonl.gz" for document in found.values()) == 20
    assert rejected(text_project, "documents") == {"lines.jsonl": "invalid_json"}
    assert rejected(text_project, "raw_corpus") == {
        "cut.tar.gz": "damaged_archive",
        "gone.txt": "dangling_link",
        "nested.zip/../up.txt": "path_escape",
        "pipe.txt": "not_a_file",
    }
    roots = {"x": "corpus", "more": "more"}
    [traced] = make_trace(text_project.path, "tiny", "more/gone.txt", roots).files
    assert [(fate.stage, fate.outcome, fate.reason, fate.detail) for fate in traced.refused] == [
        ("raw_corpus", "rejected", "dangling_link", "a link that leads to no file")
    ]
    stats = json.loads((text_project.path / "artifacts/tiny/raw_corpus/stats.json").read_text(encoding="utf-8"))
    assert stats["rejected"].items() >= {"dangling_link": 1, "not_a_file": 1}.items()
    labels = {d.path: (d.licence, d.authority, d.stance) for d in found.values()}
    assert labels["nested.zip/deep.tar.gz/21.txt"] == ("MIT", "unlabelled", "opinion")
    assert labels["nested.zip/deep.tar.gz/22.txt"] == ("MIT", "unlabelled", "unlabelled")
    assert labels["media/press.txt"] == ("CC0-1.0", "media", "release")
    assert labels["plain.txt"] == ("CC0-1.0", "unlabelled", "unlabelled")


def test_bytes_do_not_depend_on_shards_folder_order_or_cut(
    text_project: Any, make_text_project: Callable[[Path], Any], tmp_path: Path
) -> None:
    digests = set()
    shards_of_lines = []
    for number, (shards, order, segment_bytes) in enumerate(((1, 1, 2_500_000), (4, -1, 1000), (2, 1, 1000))):
        project = make_text_project(tmp_path / f"folder {number}")
        write_sources(project.path, order)
        project.build(sources=SOURCES, raw_corpus={"shards": shards, "segment_bytes": segment_bytes})
        manifest = read_manifest(project.path / "artifacts/tiny/unique_shards")
        assert manifest is not None
        digests.add(manifest.tree_digest)
        shards_of_lines.append(ranges_by_shard(project, "lines.jsonl"))
        assert sum(document.path == "lines.jsonl" for document in documents(project).values()) == 40
        stats = json.loads((project.path / "artifacts/tiny/documents/stats.json").read_text(encoding="utf-8"))
        assert stats["rejected"] == {"invalid_json": 1}
    assert len(digests) == 1
    # cut into ranges, in several shards each
    assert [sum(ranges.values()) for ranges in shards_of_lines] == [1, 7, 7]
    assert [len(ranges) > 1 for ranges in shards_of_lines] == [False, True, True]


def test_a_short_text_is_read_in_the_set_of_the_others_whatever_the_shards(
    make_text_project: Callable[[Path], Any], tmp_path: Path
) -> None:
    line = "肺炎是由病原微生物等因素引起的肺部炎症。患者常有发热、咳嗽、咳痰，严重者呼吸困难。"
    short = "Temp. is 38.5℃ today"

    def texts(shards: int) -> dict[str, str]:
        project = make_text_project(tmp_path / str(shards))
        (project.path / "more").mkdir()
        (project.path / "more/short.txt").write_text(short, encoding="gb18030")
        (project.path / "more/utf-8.txt").write_text(line, encoding="utf-8")
        for number in range(20):
            (project.path / f"more/{number}.txt").write_text(line[number:], encoding="gb18030")
        project.build("raw_corpus", "documents", sources=SOURCES | {"more": BARE}, raw_corpus={"shards": shards})
        return {found.path: found.text for found in documents(project, "documents").values()}

    found = texts(1)
    assert found == texts(3)
    assert (found["short.txt"], found["utf-8.txt"], found["7.txt"]) == (short, line, line[7:])


def test_a_saved_dataset_and_a_packed_file_at_a_url(
    text_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    datasets.Dataset.from_dict({"text": [prose(n) for n in range(70, 75)]}).save_to_disk(text_project.path / "saved")
    site = tmp_path / "site"
    site.mkdir()
    packed = tarred({"pages/one.txt": prose(80).encode(), "pages/two.bin": b"\0"}, "w:gz")
    (site / "pages.tar.gz").write_bytes(packed)
    with http_server(site) as address:
        fetch = {"url": f"{address}/pages.tar.gz", "sha256": sha256_of(packed)}
        sources = {
            "x": {"role": "corpus", "local": "corpus"},
            "more": {"role": "corpus", "local": "saved"},
            "pages": {"role": "corpus", "fetch": fetch, "include": ["**/*.txt"]},
        }
        text_project.build(sources=sources)
    assert len(documents(text_project)) == 5
    stats = json.loads((text_project.path / "artifacts/tiny/raw_corpus/stats.json").read_text(encoding="utf-8"))
    assert stats["sources"]["pages"].items() >= {"files": 1, "url": fetch["url"], "package": None}.items()
    # what was fetched is kept: the site is gone, and everything is built again
    shutil.rmtree(text_project.path / "artifacts")
    shutil.rmtree(text_project.path / ".domainlm/store/actions", ignore_errors=True)
    text_project.build(sources=sources)
    assert len(documents(text_project)) == 5


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files that were downloaded, instead of a hub."""
    import huggingface_hub
    import pyarrow as pa
    import pyarrow.parquet as pq

    seen: list[str] = []

    def download(repository: str, name: str, revision: str, repo_type: str, local_dir: Path) -> None:
        seen.append(name)
        (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"text": [prose(n) for n in range(90, 96)]}), local_dir / name)

    listed = ["README.md", "data/train.parquet", ".gitattributes"]
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda *_, **__: listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return seen


def test_a_dataset_of_the_hub(text_project: Any, hub: list[str]) -> None:
    source = {"role": "corpus", "hub": {"repository": "o/n", "revision": "a" * 40}, "licence": "CC-BY-4.0"}
    sources = {"x": {"role": "corpus", "local": "corpus"}, "more": source}
    text_project.build(sources=sources)
    found = documents(text_project)
    assert {(document.path, document.licence) for document in found.values()} == {("data/train.parquet", "CC-BY-4.0")}
    assert len(found) == 6
    assert hub == ["data/train.parquet"]
    assert set(text_project.build(sources=sources)) == {"up_to_date"}
    stats = json.loads((text_project.path / "artifacts/tiny/raw_corpus/stats.json").read_text(encoding="utf-8"))
    assert stats["sources"]["more"].items() >= {"repository": "o/n", "revision": "a" * 40, "origin": "hub"}.items()


def test_copied_files_are_kept_by_the_store(text_project: Any) -> None:
    (text_project.path / "more").mkdir()
    for name, data in {"a.txt": prose(1).encode(), "b.zip": zipped({"m.txt": prose(2).encode()})}.items():
        (text_project.path / "more" / name).write_bytes(data)
    copied = {"sources": {**SOURCES, "more": {"role": "corpus", "local": "more", "copy": True}}}
    stamps = text_project.stamps(**copied)
    from domainlm.builder.history import recorded_build
    from domainlm.contract import Resources

    def build(artifact: str) -> None:
        for stamp in stamps:
            if stamp.artifact == artifact:
                recorded_build(text_project.path, stamp, Resources(log=lambda line: None))

    build("raw_corpus")
    shutil.rmtree(text_project.path / "more")
    build("documents")
    assert {document.path for document in documents(text_project, "documents").values()} == {"a.txt", "b.zip/m.txt"}
