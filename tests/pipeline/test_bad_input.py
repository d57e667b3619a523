"""What is wrong is said before any build: which file, which key, which value, and what would be right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

NAME = "config/domains/tiny.yaml"


def unknown_key(tree: Any) -> None:
    tree.edit(NAME, "pt_adapter: {learning_rate:", "pt_adapter: {learnin_rate:")


def unknown_section(tree: Any) -> None:
    tree.edit(NAME, "pt_tokens:", "pt_token:")


def wrong_value(tree: Any) -> None:
    tree.edit(NAME, "sequence_length: 64", "sequence_length: short")


def missing_source(tree: Any) -> None:
    shutil.rmtree(tree.path / "data/tiny/corpus")


def no_file_matches(tree: Any) -> None:
    tree.edit(NAME, "local: data/tiny/corpus,", "local: data/tiny/corpus, include: ['*.pdf'],")


def no_corpus(tree: Any) -> None:
    tree.edit(NAME, "role: corpus", "role: replay")
    tree.edit(NAME, "sources:\n", "sources:\n  hpo: null\n")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (unknown_key, [NAME, "'pt_adapter.learnin_rate'", "did you mean 'learning_rate'?"]),
        (unknown_section, [NAME, "'pt_token'", "did you mean 'pt_tokens'?"]),
        (wrong_value, [NAME, "pt_tokens.sequence_length", "integer", "'short'"]),
        (missing_source, ["sources.tiny_corpus.local", "data/tiny/corpus does not exist"]),
        (no_file_matches, ["sources.tiny_corpus.local", "no file below data/tiny/corpus", "*.pdf"]),
        (no_corpus, ["domain tiny", "none has role corpus"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_configuration_builds_nothing(fresh_tree: Any, change: Callable[[Any], None], parts: list[str]) -> None:
    change(fresh_tree)
    said = fresh_tree.snakemake(expect=1)
    assert [part for part in parts if part not in said] == [], said
    assert fresh_tree.builds() == []
    assert not (fresh_tree.path / "artifacts").exists()


def test_an_unknown_domain_names_the_nearest(fresh_tree: Any) -> None:
    said = fresh_tree.run("snakemake", "--cores", "1", "--config", "domain=tny", expect=1)
    assert "no domain 'tny'" in said
    assert "did you mean 'tiny'?" in said


def test_a_corpus_that_cleaning_empties_is_an_error(built_tree: Any) -> None:
    said = built_tree.snakemake("clean_shards", config=["clean_shards={min_chars: 100000}"], expect=1)
    assert "clean_shards.min_chars" in said
    assert built_tree.builds()[-1]["outcome"] == "failed"
    assert "100000" in (built_tree.path / "logs/tiny/clean_shards.log").read_text(encoding="utf-8")


def test_a_document_without_a_verdict_stops_the_build(built_tree: Any) -> None:
    rules = "[{where: {role: [replay, evaluation, instruction]}, use: [pt, sft, evaluation]}]"
    said = built_tree.snakemake("clean_shards", config=[f"policy={rules}"], expect=1)
    assert "no rule of `policy` decides" in said
    assert "source 'tiny_corpus', role 'corpus', licence 'CC0-1.0'" in said
    assert built_tree.builds()[-1]["outcome"] == "failed"


def test_a_corpus_too_small_to_split_is_an_error(built_tree: Any) -> None:
    said = built_tree.snakemake("corpus_split", config=["corpus_split={min_documents: 5000}"], expect=1)
    assert "corpus_split.min_documents" in said
    assert "5000" in said


def test_a_file_that_changes_while_the_build_runs_is_named(fresh_tree: Any) -> None:
    # after the stamps are written, before the file is read
    fresh_tree.run("python", "-c", "from domainlm.workflow.prepare import prepare; prepare({'domain': 'tiny'})")
    (fresh_tree.path / "data/tiny/corpus/page0.md").write_text("changed")
    command = ["python", "-m", "domainlm", "build", "raw_corpus", "--domain", "tiny", "--shard"]
    said = [fresh_tree.path / "logs" / shard for shard in ("0000", "0001")]
    codes = []
    for path in said:
        try:
            fresh_tree.run(*command, path.name, "--log", str(path))
            codes.append(0)
        except AssertionError:
            codes.append(3)
    assert sorted(codes) == [0, 3]
    text = said[codes.index(3)].read_text(encoding="utf-8")
    assert "source tiny_corpus: page0.md has sha256" in text
    assert "run snakemake again" in text
