"""Equal inputs give equal bytes, whatever the folder, the cores, the locale, the time zone and the hash seed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any


def test_two_trees_agree_on_every_artifact(built_tree: Any, make_tree: Callable[[str], Any]) -> None:
    other = make_tree("another folder, 另一个")
    # listing order and times of the raw files differ too
    for path in sorted((other.path / "data/tiny/corpus").iterdir(), reverse=True):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    locales = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    locale = next((name for name in locales if not name.startswith(("C", "POSIX", "en"))), "POSIX")
    environment = {"LC_ALL": locale, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4321", "COLUMNS": "40"}
    other.snakemake("sft_adapter", cores=max(2, os.cpu_count() or 2), **environment)
    assert {row["outcome"] for row in other.builds()} == {"built"}
    found, expected = other.digests(), built_tree.digests()
    assert {"unique_shards", "corpus_split", "pt_tokens", "merged_model", "sft_adapter"} <= set(found)
    assert [name for name in found if found[name] != expected[name]] == []
    shards = sorted(p.relative_to(other.path) for p in other.path.glob("artifacts/tiny/*/[0-9]*/manifest.json"))
    assert shards
    assert [path for path in shards if (other.path / path).read_text() != (built_tree.path / path).read_text()] == []
