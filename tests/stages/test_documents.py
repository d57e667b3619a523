from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from domainlm.config.text import Documents
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.raw.segments import byte_ranges, shard_of
from domainlm.stages import documents
from domainlm.text.document import read_documents

ONTOLOGY = "".join(
    f'[Term]\nid: T:{n}\nname: Term {n}\ndef: "Definition number {n} of the lung." []\n'
    + (f"is_a: T:{n // 3}\n\n" if n else "\n")
    for n in range(60)
).encode()
FILES = {
    ("onto", "hp.obo", "obo", "corpus"): ONTOLOGY,
    ("onto", "none.obo", "obo", "corpus"): b"format-version: 1.2\n",
    ("web", "b.html", "html", "corpus"): "<h1>肺炎</h1><p>肺炎是疾病。</p>".encode(),
    ("web", "a.md", "md", "corpus"): b"# Lung\nIt breathes.\n# Heart\nIt beats.\n",
    ("web", "bad.txt", "txt", "corpus"): b"\x00\x01\x02",
    ("web", "empty.txt", "txt", "corpus"): b"",
    ("chat", "x.jsonl", "jsonl", "instruction"): b'{"messages": [{"role": "user", "content": "Q?"}, '
    b'{"role": "assistant", "content": "A."}]}\n{broken\n',
}
QUIET = Resources(log=lambda line: None)


def rows(shards: int, shard: int) -> list[dict[str, Any]]:
    found = []
    for (source, path, document_format, role), data in FILES.items():
        for start, end in byte_ranges(len(data), document_format, 1000):
            if shard_of(source, path, start, shards) == shard:
                labels = {"source": source, "role": role, "licence": "MIT", "authority": "official", "stance": "x"}
                place = {"path": path, "size": len(data), "start": start, "end": end, "format": document_format}
                found.append({**labels, **place, "sha256": "0", "member": None, "archive": None})
    return found


def opened(row: Mapping[str, Any]) -> BinaryIO:
    return io.BytesIO(
        next(data for (source, path, *_), data in FILES.items() if (source, path) == (row["source"], row["path"]))
    )


def build(folder: Path, shards: int, **options: Any) -> Path:
    config = {"section": Documents(group_depth=1, **options).model_dump(mode="json")}
    folders = {}
    for shard in range(shards):
        inventory, out = folder / f"raw{shard}", folder / f"{shard:04d}"
        inventory.mkdir(parents=True)
        out.mkdir()
        own = sorted(rows(shards, shard), key=lambda row: (row["source"], row["path"], row["start"]))
        lines = [json.dumps(row) + "\n" for row in own]
        (inventory / "inventory.jsonl").write_text("".join(lines), encoding="utf-8")
        documents.run_shard(
            Inputs({"raw_corpus": inventory}, opened),
            parse_slice("documents", config, is_shard=True),
            out,
            folder,
            QUIET,
        )
        folders[f"{shard:04d}"] = out
    gathered = folder / "gathered"
    gathered.mkdir()
    documents.run(Inputs(folders), parse_slice("documents", config), gathered, folder, QUIET)
    return gathered


def test_documents_and_rejections_of_one_shard(tmp_path: Path) -> None:
    stats = json.loads((build(tmp_path, 1) / "stats.json").read_text(encoding="utf-8"))
    found = list(read_documents(tmp_path / "0000" / "documents.parquet"))
    assert [(d.source, d.path) for d in found[:4]] == [("chat", "x.jsonl"), ("onto", "hp.obo")] + [
        ("onto", "hp.obo")
    ] * 2
    assert [d.section for d in found if d.path == "a.md"] == ["Lung", "Heart"]
    assert [d.text for d in found if d.path == "b.html"] == ["肺炎\n\n肺炎是疾病。"]
    assert stats["documents"] == len(found) == 64
    assert stats["files"] == len(FILES)
    assert stats["rejected"] == {"binary": 1, "empty": 1, "invalid_json": 1, "no_document": 1}
    assert stats["rejected_by_source"] == {
        "chat": {"invalid_json": 1}, "onto": {"no_document": 1}, "web": {"binary": 1, "empty": 1}
    }  # fmt: skip
    assert stats["files_by_format"] == {"obo": 2, "html": 1, "md": 1, "txt": 2, "jsonl": 1}
    shown = {"shown": 8, "kept": 8, "removed": 0, "lost": 0}
    assert stats["coverage_by_source"] == {"web": {"files": 1, **shown}}
    coverage = (tmp_path / "0000" / "coverage.jsonl").read_text(encoding="utf-8")
    assert json.loads(coverage) == {"source": "web", "path": "b.html", **shown}
    assert stats["chars"] == sum(len(d.text) for d in found) == sum(stats["chars_by_source"].values())
    lines = (tmp_path / "0000" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(json.loads(line)["path"], json.loads(line)["reason"]) for line in lines] == [
        ("x.jsonl", "invalid_json"),
        ("none.obo", "no_document"),
        ("bad.txt", "binary"),
        ("empty.txt", "empty"),
    ]


