from __future__ import annotations

from typing import Any

from domainlm.explain.former import Former, read_builds
from domainlm.store.local import Store
from domainlm.store.manifest import read_manifest

OTHER = {"unique_shards": {"threshold": 0.7}}


def former(project: Any) -> Former:
    return Former(project.path, Store(project.path / ".dvc/domainlm-store"))


def digest(project: Any, artifact: str = "unique_shards") -> str:
    manifest = read_manifest(project.path / "artifacts/tiny" / artifact)
    assert manifest is not None
    return manifest.tree_digest


def test_what_is_installed(built_text_project: Any) -> None:
    found = former(built_text_project).find("tiny", "unique_shards", None, None)
    assert found.action is not None
    assert found.action["config"]["section"]["threshold"] == 0.8
    assert former(built_text_project).find("tiny", "corpus_split", None, None).action is None


def test_what_was_installed_before(built_text_project: Any) -> None:
    shard = "documents/0000"
    old = digest(built_text_project, shard)
    path = built_text_project.path / "corpus"
    for file in path.iterdir():
        file.write_text(file.read_text() + "more words that were not there before.\n")
    built_text_project.build()
    assert digest(built_text_project, shard) != old
    found = former(built_text_project).find("tiny", "documents", "0000", old)
    assert found.manifest is not None
    assert found.manifest.tree_digest == old
    assert found.action is not None
    assert found.action["artifact"] == "documents_shard"


def test_without_builds_jsonl_only_the_files_are_known(built_text_project: Any) -> None:
    old = digest(built_text_project)
    (built_text_project.path / ".domainlm/builds.jsonl").unlink()
    (built_text_project.path / "artifacts/tiny/unique_shards/manifest.json").unlink()
    found = former(built_text_project).find("tiny", "unique_shards", None, old)
    assert found.action is None
    assert found.manifest is not None
    assert [entry.path for entry in found.manifest.entries]
    assert former(built_text_project).find("tiny", "unique_shards", None, "0" * 64).manifest is None


def test_the_build_before_is_the_last_one_of_another_key(built_text_project: Any) -> None:
    project = built_text_project
    key = former(project).find("tiny", "unique_shards", None, None).record["key"]
    assert former(project).before("tiny", "unique_shards", None, key) is None
    project.build(**OTHER)
    project.build(**OTHER)
    found = former(project)
    other = found.find("tiny", "unique_shards", None, None).record["key"]
    assert other != key
    before = found.before("tiny", "unique_shards", None, other)
    assert before is not None
    assert before["config"]["section"]["threshold"] == 0.8


def test_a_torn_line_is_left_out(built_text_project: Any) -> None:
    path = built_text_project.path / ".domainlm/builds.jsonl"
    rows = read_builds(built_text_project.path)
    path.write_text(path.read_text() + '{"artifact": "docu')
    assert read_builds(built_text_project.path) == rows
    assert rows[0]["artifact"] == "raw_corpus"
    path.unlink()
    assert read_builds(built_text_project.path) == []
