from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainlm.config import CleanShards
from domainlm.stage import Inputs, Resources, StageError
from domainlm.stages import clean_shards
from domainlm.text.document import Document, read_documents, write_documents

QUIET = Resources(log=lambda line: None)
CONFIG = {"section": CleanShards().model_dump(mode="json")}
PROSE = "The lung is an organ of the chest;\u00a0it takes up oxygen from the air.  \r\n\r\n\r\nIt has lobes."


def document(number: int, text: str, role: str = "corpus", source: str = "s") -> Document:
    return Document(str(number), source, role, "p", f"s{number}", number, 1, "g", "[]", "", text, "{}", "", "", "")


def build(folder: Path, documents: list[Document]) -> Path:
    upstream, out = folder / "documents", folder / "0000"
    upstream.mkdir(parents=True)
    out.mkdir()
    write_documents(upstream / "documents.parquet", documents)
    (upstream / "stats.json").write_text(json.dumps({"documents": len(documents)}), encoding="utf-8")
    clean_shards.run_shard(Inputs({"documents": upstream}), CONFIG, out, folder, QUIET)
    return out


def test_normalised_kept_and_rejected(tmp_path: Path) -> None:
    out = build(
        tmp_path,
        [
            document(1, PROSE),
            document(2, "short"),
            document(3, "Yes.", "instruction", "i"),
            document(4, "肺炎。", "evaluation"),
        ],
    )
    found = list(read_documents(out / "documents.parquet"))
    assert [d.id for d in found] == ["1", "3", "4"]
    assert found[0].text == "The lung is an organ of the chest; it takes up oxygen from the air.\n\nIt has lobes."
    assert json.loads((out / "rejected.jsonl").read_text(encoding="utf-8")) == {
        "id": "2", "source": "s", "path": "p", "section": "s2", "reason": "min_chars", "value": 5, "threshold": 40
    }  # fmt: skip
    assert json.loads((out / "stats.json").read_text(encoding="utf-8")) == {
        "input": 4,
        "documents": 3,
        "rejected": {"min_chars": 1},
        "input_by_source": {"s": 3, "i": 1},
        "documents_by_source": {"s": 2, "i": 1},
        "documents_by_role": {"corpus": 1, "instruction": 1, "evaluation": 1},
        "chars_by_source": {"s": len(found[0].text) + 3, "i": 4},
    }


def test_shards_are_summed(tmp_path: Path) -> None:
    folders = {f"{n:04d}": build(tmp_path / str(n), [document(1, PROSE), document(2, "x" * n)]) for n in range(2)}
    out = tmp_path / "gathered"
    out.mkdir()
    clean_shards.run(Inputs(folders), CONFIG, out, tmp_path, QUIET)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["input"], stats["documents"], stats["rejected"]) == (4, 2, {"empty": 1, "min_chars": 1})


def test_an_empty_corpus_stops_the_build(tmp_path: Path) -> None:
    folder = build(tmp_path, [document(1, "short"), document(2, "Yes.", "instruction")])
    with pytest.raises(StageError, match=r"clean_shards\.min_chars \(now 40\)"):
        clean_shards.run(Inputs({"0000": folder}), CONFIG, tmp_path, tmp_path, QUIET)
