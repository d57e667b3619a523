from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from domainlm.config import UniqueShards
from domainlm.stage import Inputs, Resources, StageError
from domainlm.stages import unique_shards
from domainlm.text.document import Document, read_documents, write_documents

QUIET = Resources(log=lambda line: None)
CONFIG = {"section": UniqueShards().model_dump(mode="json")}


def words(prefix: str, count: int = 60) -> str:
    return " ".join(f"{prefix}{number}" for number in range(count))


def document(identifier: str, text: str, role: str = "corpus") -> Document:
    return Document(identifier, role, role, "p", identifier, 0, 1, "g", "[]", "", text, "{}", "", "", "")


DOCUMENTS = [
    document("c1", words("a")),
    document("c2", words("a")),
    document("c3", words("a") + " more"),
    document("c4", words("b")),
    document("c5", words("question", 30) + " and little else"),
    document("e1", words("question", 40), "evaluation"),
    document("e2", words("question", 41), "evaluation"),
    document("e3", words("question", 40), "evaluation"),
    document("i1", words("a"), "instruction"),
    document("i2", words("a") + " more", "instruction"),
    document("i3", words("question", 39), "instruction"),
    document("r1", words("a"), "replay"),
]


def build(folder: Path, shards: int, documents: list[Document] | None = None) -> Path:
    upstream, out = folder / "clean_shards", folder / "out"
    out.mkdir(parents=True)
    found = DOCUMENTS if documents is None else documents
    for shard in range(shards):
        (upstream / f"{shard:04d}").mkdir(parents=True)
        write_documents(upstream / f"{shard:04d}" / "documents.parquet", found[shard::shards])
    roles = Counter(d.role for d in found)
    (upstream / "stats.json").write_text(
        json.dumps({"documents": len(found), "documents_by_role": roles}), encoding="utf-8"
    )
    unique_shards.run(Inputs({"clean_shards": upstream}), CONFIG, out, folder, QUIET)
    return out


def test_what_is_kept_by_role(tmp_path: Path) -> None:
    out = build(tmp_path, 1)
    assert [d.id for d in read_documents(out / "documents.parquet")] == ["c1", "c4", "e1", "e2", "i1", "i2", "r1"]
    lines = [json.loads(line) for line in (out / "duplicates.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["duplicate_of"], row["kind"]) for row in lines] == [
        ("c2", "c1", "exact"),
        ("c3", "c1", "near"),
        ("c5", "e1", "evaluation"),
        ("e3", "e1", "exact"),
        ("i3", "e1", "evaluation"),
    ]
    assert all(row["similarity"] >= 0.5 for row in lines)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["input"], stats["documents"]) == (12, 7)
    assert (stats["exact_duplicates"], stats["near_duplicates"], stats["evaluation_overlaps"]) == (2, 1, 2)
    assert stats["by_source"]["replay"] == {
        "input": 1, "documents": 1, "exact_duplicates": 0, "near_duplicates": 0, "evaluation_overlaps": 0
    }  # fmt: skip


@pytest.mark.parametrize("shards", [2, 5])
def test_bytes_do_not_depend_on_the_number_of_shards(tmp_path: Path, shards: int) -> None:
    one, many = build(tmp_path / "one", 1), build(tmp_path / "many", shards)
    for file in one.iterdir():
        assert (many / file.name).read_bytes() == file.read_bytes()


def test_nothing_left_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="evaluation_threshold"):
        build(tmp_path, 1, [])
