"""The tiny domain from raw files to the report, and what a change costs: judged by builds.jsonl and by files."""

from __future__ import annotations

import json
from typing import Any

from domainlm.pipeline.table import STAGES

TRAINED = {"pt_adapter", "merged_model", "sft_adapter"}


def test_everything_was_built_once(built_tree: Any) -> None:
    rows = built_tree.builds()
    assert {row["outcome"] for row in rows} == {"built"}
    stages = [stage for stage in STAGES if stage.name not in ("relevance_model", "instruct_model", "instruct_residual")]
    assert {row["artifact"] for row in rows} == {stage.name for stage in stages}
    assert len({(row["artifact"], row["shard"]) for row in rows}) == len(rows)
    for stage in stages:
        assert (built_tree.artifact(stage.name) / "manifest.json").exists()
        assert (built_tree.path / f"logs/tiny/{stage.name}.log").exists()
        assert (built_tree.path / f"logs/tiny/{stage.name}.benchmark.tsv").exists()
    assert (built_tree.artifact("sft_adapter") / "adapter_model.safetensors").stat().st_size > 0
    assert "<html" in (built_tree.artifact("eval_report") / "report.html").read_text(encoding="utf-8")


def test_store_and_workspace_share_one_copy(built_tree: Any) -> None:
    files = [path for path in built_tree.artifact("").rglob("*") if path.is_file()]
    bulk = [path for path in files if path.name not in ("manifest.json", "action.json")]
    store = built_tree.path / ".dvc/domainlm-store"
    inodes = {path.stat().st_ino for path in (store / "objects").rglob("*") if path.is_file()}
    assert {path.stat().st_ino for path in bulk} == inodes
    assert list((store / "tmp").iterdir()) == []
    assert list((store / "scratch").iterdir()) == []
    assert [path for path in (store / "leases").iterdir() if path.suffix == ".json"] == []


def test_bad_files_are_counted_and_listed(built_tree: Any) -> None:
    rows = []
    for path in sorted(built_tree.artifact("documents").glob("[0-9]*/rejected.jsonl")):
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    listed = {row["path"] for row in rows}
    assert {"binary.txt", "rows.jsonl", "empty.md"} <= listed
    stats = json.loads((built_tree.artifact("documents") / "stats.json").read_text(encoding="utf-8"))
    assert sum(stats["rejected"].values()) == len(rows)


def test_a_second_run_builds_nothing_and_looks_at_no_model(built_tree: Any) -> None:
    # torch that cannot be imported: a no-op must not try
    (built_tree.path / "torch.py").write_text("raise ImportError('torch was imported')\n")
    with built_tree.outcomes() as done:
        assert "Nothing to be done" in built_tree.snakemake()
        assert "Nothing to be done" in built_tree.snakemake("-n")
    assert done == {}


def test_rewording_builds_nothing(built_tree: Any) -> None:
    path = built_tree.path / "domainlm/stages/pt_tokens.py"
    text = path.read_text(encoding="utf-8")
    reworded = f'"""Reworded."""\n# a comment\n\n\n{text.split(chr(34) * 3, 2)[2]}\n\n# more\n'
    path.write_text(reworded, encoding="utf-8")
    built_tree.run("ruff", "format", "--line-length=60", str(path))
    assert path.read_text(encoding="utf-8") not in (text, reworded)
    with built_tree.outcomes() as done:
        assert "Nothing to be done" in built_tree.snakemake()
    assert done == {}


def test_a_changed_knob_rebuilds_what_follows_and_changed_back_restores(built_tree: Any) -> None:
    before = built_tree.digests()
    name = "config/domains/tiny.yaml"
    built_tree.edit(name, "pt_adapter: {learning_rate: 0.02", "pt_adapter: {learning_rate: 1e-2")
    with built_tree.outcomes() as changed:
        built_tree.snakemake("sft_adapter")
    assert changed == {"built": TRAINED}
    after = built_tree.digests()
    assert {artifact for artifact in TRAINED if before[artifact] != after[artifact]} == TRAINED
    record = json.loads((built_tree.artifact("pt_adapter") / "action.json").read_text(encoding="utf-8"))
    assert record["action"]["config"]["section"]["learning_rate"] == 0.01
    built_tree.edit(name, "learning_rate: 1e-2", "learning_rate: 0.02")
    with built_tree.outcomes() as back:
        built_tree.snakemake()
    assert set(back) == {"restored", "up_to_date"}
    assert back["restored"] == TRAINED
    assert built_tree.digests() == before


def test_a_new_raw_file_runs_its_own_shard_and_stops_where_bytes_are_equal(built_tree: Any) -> None:
    before = built_tree.digests()
    count = len(built_tree.builds())
    # of no known format: counted, and no document changes
    (built_tree.path / "data/tiny/corpus/weird.bin").write_bytes(b"\x00\x01")
    built_tree.snakemake("corpus_split")
    built = [(row["artifact"], row["shard"]) for row in built_tree.builds()[count:] if row["outcome"] == "built"]
    after = built_tree.digests()
    assert {name for name in after if after[name] != before[name]} <= {"raw_corpus", "documents", "clean_shards"}
    assert len([shard for artifact, shard in built if artifact == "raw_corpus" and shard]) == 1
    assert len([shard for artifact, shard in built if artifact == "documents" and shard]) == 1
    assert "corpus_split" not in dict(built)


def test_shards_are_a_matter_of_speed_only(built_tree: Any) -> None:
    before = built_tree.digests()
    built_tree.edit("config/domains/tiny.yaml", "segment_bytes: 4000", "segment_bytes: 3000, shards: 3")
    with built_tree.outcomes() as done:
        built_tree.snakemake("corpus_split", cores=2)
    assert len(list(built_tree.artifact("documents").glob("[0-9]*"))) == 3
    assert built_tree.digests()["unique_shards"] == before["unique_shards"]
    assert "corpus_split" not in done["built"]
