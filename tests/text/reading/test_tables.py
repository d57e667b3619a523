from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.readers import read_pieces, reader_process
from domainlm.text.reading.tables import read_records

ROWS = [{"title": f"t{n}", "text": f"text {n} 肺炎", "year": 2000 + n} for n in range(1, 1301)]


def read(data: bytes, document_format: str, start: int = 0, end: int | None = None, **labels: Any) -> list[Any]:
    row = {"format": document_format, "start": start, "end": len(data) if end is None else end, "size": len(data)}
    row |= {"role": labels.pop("role", "corpus"), "path": "a", "charset": labels.pop("charset", None)}
    return list(read_records(row, io.BytesIO(data), Documents(**labels)))


def row_of(data: bytes, document_format: str) -> dict[str, Any]:
    return {"format": document_format, "start": 0, "end": len(data), "size": len(data), "role": "corpus", "path": "a"}


def read_isolated(data: bytes, document_format: str, **labels: Any) -> list[Any]:
    """As a build reads it."""
    config = Documents(**labels)
    with reader_process(config) as process:
        return list(read_pieces(row_of(data, document_format), io.BytesIO(data), config, process))


def texts(found: list[Any]) -> list[str]:
    return [each.text if isinstance(each, Piece) else each.reason for each in found]


def parquet(rows: list[dict[str, Any]], group: int = 500) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=group)
    return file.getvalue()


def arrow(rows: list[dict[str, Any]], is_file: bool) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pylist(rows)
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) if is_file else pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    return file.getvalue()


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_csv_with_quotes_line_ends_and_offsets(mark: str) -> None:
    data = f'\ufefftitle{mark}text\r\nA{mark}"one{mark}\n""two"""\r\n\r\nB{mark}three\r\n'.encode()
    first, second = read(data, "csv")
    assert (first.title, first.text) == ("A", f'A\n\none{mark}\n"two"')
    assert (second.text, second.section, second.group) == ("B\n\nthree", "row 000000003", "a#B")
    assert data[first.start : first.end].decode() == f'A{mark}"one{mark}\n""two"""\r\n'
    assert data[second.start : second.end] == f"B{mark}three\r\n".encode()


def test_tsv_keeps_commas() -> None:
    assert texts(read(b"text\tn\na, b, c\t1\n", "tsv")) == ["a, b, c"]


def test_a_bad_row_is_one_rejection() -> None:
    data = b"title,text\nA,one\nB,\nC,two,extra\nD,\x98\x81\xff\nE\nF,three\n" + b"G,a\rb\n" + b"H,four\n"
    found = read(data, "csv")
    assert texts(found) == [
        "A\n\none",
        "no_text",
        "invalid_record",
        "undecodable",
        "no_text",
        "F\n\nthree",
        "invalid_record",
        "H\n\nfour",
    ]


def test_an_open_quote_costs_a_field_not_the_file() -> None:
    lines = [b"title,text", b'A,"open', *[b"B,%d" % n + b"x" * 90 for n in range(20)], b"C,last"]
    found = read(b"\n".join(lines) + b"\n", "csv", max_file_bytes=500)
    assert [each.reason for each in found if isinstance(each, Rejection)] == ["too_large"]
    assert texts(found)[-1] == "C\n\nlast"
    assert len(found) == 16


def test_a_table_without_the_field_is_one_rejection() -> None:
    (rejection,) = read(b"a,b\n1,2\n3,4\n", "csv")
    assert (rejection.reason, "'text'" in rejection.detail, "a, b" in rejection.detail) == ("no_text_field", True, True)
    for document_format, data in (("parquet", parquet([{"a": 1}])), ("arrow", arrow([{"a": 1}], False))):
        assert [each.reason for each in read(data, document_format)] == ["no_text_field"]


@pytest.mark.parametrize("charset", ["utf-16", "gb18030", "big5"])
def test_csv_in_other_sets(charset: str) -> None:
    text = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有發熱、咳嗽等症狀，需要及時治療。"
    text = text if charset != "gb18030" else text.replace("發熱", "发热").replace("狀", "状").replace("時", "时")
    text = (
        text
        if charset != "big5"
        else "肺炎是由病原微生物等因素引起的肺部炎症，患者常有發熱、咳嗽等症狀，需要及時治療。"
    )
    data = ("title,text\n" + f"短,{text}\n" * 30).encode(charset)
    found = read(data, "csv")
    assert {(each.title, each.text) for each in found} == {("短", f"短\n\n{text}")}
    assert (found[0].start >= 0) == (charset != "utf-16")


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
    assert texts(found) == ["Why?\n\nSo.", "no_messages"]


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


def test_a_heading_that_is_no_csv_found_by_fuzzing() -> None:
    assert [each.reason for each in read(b"title\rtext\rA\r", "csv")] == ["malformed"]


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