def test_the_files_of_which_the_least_was_read() -> None:
    rows = [{"source": "web", "path": f"{kept}.html", "kept": kept, "lost": 100 - kept} for kept in range(100, 0, -1)]
    found = documents.least_read(rows)
    assert [row["path"] for row in found] == [f"{kept}.html" for kept in range(1, documents.SHOWN_LEAST_READ + 1)]
    # what was read whole is not listed
    assert documents.least_read(rows[:1]) == []


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_the_number_of_shards_changes_nothing(tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_in_ranges = b"".join(b'{"text": "Row %d of the lung."}\n' % number for number in range(200))
    monkeypatch.setitem(FILES, ("web", "rows.jsonl", "jsonl", "corpus"), rows_in_ranges)
    one = build(tmp_path / "one", 1)
    many = build(tmp_path / "many", shards)
    for name in ("stats.json", "examples.jsonl", "least_read.jsonl"):
        assert (many / name).read_bytes() == (one / name).read_bytes()
    found = [d for n in range(shards) for d in read_documents(tmp_path / "many" / f"{n:04d}" / "documents.parquet")]
    whole = list(read_documents(tmp_path / "one" / "0000" / "documents.parquet"))
    assert sorted(found, key=lambda d: d.id) == sorted(whole, key=lambda d: d.id)


@pytest.mark.parametrize("shards", [1, 4])
def test_a_file_that_is_cut_is_rejected_where_all_its_ranges_are_silent(
    tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one of line ends only, and one whose record begins in its third range
    record = b'{"text": "The lung breathes."}\n'
    monkeypatch.setitem(FILES, ("web", "blank.jsonl", "jsonl", "corpus"), b"\n" * 3500)
    monkeypatch.setitem(FILES, ("web", "late.jsonl", "jsonl", "corpus"), b"\n" * 2500 + record)
    build(tmp_path, shards)
    rejected = [
        json.loads(line)
        for shard in range(shards)
        for line in (tmp_path / f"{shard:04d}/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    silent = [(row["path"], row["detail"]) for row in rejected if row["reason"] == "no_document"]
    assert sorted(silent) == [
        ("blank.jsonl", "no record was found in 3500 bytes of jsonl"),
        ("none.obo", "no record was found in 20 bytes of obo"),
    ]


def test_an_inventory_is_read_row_by_row_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "raw_corpus/inventory.jsonl"
    path.parent.mkdir()
    keys = [("s", f"{number:05d}", start) for number in range(5000) for start in (0, 1000)]
    lines = [json.dumps({"source": s, "path": p, "start": start, "more": "x" * 500}) + "\n" for s, p, start in keys]
    path.write_text("".join(lines), encoding="utf-8")
    tracemalloc.start()
    assert sum(1 for _ in documents.inventory_of(path)) == len(keys)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000
    path.write_text("".join([*lines[:7], lines[2]]), encoding="utf-8")
    with pytest.raises(StageError, match=r"\('s', '00001', 0\) follows \('s', '00003', 0\); build raw_corpus again"):
        list(documents.inventory_of(path))


def test_nothing_at_all_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "inventory.jsonl").write_text("", encoding="utf-8")
    out = tmp_path / "0000"
    out.mkdir()
    config = {"section": Documents().model_dump(mode="json")}
    documents.run_shard(
        Inputs({"raw_corpus": tmp_path}, opened),
        parse_slice("documents", config, is_shard=True),
        out,
        tmp_path,
        QUIET,
    )
    with pytest.raises(StageError, match=r"sources\.\*\.include"):
        documents.run(Inputs({"0000": out}), parse_slice("documents", config), tmp_path, tmp_path, QUIET)


def test_details_show_no_personal_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ontology = b"[Term]\nid: jane.doe@clinic-of-the-valley.net\n\n"
    monkeypatch.setitem(FILES, ("onto", "people.obo", "obo", "corpus"), ontology)
    build(tmp_path, 1)
    rejected = (tmp_path / "0000/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    [detail] = [row["detail"] for row in map(json.loads, rejected) if row["path"] == "people.obo"]
    assert detail == "[email] has no name"


def refused_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]) -> str:
    """What stops a build whose one source of conversations holds these lines."""
    monkeypatch.setitem(
        FILES,
        ("mine", "x.jsonl", "jsonl", "instruction"),
        b"".join(json.dumps(line).encode() + b"\n" for line in lines),
    )
    with pytest.raises(StageError) as caught:
        build(tmp_path, 2)
    return str(caught.value)


UNKNOWN = {"frage": "Why?", "antwort": "So."}
KNOWN = {"question": "Why?", "answer": "So."}


def test_a_source_of_which_nothing_is_taken_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused_source(tmp_path, monkeypatch, [UNKNOWN] * 3)
    assert "sources.mine (role instruction): of 3 rows and files 0 were taken as conversations" in said
    assert "unknown_form 3" in said
    assert "frage, antwort (3)" in said
    assert all(name in said for name in ("conversations", "counter_argument"))
    assert "sources.mine.messages_from" in said
    assert "sources.chat" not in said
    lines = [json.loads(line) for path in tmp_path.glob("0*/rejected.jsonl") for line in path.read_text().splitlines()]
    assert sum(line["source"] == "mine" and line["reason"] == "unknown_form" for line in lines) == 3


def test_a_source_of_which_too_little_is_taken_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused_source(tmp_path, monkeypatch, [UNKNOWN, UNKNOWN, KNOWN])
    assert "of 3 rows and files 1 were taken as conversations; expected a share of at least 0.5" in said
    assert "documents.min_instruction_share" in said


def test_what_was_taken_is_counted_by_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preference = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    rows_of_mine = [KNOWN, {"instruction": "Why?", "output": "So."}, UNKNOWN, preference, preference, preference]
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows_of_mine)
    monkeypatch.setitem(FILES, ("mine", "x.jsonl", "jsonl", "instruction"), data)
    monkeypatch.setitem(FILES, ("mine", "README.md", "md", "instruction"), b"# Rows\nOf mine.\n")
    monkeypatch.setitem(FILES, ("mine", "state.json", "json", "instruction"), b'{"_data_files": [], "_split": null}')
    stats = json.loads((build(tmp_path, 1) / "stats.json").read_text())
    assert stats["instruction"]["mine"] == {
        "forms": {"question_answer": 1, "alpaca": 1},
        "rejected": {"unknown_form": 1, "preference_row": 3, "no_records": 1, "dataset_metadata": 1},
        "keys": {"frage, antwort": 1, "prompt, chosen, rejected": 3, "_data_files, _split": 1},
    }
    assert stats["instruction"]["chat"]["forms"] == {"messages": 1}


def test_a_source_of_preference_rows_alone_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused_source(tmp_path, monkeypatch, [{"prompt": "Why?", "chosen": "So.", "rejected": "No."}])
    assert "preference_row 1" in said


def test_a_group_field_that_no_record_has_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"text": f"Row {number} of the lung.", "patient": number} for number in range(3)]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    monkeypatch.setitem(FILES, ("web", "rows.jsonl", "jsonl", "corpus"), data)
    monkeypatch.setitem(FILES, ("web", "rows.csv", "csv", "corpus"), b"text,visit\nIt breathes.,7\n")
    with pytest.raises(StageError) as caught:
        build(tmp_path / "misspelt", 2, group_field="pateint")
    said = str(caught.value)
    assert "documents.group_field is 'pateint', and no record of any source has a value of it" in said
    assert "sources.chat: messages (1); sources.web: text, patient (3) | text, visit (1)." in said
    # one source that has it is enough, and what is counted for this check alone is in no artifact
    gathered = build(tmp_path / "right", 2, group_field="patient")
    assert "groups" not in json.loads((gathered / "stats.json").read_text())
    found = [d for n in range(2) for d in read_documents(tmp_path / "right" / f"{n:04d}" / "documents.parquet")]
    assert {d.group for d in found if d.path == "rows.jsonl"} == {f"patient={number}" for number in range(3)}


def test_a_group_field_stops_no_build_without_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FILES, ("chat", "x.jsonl", "jsonl", "instruction"))
    assert (build(tmp_path, 1, group_field="patient") / "stats.json").exists()
