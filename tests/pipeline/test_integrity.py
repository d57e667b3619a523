"""Damage in the store: found, put aside, and healed by the plain command, without building what is sound."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from domainlm.store.manifest import read_manifest


def flip(path: Path, is_time_kept: bool) -> None:
    """Change one byte in place, through the link: the store's object is the same inode."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    if is_time_kept:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def a_shard_file(tree: Any) -> Path:
    """The largest file of the first shard of documents that has one."""
    found = [path for path in tree.artifact("documents").glob("0*/*.parquet") if path.stat().st_size]
    return max(found, key=lambda path: path.stat().st_size)


def verify(tree: Any, *arguments: str, expect: int = 0) -> Any:
    done = tree.run("python", "-m", "domainlm", "verify", "--domain", "tiny", "--json", *arguments, expect=expect)
    return json.loads(done[done.index("{") :])


def test_damage_is_healed_by_the_plain_command_and_nothing_below_is_built(built_tree: Any) -> None:
    before = built_tree.digests()
    shown = {
        "documents": a_shard_file(built_tree),
        "base_model": built_tree.artifact("base_model") / "model.safetensors",
    }
    hidden = built_tree.artifact("pt_adapter") / "adapter_model.safetensors"
    flip(hidden, is_time_kept=True)
    # the time says nothing, so a build sees nothing
    assert "Nothing to be done" in built_tree.snakemake("pt_adapter")
    report = verify(built_tree, expect=1)
    assert [row["installed"] for row in report["damaged"]] == [[str(hidden)]]
    assert [name.split()[0] for row in report["damaged"] for name in row["named_by"]] == ["pt_adapter"]
    for path in shown.values():
        flip(path, is_time_kept=False)
    # a look changes nothing: the damage is still seen afterwards
    built_tree.snakemake("--dry-run", "--quiet")
    with built_tree.outcomes() as done:
        built_tree.snakemake("pt_adapter")
    assert done["built"] == {"pt_adapter", *shown}
    assert set(done) <= {"built", "restored", "up_to_date"}
    assert built_tree.digests() == before
    assert len({digest for row in built_tree.builds() for digest in row.get("quarantined", [])}) == len(shown)
    assert len(list((built_tree.path / ".dvc/domainlm-store/quarantine").iterdir())) == 1 + len(shown)
    assert verify(built_tree)["is_sound"]


def test_what_verify_finds_in_a_shard_is_healed_upstream_of_an_up_to_date_target(built_tree: Any) -> None:
    before = built_tree.digests()
    flip(a_shard_file(built_tree), is_time_kept=True)
    assert len(verify(built_tree, "documents", expect=1)["damaged"]) == 1
    with built_tree.outcomes() as done:
        built_tree.snakemake("unique_shards")
    assert done["built"] == {"documents"}
    assert [row["shard"] is not None for row in built_tree.builds() if row["outcome"] == "built"][-1]
    assert done["up_to_date"] >= {"clean_shards", "unique_shards"}
    assert built_tree.digests() == before
    with built_tree.outcomes() as done:
        assert "Nothing to be done" in built_tree.snakemake()
    assert done == {}


def test_every_object_damaged_at_once_is_found(built_tree: Any) -> None:
    objects = [path for path in (built_tree.path / ".dvc/domainlm-store/objects").glob("*/*") if path.stat().st_size]
    for path in objects:
        flip(path, is_time_kept=True)
    report = verify(built_tree, expect=1)
    assert {row["sha256"] for row in report["damaged"]} == {path.parent.name + path.name for path in objects}
    assert all(row["installed"] and row["named_by"] and not row["unknown"] for row in report["damaged"])
    assert report["wrong_records"] == []


def test_only_what_the_target_needs_is_healed(built_tree: Any) -> None:
    adapter = built_tree.artifact("pt_adapter") / "adapter_model.safetensors"
    flip(adapter, is_time_kept=False)
    with built_tree.outcomes() as done:
        built_tree.snakemake("documents")
    assert done == {}


def test_the_files_of_one_artifact(built_tree: Any) -> None:
    folder = built_tree.artifact("corpus_split")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert verify(built_tree, "corpus_split")["files"] == len(manifest.entries)
    # a copy, as where links are not allowed: the store is not damaged with it
    path = folder / "train.parquet"
    data = path.read_bytes()
    moment = path.stat().st_mtime_ns
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(moment, moment))
    flip(path, is_time_kept=True)
    (folder / "test.parquet").unlink()
    report = verify(built_tree, "corpus_split", expect=1)
    assert {row["name"]: row["reason"][:9] for row in report["damaged"]} == {
        "train.parquet": "has sha25",
        "test.parquet": "is missin",
    }
    assert verify(built_tree)["is_sound"]
    with built_tree.outcomes() as done:
        built_tree.snakemake("corpus_split")
    assert done == {"restored": {"corpus_split"}}
    assert path.read_bytes() == data


def test_dvc_s_entry_is_taken_away_and_put_back_by_repro(built_tree: Any) -> None:
    stage = "domains/tiny/dvc.yaml:sft_dataset"
    built_tree.run("dvc", "repro", "--quiet", "--single-item", stage)
    path = built_tree.artifact("sft_dataset") / "train.jsonl"
    sound = path.read_bytes()

    def cached() -> list[Path]:
        entries = (built_tree.path / ".dvc/cache/files/md5").rglob("*")
        return [entry for entry in entries if entry.is_file() and os.path.samefile(entry, path)]

    (entry,) = cached()
    flip(path, is_time_kept=True)
    (damaged,) = verify(built_tree, expect=1)["damaged"]
    assert damaged["dvc_cache"] == [str(entry)]
    assert not entry.exists()
    with built_tree.outcomes() as done:
        built_tree.snakemake("sft_dataset")
    assert done["built"] == {"sft_dataset"}
    assert path.read_bytes() == sound
    # what dvc says now, and what the message says that one should do
    assert "not in cache" in built_tree.run("dvc", "status", stage)
    with built_tree.outcomes() as done:
        built_tree.run("dvc", "repro", "--quiet", "--single-item", stage)
    assert "built" not in done
    assert cached() == [entry]
    assert entry.read_bytes() == sound
