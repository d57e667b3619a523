from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from material.record_files import arrow, parquet, read, row_of, texts

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.readers import read_pieces, reader_process
from domainlm.text.reading.tables import _row_groups, read_records

ROWS = [{"title": f"t{n}", "text": f"text {n} 肺炎", "year": 2000 + n} for n in range(1, 1301)]


def read_isolated(data: bytes, document_format: str, **labels: Any) -> list[Any]:
    """As a build reads it."""
    config = Documents(**labels)
    with reader_process(config) as process:
        return list(read_pieces(row_of(data, document_format), io.BytesIO(data), config, process))


def test_fields_within_objects_and_fields_that_are_kept() -> None:
    record = {"article": {"body": "the text"}, "a.b": "dotted", "id": 7, "tags": ["x", None], "score": float("nan")}
    labels = {"text_field": "article.body", "title_field": "a.b", "meta_fields": ["id", "tags", "score", "none", "x.y"]}
    for document_format, data in (
        ("json", json.dumps([record]).encode()),
        ("jsonl", json.dumps(record).encode()),
        ("parquet", parquet([record])),
    ):
        (piece,) = read(data, document_format, **labels)
        assert piece.text == "dotted\n\nthe text"
        assert json.loads(piece.meta) == {"id": 7, "tags": ["x", None], "score": "nan"}


def test_values_of_databases_become_words() -> None:
    data = parquet([{"text": "the text", "day": datetime.date(2024, 5, 6), "raw": b"ab"}])
    (piece,) = read(data, "parquet", meta_fields=["day", "raw"])
    assert json.loads(piece.meta) == {"day": "2024-05-06", "raw": "b'ab'"}


