from __future__ import annotations

import io
import json
import shutil
from typing import Any

import pytest
from rich.console import Console

from domainlm.builder.hollow import mark_hollow
from domainlm.contract import StageError
from domainlm.explain.lineage import Lineage, make_lineage, render
from domainlm.pipeline.table import BY_NAME
from domainlm.store.install import install_hollow, read_record
from domainlm.store.manifest import read_manifest


def lineage(project: Any, artifact: str = "unique_shards") -> Lineage:
    return make_lineage(project.path, "tiny", artifact)


def printed(found: Lineage) -> str:
    stream = io.StringIO()
    Console(width=400, file=stream).print(render(found))
    return stream.getvalue()


def test_not_built_is_named_with_the_fix(text_project: Any) -> None:
    with pytest.raises(StageError, match=r"documents of tiny is not built here.*snakemake --cores all documents"):
        lineage(text_project, "documents")


def test_everything_down_to_the_raw_files(built_text_project: Any) -> None:
    found = lineage(built_text_project)
    assert list(found.made) == ["raw_corpus", "documents", "clean_shards", "unique_shards"]
    assert [found.made[name].inputs for name in found.made] == [(), ("raw_corpus",), ("documents",), ("clean_shards",)]
    made = found.made["unique_shards"]
    assert made.config["section"]["threshold"] == 0.8
    assert set(made.distributions) == set(BY_NAME["unique_shards"].distributions)
    assert made.built["python"]
    assert made.code_files is not None
    assert made.code_files > 3
    assert list(found.made["documents"].shards) == ["0000", "0001"]
    [source] = found.sources
    assert (source.name, source.artifact, source.where) == ("x", "raw_corpus", "corpus")
    assert source.facts.items() >= {"licence": "CC0-1.0", "authority": "unlabelled", "stance": "unlabelled"}.items()
    assert [row["path"] for row in source.files] == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert all(len(row["sha256"]) == 64 and row["size"] for row in source.files)


def test_a_tree_in_the_terminal(built_text_project: Any) -> None:
    text = printed(lineage(built_text_project))
    for part in (
        "unique_shards of tiny",
        "corpus x: corpus",
        "licence CC0-1.0; authority unlabelled; stance unlabelled",
        "and 1 more files",
        "datasketch",
        "Python 3.",
    ):
        assert part in text


def test_json_is_complete(built_text_project: Any) -> None:
    found = json.loads(json.dumps(lineage(built_text_project).as_json()))
    assert set(found) == {"domain", "artifact", "artifacts", "sources"}
    assert found["artifacts"]["documents"]["config"]["section"]["min_charset_score"] == 0.5
    assert found["artifacts"]["unique_shards"]["inputs"] == ["clean_shards"]
    assert len(found["sources"][0]["files"]) == 4


def test_the_past_is_told_not_the_present(built_text_project: Any) -> None:
    before = lineage(built_text_project)
    path = built_text_project.path / "corpus/0.txt"
    path.write_text(path.read_text() + "more words that were not there before.\n")
    # everything upstream is another version by now; what is asked about is as it was
    built_text_project.build("raw_corpus", "documents", "clean_shards")
    after = lineage(built_text_project)
    assert after.sources[0].files == before.sources[0].files
    assert after.made["clean_shards"].tree_digest == before.made["clean_shards"].tree_digest
    built_text_project.build()
    assert lineage(built_text_project).sources[0].files != before.sources[0].files


def test_a_record_that_is_gone_is_said(built_text_project: Any) -> None:
    path = built_text_project.path / "corpus/0.txt"
    path.write_text(path.read_text() + "more words that were not there before.\n")
    built_text_project.build("raw_corpus", "documents", "clean_shards")
    (built_text_project.path / ".domainlm/builds.jsonl").unlink()
    found = lineage(built_text_project)
    assert list(found.made) == ["clean_shards", "unique_shards"]
    assert "the record of this version is not kept here" in printed(found)


def test_a_hollow_inventory_says_so_and_how_to_fill_it(built_text_project: Any) -> None:
    for shard in ("0000", "0001"):
        name = f"artifacts/tiny/raw_corpus/{shard}"
        manifest, record = read_manifest(built_text_project.path / name), read_record(built_text_project.path / name)
        assert manifest is not None
        assert record is not None
        shutil.rmtree(built_text_project.path / name)
        install_hollow(built_text_project.path / name, manifest, record)
        mark_hollow(built_text_project.path, name, record["key"])
    shutil.rmtree(built_text_project.path / ".dvc/domainlm-store/objects")
    found = lineage(built_text_project)
    assert found.made["raw_corpus"].is_hollow
    text = printed(found)
    assert "the inventory of shard 0000 is hollow" in text
    assert "snakemake --cores all raw_corpus --config domain=tiny" in text
    # local files stand in the action's own record
    assert len(found.sources[0].files) == 4
