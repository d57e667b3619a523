"""Show 1 of issue 4: a folder of everything that goes wrong; every file ends in a document or a reason, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from material.torture import write_torture

DOMAIN = """\
extends: tiny
sources:
  tiny_corpus: null
  torture: {role: corpus, local: data/torture, licence: CC0-1.0}
raw_corpus: {segment_bytes: 2500000}
documents: {max_seconds: 20.0}
"""


def outcomes(artifacts: Path) -> dict[str, set[str]]:
    """What became of each path: `text`, and reasons."""
    import pyarrow.parquet as pq

    found: dict[str, set[str]] = {}
    for file in sorted(artifacts.glob("*/*/documents.parquet")):
        if file.parent.parent.name == "documents":
            table = pq.read_table(file, columns=["source", "path"]).to_pylist()
            for path in (row["path"] for row in table if row["source"] == "torture"):
                found.setdefault(path, set()).add("text")
    for name in ("raw_corpus", "documents"):
        for file in sorted(artifacts.glob(f"{name}/*/rejected.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row["source"] == "torture":
                    found.setdefault(row["path"], set()).add(row["reason"])
    return found


def test_every_file_ends_in_a_document_or_a_reason(fresh_tree: Any) -> None:
    (fresh_tree.path / "config/domains/torture.yaml").write_text(DOMAIN, encoding="utf-8")
    expected = write_torture(fresh_tree.path / "data/torture")
    assert len(expected) >= 120
    fresh_tree.snakemake("documents", config=("domain=torture",))
    found = outcomes(fresh_tree.path / "artifacts/torture")
    # what is in an archive is listed below it
    reasons = {
        path: {reason for name, each in found.items() if name == path or name.startswith(f"{path}/") for reason in each}
        for path in expected
    }
    lost = sorted(path for path in expected if not reasons[path])
    unexpected = {path: sorted(reasons[path]) for path in expected if not reasons[path] <= set(expected[path].split())}
    assert (lost, unexpected) == ([], {})
    stats = json.loads((fresh_tree.path / "artifacts/torture/documents/stats.json").read_text(encoding="utf-8"))
    assert sum(stats["rejected"].values()) >= 60