def test_parquet_is_cut_at_row_groups_whatever_the_ranges() -> None:
    data = parquet(ROWS)
    whole = read(data, "parquet")
    assert [each.text for each in whole] == [f"{row['title']}\n\n{row['text']}" for row in ROWS]
    assert [each.section for each in whole] == sorted(each.section for each in whole)
    for count in (2, 3, 7):
        cuts = [len(data) * index // count for index in range(count + 1)]
        parts = [read(data, "parquet", start, end) for start, end in itertools.pairwise(cuts)]
        assert [each for part in parts for each in part] == whole


def ranges_of(data: bytes, document_format: str, count: int, **labels: Any) -> list[list[Any]]:
    cuts = [len(data) * index // count for index in range(count + 1)]
    return [read(data, document_format, start, end, **labels) for start, end in itertools.pairwise(cuts)]


def test_row_groups_that_lie_out_of_order_are_read_in_order_by_the_first_range() -> None:
    # no writer at hand makes such a file; the footer may say so
    def table(*places: int) -> Any:
        columns = [SimpleNamespace(dictionary_page_offset=None, data_page_offset=place) for place in places]
        groups = [SimpleNamespace(num_rows=10, column=[column].__getitem__) for column in columns]
        return SimpleNamespace(num_row_groups=len(groups), metadata=SimpleNamespace(row_group=groups.__getitem__))

    def indices(found: Any) -> list[list[int]]:
        return [[index for index, _ in _row_groups(found, start, start + 100, 300)] for start in (0, 100, 200)]

    assert indices(table(4, 90, 250)) == [[0, 1], [], [2]]
    assert indices(table(250, 4, 90)) == [[0, 1, 2], [], []]
    assert [rows for _, rows in _row_groups(table(90, 4), 0, 100, 300)] == [range(1, 11), range(11, 21)]


def test_faults_of_a_later_range_are_its_own() -> None:
    lines = [b'{"text": "line %d"}' % n for n in range(30)]
    for index, bad in ((12, b"{"), (17, b"[1]"), (22, b"\x98\x81\xff"), (27, b'{"text": 1}'), (29, b'{"text": "cut')):
        lines[index] = bad
    data = b"\n".join(lines)
    first, *later = ranges_of(data, "jsonl", 3)
    assert {each.reason for each in first if isinstance(each, Rejection)} == set()
    reasons = [each.reason for found in later for each in found if isinstance(each, Rejection)]
    assert reasons == ["invalid_json", "invalid_record", "undecodable", "no_text", "invalid_json"]
    assert [*first, *itertools.chain(*later)] == read(data, "jsonl")


def test_row_groups_of_a_later_range_are_rejected_there() -> None:
    import pyarrow.parquet as pq

    data = bytearray(parquet(ROWS[:600], 100))
    group = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(4)
    place = group.column(1).dictionary_page_offset
    data[place : place + group.column(1).total_compressed_size] = bytes(group.column(1).total_compressed_size)
    found = ranges_of(bytes(data), "parquet", 3)
    (rejection,) = [each for part in found for each in part if isinstance(each, Rejection)]
    assert rejection in found[2] or rejection in found[1]
    assert rejection.detail.startswith("row group 4 from row 401 on")
    assert sum(isinstance(each, Piece) for part in found for each in part) == 500


def test_no_row_group_is_lost_by_a_damaged_footer() -> None:
    """Found by flipping each bit of a footer: a column without values was read as no rows, with no word about it."""
    import pyarrow.parquet as pq

    data = parquet(ROWS[:40], 10)
    # 16 = a number of 64 bits follows, here twice the count of 10 values and twice the column's size, 7 bits a byte
    size = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(2).column(1).total_uncompressed_size * 2
    at = data.rindex(bytes((0x16, 20, 0x16, size & 127 | 128, size >> 7)))
    bad = data[: at + 1] + b"\x00" + data[at + 2 :]
    for count in (1, 3):
        rejections = [each for part in ranges_of(bad, "parquet", count) for each in part if isinstance(each, Rejection)]
        assert len(rejections) == 1


@pytest.mark.parametrize("is_file", [True, False])
def test_arrow_files_and_streams(is_file: bool) -> None:
    found = read(arrow(ROWS, is_file), "arrow")
    assert [each.text for each in found] == [f"{row['title']}\n\n{row['text']}" for row in ROWS]


def test_what_datasets_saves_is_read(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_list(ROWS[:5]).save_to_disk(str(tmp_path / "set"))
    (file,) = (tmp_path / "set").glob("*.arrow")
    assert len(read(file.read_bytes(), "arrow")) == 5


def test_conversations_in_columns() -> None:
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    found = read(parquet([{"messages": messages}, {"messages": None}]), "parquet", role="instruction")
    assert texts(found) == ["Why?\n\nSo.", "empty_turn"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "arrow", "json", "jsonl"])
def test_instruction_data_is_read_from_every_format_of_rows(kind: str) -> None:
    asked: list[dict[str, Any]] = [
        {"question": "Why?", "answer": "So.\n\n    code"},
        {"question": "Who?", "answer": None},
    ]
    cells = [[row["question"], row["answer"] or ""] for row in asked]
    mark = "\t" if kind == "tsv" else ","
    rows = [mark.join(["question", "answer"]), *(mark.join([a, f'"{b}"']) for a, b in cells)]
    data = {
        "csv": "\n".join(rows).encode(),
        "tsv": "\n".join(rows).encode(),
        "parquet": parquet(asked),
        "arrow": arrow(asked, True),
        "json": json.dumps({"data": asked}).encode(),
        "jsonl": "\n".join(json.dumps(row) for row in asked).encode(),
    }[kind]
    found = read(data, kind, role="instruction")
    assert texts(found) == ["Why?\n\nSo.\n\n    code", "no_answer"]
    assert json.loads(found[0].meta)["messages_form"] == "question_answer"  # type: ignore[union-attr]
    assert found[1].keys == "question, answer"  # type: ignore[union-attr]


def test_own_columns_of_a_table_are_mapped() -> None:
    mapping = {"user": "frage", "assistant": "antwort"}
    row = {
        "format": "csv",
        "start": 0,
        "end": 99,
        "size": 99,
        "role": "instruction",
        "path": "a.csv",
        "messages_from": mapping,
    }
    found = list(read_records(row, io.BytesIO(b"frage;antwort\nWhy?;So.\n"), Documents()))  # type: ignore[arg-type]
    assert texts(found) == ["Why?\n\nSo."]


def test_json_is_an_array_an_object_or_lines() -> None:
    assert texts(read(b'[{"text": "a"}, 3, {"text": "b"}]', "json")) == ["a", "invalid_record", "b"]
    assert texts(read(b'\xef\xbb\xbf{"text": "a"}', "json")) == ["a"]
    assert texts(read(b'{"text": "a"}\n{"text": "b"}\n{"te', "json")) == ["a", "b", "invalid_json"]
    assert texts(read('[{"text": "肺炎"}]'.encode("utf-16"), "json")) == ["肺炎"]


@pytest.mark.parametrize(
    ("data", "document_format", "reason"),
    [
        (b"{", "json", "invalid_json"),
        (b"[" * 100_000, "json", "invalid_json"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "json", "invalid_json"),
        (b'{"text": "' + b"x" * 2000 + b'"}', "json", "too_large"),
        (b"text", "parquet", "malformed"),
        (parquet(ROWS)[:-9], "parquet", "malformed"),
        (arrow(ROWS, False)[:500], "arrow", "malformed"),
        (b"text", "arrow", "malformed"),
        (b"\x00\x01\x02\x03,\n", "csv", "no_text_field"),
        ('{"text": "肺炎"}\n'.encode("utf-16") * 100, "jsonl", "too_large"),
    ],
)
def test_a_bad_file_is_said_once(data: bytes, document_format: str, reason: str) -> None:
    found = read(data, document_format, max_file_bytes=1000 if reason == "too_large" else 64_000_000)
    assert [each.reason for each in found] == [reason]
    assert read(data, document_format, start=1, max_file_bytes=1000) == [] or document_format not in (
        "jsonl",
        "parquet",
    )


@pytest.mark.parametrize(("is_endless", "reason"), [(False, "crashed"), (True, "time_limit")])
def test_a_library_that_dies_or_never_ends_costs_one_file(
    monkeypatch: pytest.MonkeyPatch, is_endless: bool, reason: str
) -> None:
    # found by fuzzing: pyarrow 26 aborts the process at some broken metadata (std::terminate on a ParquetException)
    def broken(*_: Any) -> None:
        while is_endless:
            pass
        os.kill(os.getpid(), signal.SIGABRT)

    good = read_isolated(parquet(ROWS[:2]), "parquet")
    monkeypatch.setattr("domainlm.text.reading.tables._opened_parquet", broken)
    assert texts(read_isolated(parquet(ROWS[:2]), "parquet", max_seconds=0.5)) == [reason]
    assert texts(good) == [f"{row['title']}\n\n{row['text']}" for row in ROWS[:2]]


def test_rows_that_are_large_only_in_memory_stay_within_the_limit() -> None:
    config = Documents(max_memory_mb=200)
    # what this process has freed when the other begins is that one's to use
    with reader_process(config) as process:
        row = {"text": "word " * 200_000}
        for data, document_format, count in (
            (parquet([row] * 400, 400), "parquet", 400),
            (arrow([row] * 10, True), "arrow", 10),
        ):
            found = list(read_pieces(row_of(data, document_format), io.BytesIO(data), config, process))
            assert {each.reason for each in found if isinstance(each, Rejection)} == set()
            assert len({each.section for each in found if isinstance(each, Piece)}) == count


def test_a_large_file_is_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(ROWS))
    row = {"format": "parquet", "start": 0, "end": 10**9, "size": path.stat().st_size, "role": "corpus", "path": "a"}
    with path.open("rb") as file:
        file.read(10)
        found = list(read_records(row, file, Documents(max_file_bytes=100)))
    assert len(found) == len(ROWS)


def test_binary_columns_hold_text_or_say_that_they_do_not() -> None:
    found = read(parquet([{"text": "für alle".encode()}, {"text": b"\x00\x01\x02\xff" * 9}, {"text": b""}]), "parquet")
    assert texts(found) == ["für alle", "no_text", "no_text"]
    assert "field 'text' is binary, and no text" in found[1].detail
    (listed,) = read(parquet([{"text": ["a", "b"]}]), "parquet")
    assert "but a list" in listed.detail
