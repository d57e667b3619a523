"""A domain with seeds, from files to what is kept: the relevance model is built and judges the corpus."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SEEDS = {"relevance_model": {"min_documents": 4, "feature_bits": 10}, "clean_shards": {"min_chars": 10}}
SOURCES = {
    "good": {"role": "seed", "local": "seeds", "licence": "CC0-1.0"},
    "other": {"role": "replay", "local": "general", "licence": "CC0-1.0"},
}
COMMON = ["and", "of", "with", "many", "years"]
OWN = {"seeds": "fever cough lesion dose ward rash", "general": "king river battle painter opera harvest"}


def write_texts(folder: Path, kind: str, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        source = random.Random(f"{kind}{folder.name}{number}")
        text = " ".join(source.choices(OWN[kind].split(), k=12) + source.choices(COMMON, k=6))
        (folder / f"{kind}{number}.txt").write_text(f"{text}.\n", encoding="utf-8")


def test_what_is_unlike_the_seeds_is_not_in_the_corpus(text_project: Any) -> None:
    root: Path = text_project.path
    write_texts(root / "seeds", "seeds", 12)
    write_texts(root / "general", "general", 12)
    for file in (root / "corpus").iterdir():
        file.unlink()
    write_texts(root / "corpus", "seeds", 5)
    write_texts(root / "corpus", "general", 5)
    overrides = {**SEEDS, "sources": SOURCES}
    stages = ("raw_corpus", "documents", "clean_shards", "relevance_model", "unique_shards")
    assert set(text_project.build(*stages, **overrides)) == {"built"}
    folder = root / "artifacts/tiny/unique_shards"
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(row["path"] for row in rejected) == [f"general{number}.txt" for number in range(5)]
    assert {row["reason"] for row in rejected} == {"min_relevance"}
    model = json.loads((root / "artifacts/tiny/relevance_model/stats.json").read_text(encoding="utf-8"))
    assert model["held_out"]["precision"] == model["held_out"]["recall"] == 1.0
    # a new threshold trains again and judges again
    stricter = {**overrides, "relevance_model": {**SEEDS["relevance_model"], "threshold": 0.999}}
    outcomes = text_project.build("relevance_model", "unique_shards", **stricter)
    assert outcomes == ["built", "built"]
