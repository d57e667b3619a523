from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from domainlm.explain.why import Why, make_why, render

DOCUMENTS = {"documents": {"min_charset_score": 0.6}}
THRESHOLD = {"unique_shards": {"threshold": 0.7}}


def why(project: Any, artifact: str = "unique_shards", **overrides: Any) -> Why:
    return make_why(project.path, "tiny", project.stamps(**overrides), artifact)


def printed(found: Why) -> str:
    stream = io.StringIO()
    Console(width=400, file=stream).print(render(found))
    return stream.getvalue()


def causes(found: Why, artifact: str) -> list[tuple[str, str, str]]:
    return [(d.kind, d.name, d.change) for d in found.differences[artifact]]


def edit_corpus(project: Any) -> None:
    path = project.path / "corpus/0.txt"
    path.write_text(path.read_text() + "more words that were not there before.\n")


def test_not_built_yet(text_project: Any) -> None:
    found = why(text_project)
    assert (found.state, found.unless, found.builds) == ("build", (), ())
    assert causes(found, "unique_shards") == [("new", "unique_shards", "added")]
    assert "unique_shards would be built" in printed(found)
    assert "because not built here yet" in printed(found)


def test_nothing_differs_and_nothing_was_before(built_text_project: Any) -> None:
    found = why(built_text_project)
    assert (found.state, found.compared_with, found.differences) == ("up_to_date", "nothing", {"unique_shards": []})
    assert [row["outcome"] for row in found.builds] == ["built"]
    text = printed(found)
    assert "unique_shards is up to date: no difference" in text
    assert "built: not built here yet" in text


def test_an_own_knob(built_text_project: Any) -> None:
    found = why(built_text_project, **THRESHOLD)
    [difference] = found.differences["unique_shards"]
    assert (difference.name, difference.old, difference.new) == ("unique_shards.threshold", 0.8, 0.7)
    assert (found.state, found.compared_with) == ("build", "installed")
    assert "because config unique_shards.threshold 0.8 → 0.7" in printed(found)


def test_a_cause_upstream_before_anything_runs(built_text_project: Any) -> None:
    found = why(built_text_project, **DOCUMENTS)
    assert found.unless == ("documents",)
    assert causes(found, "unique_shards") == [("input", "clean_shards", "pending")]
    assert causes(found, "clean_shards") == [("input", "documents", "pending")]
    assert causes(found, "documents") == [("config", "documents.min_charset_score", "changed")]
    text = printed(found)
    assert "unique_shards would be built, unless documents comes out the same" in text
    assert "because documents changes: because config documents.min_charset_score 0.5 → 0.6 [2 shards]" in text
    assert "through clean_shards" in text


def test_a_cause_upstream_that_ran_already(built_text_project: Any) -> None:
    edit_corpus(built_text_project)
    built_text_project.build("raw_corpus", "documents", "clean_shards")
    found = why(built_text_project)
    assert (found.state, found.unless) == ("build", ())
    [own] = found.differences["unique_shards"]
    assert (own.kind, own.name, own.change) == ("input", "clean_shards", "changed")
    # the files of the former tree are known although nothing of it is installed any more
    [shard] = {name.split("/")[0] for _, name in own.parts if "/" in name}
    assert ("changed", f"{shard}/documents.parquet") in own.parts
    assert causes(found, "raw_corpus") == [("raw_file", "x/0.txt", "changed")]
    assert "because raw_corpus changes: because raw file x/0.txt changed (" in printed(found)


def test_afterwards_the_last_build_is_compared_with_the_one_before(built_text_project: Any) -> None:
    edit_corpus(built_text_project)
    built_text_project.build(**THRESHOLD)
    found = why(built_text_project, **THRESHOLD)
    assert (found.state, found.compared_with) == ("up_to_date", "build before")
    kinds = {(kind, name) for kind, name, _ in causes(found, "unique_shards")}
    assert kinds == {("config", "unique_shards.threshold"), ("input", "clean_shards")}
    assert causes(found, "raw_corpus") == [("raw_file", "x/0.txt", "changed")]
    text = printed(found)
    assert "differences from the previous build" in text
    assert "because config unique_shards.threshold 0.8 → 0.7" in text


@pytest.mark.parametrize("change", ["added", "removed", "changed", "relabelled"])
def test_raw_files(built_text_project: Any, change: str) -> None:
    corpus = built_text_project.path / "corpus"
    overrides: dict[str, Any] = {}
    if change == "added":
        (corpus / "new.txt").write_text("a new file\n")
    elif change == "removed":
        (corpus / "1.txt").unlink()
    elif change == "changed":
        edit_corpus(built_text_project)
    else:
        overrides = {"sources": {"x": {"licence": "MIT"}}}
    found = why(built_text_project, "raw_corpus", **overrides)
    expected = {
        "added": ("raw_file", "x/new.txt", "added"),
        "removed": ("raw_file", "x/1.txt", "removed"),
        "changed": ("raw_file", "x/0.txt", "changed"),
        "relabelled": ("source", "sources.x.licence", "relabelled"),
    }[change]
    assert causes(found, "raw_corpus") == [expected]
    if change == "relabelled":
        assert "because sources.x.licence CC0-1.0 → MIT (4 files: x/0.txt relabelled" in printed(found)


def test_another_number_of_shards_changes_no_file(built_text_project: Any) -> None:
    for count in (1, 3):
        found = why(built_text_project, "raw_corpus", raw_corpus={"shards": count})
        assert ("config", "raw_corpus.shards", "changed") in causes(found, "raw_corpus")
        assert not [d for d in found.differences["raw_corpus"] if d.kind == "raw_file"]


def test_a_version(built_text_project: Any) -> None:
    path = built_text_project.path / "envs/cpu.lock"
    text = path.read_text()
    version = text.split("datasketch==")[1].split()[0]
    path.write_text(text.replace(f"datasketch=={version}", "datasketch==99.0"))
    [difference] = why(built_text_project).differences["unique_shards"]
    assert (difference.kind, difference.name, difference.old, difference.new) == (
        "distribution",
        "datasketch",
        version,
        "99.0",
    )


def test_an_upstream_whose_former_record_is_gone(built_text_project: Any) -> None:
    edit_corpus(built_text_project)
    built_text_project.build("raw_corpus", "documents", "clean_shards")
    (built_text_project.path / ".domainlm/builds.jsonl").unlink()
    found = why(built_text_project)
    assert causes(found, "clean_shards") == [("unknown", "clean_shards", "added")]
    assert "because the former record of clean_shards is not kept here" in printed(found)


def test_missing_files(built_text_project: Any) -> None:
    (built_text_project.path / "artifacts/tiny/unique_shards/documents.parquet").unlink()
    found = why(built_text_project)
    assert (found.state, causes(found, "unique_shards")) == ("restore", [("files", "unique_shards", "changed")])
    assert "would be restored from the store" in printed(found)


def test_json_has_the_way_down_and_no_bare_digest(built_text_project: Any) -> None:
    found = json.loads(json.dumps(why(built_text_project, **DOCUMENTS).as_json()))
    assert found["differences"][0]["name"] == "clean_shards"
    assert found["upstream"]["documents"][0].items() >= {"kind": "config", "old": 0.5, "new": 0.6}.items()
    assert found["builds"][0]["outcome"] == "built"
