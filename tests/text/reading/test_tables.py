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

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.readers import read_pieces, reader_process
from domainlm.text.reading.tables import _row_groups, read_records

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


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.count += len(line)
        return line


def rows_with(row: bytes, at: int, mark: bytes = b'"') -> bytes:
    """Ten rows, one of them this one."""
    rows = [row if n == at else b"T%d,%stext %d%s\n" % (n, mark, n, mark) for n in range(1, 11)]
    return b"title,text\n" + b"".join(rows)


@pytest.mark.parametrize(
    "row",
    [
        b'T3,"open\n',
        b'T3,"open\r\n',
        b'"T3,open\n',
        b'T3,"open ""quoted"" on\n',
        b'T3,"quotes "within" one,"open\n',
    ],
)
@pytest.mark.parametrize("mark", [b'"', b""])
def test_a_quote_that_is_not_closed_costs_its_row_alone(row: bytes, mark: bytes) -> None:
    data = rows_with(row, 3, mark)
    found = read(data, "csv")
    (rejection,) = [each for each in found if isinstance(each, Rejection)]
    said = "row 3, line 4: a quoted field that does not end; the lines after it are read as separate rows"
    assert (rejection.reason, rejection.detail) == ("unclosed_quote", said)
    others = [n for n in range(1, 11) if n != 3]
    good = [each for each in found if isinstance(each, Piece)]
    assert [each.text for each in good] == [f"T{n}\n\ntext {n}" for n in others]
    assert [each.section for each in good] == [f"row {n:09d}" for n in others]
    assert [data[each.start : each.end] for each in good] == [b"T%d,%stext %d%s\n" % (n, mark, n, mark) for n in others]


def test_the_last_row_may_be_cut_within_quotes() -> None:
    found = read(rows_with(b'T10,"cut of', 10), "csv")
    assert len(found) == 10
    assert (found[-1].reason, found[-1].detail[:15]) == ("unclosed_quote", "row 10, line 11")


def test_long_cells_stay_whole() -> None:
    cell = "\n".join(f'line {n}, ""quoted"", "",""' for n in range(3000))
    for last in ("\n", ""):
        (piece,) = read(f'text\n"{cell}"{last}'.encode(), "csv", max_section_chars=10**6)
        assert piece.text == cell.replace('""', '"')


def test_a_quoted_field_goes_as_far_as_a_file_that_is_read_whole() -> None:
    lines = [b"title,text", b'A,"open', *[b"B,%d" % n + b"x" * 90 for n in range(20)], b"C,last"]
    found = read(b"\n".join(lines) + b"\n", "csv", max_file_bytes=500)
    assert [each.reason for each in found if isinstance(each, Rejection)] == ["unclosed_quote"]
    assert len(found) == 22
    assert texts(read(b"\n".join([*lines[:5], b'"']), "csv", max_file_bytes=500))[0].startswith("A\n\nopen\nB,0x")


@pytest.mark.parametrize(
    "row",
    [
        b'A,"open\n',
        b'A,"open ""on\n',
        b'A,a 3" pipe,"\n',
        b'A,"x"y"\n',
        b'"\n',
        b'a","b\n',
        b'A,"open\n' + b"no quote\n" * 30,
        b'A,"",x\n' * 30 + b'A,"open\n',
    ],
)
def test_stray_quotes_in_every_line_are_read_in_linear_time(row: bytes) -> None:
    data = b"a,b,c,text\n" + row * 500
    file = Counted(data)
    assert list(read_records(row_of(data, "csv"), file, Documents()))
    # where it begins, once to guess the character set; all of it, and as much again; one byte for each place gone back to
    assert file.count < 65_536 + 2.2 * len(data)


def test_lines_that_are_not_read_again_are_named() -> None:
    # each record ends at the next line's quote, and begins another field there
    found = read(b"title,text\n" + b'a","b\n' * 100, "csv")
    assert [each.reason for each in found] == ["unclosed_quote"] * 2
    said = "a quoted field that does not end; the lines after it are read as separate rows"
    assert found[0].detail == f"row 1, line 2: {said}"
    assert found[1].detail == "row 2, line 3: a quoted field that does not end; lines up to 101 are lost with it"


def test_a_table_without_the_field_is_one_rejection() -> None:
    (rejection,) = read(b"a,b\n1,2\n3,4\n", "csv")
    assert (rejection.reason, "'text'" in rejection.detail, "a, b" in rejection.detail) == ("no_text_field", True, True)
    for document_format, data in (("parquet", parquet([{"a": 1}])), ("arrow", arrow([{"a": 1}], False))):
        assert [each.reason for each in read(data, document_format)] == ["no_text_field"]


@pytest.mark.parametrize("heading", ["id,user_name,createdAt,v1.2,first-seen", "编号,姓名,größe", ",label"])
def test_names_of_columns_are_shown(heading: str) -> None:
    (rejection,) = read(f"{heading}\n".encode(), "csv")
    assert rejection.detail.endswith(f" among: {heading.replace(',', ', ')}")


@pytest.mark.parametrize(
    "value", ["Jane Smith", "jane@smith", "13800138000", "x13800138000", "+49", "中关村大街1号，北京", "42", "x" * 50]
)
def test_a_row_that_may_be_a_person_s_is_not_shown_as_the_heading(value: str) -> None:
    for place in (f"Smith,{value}", f"{value},Smith", ",".join(["Smith"] * 30 + [value])):
        (rejection,) = read(f"{place}\n".encode(), "csv")
        assert rejection.reason == "no_text_field"
        assert f"among {place.count(',') + 1}, which are not shown" in rejection.detail
        assert value not in rejection.detail.replace("'text'", "")
        assert "Smith" not in rejection.detail


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


def test_a_heading_that_is_no_csv_found_by_fuzzing() -> None:
    assert [each.reason for each in read(b"title\rtext\nA\n", "csv")] == ["malformed"]


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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"sep=;\r\nid;text\r\n1;one, two\r\n", ["one, two"]),
        (b'\xef\xbb\xbf"sep=|"\nid|text\n1|one\n', ["one"]),
        (b"sep=\t\nid\ttext\n1\tone\n", ["one"]),
        (b"\xef\xbb\xbf\r\n \r\nid,text\r\n1,one\r\n", ["one"]),
        (b'"Record\nnumber",text,"By; whom; and; when"\n1,one,A\n2,"two\nlines",B\n', ["one", "two\nlines"]),
        (b'"a;b;c;d",text\n1,one\n', ["one"]),
        (b"id,text\n1,one,\n2,two,,\n", ["one", "two"]),
        (b"id,text,\n1,one,\n", ["one"]),
        (b"text,id,text\none,1,\n,2,two\nthree,3,four\n", ["one", "two", "three"]),
        (
            rb"id,text" + b"\n" + rb'1,"He said \"no\", and left"' + b"\n" + rb'2,"so \"it\""' + b"\n3,three\n",
            ['He said "no", and left', 'so "it"', "three"],
        ),
        # sound rows of RFC 4180, whose cells end in a backslash and a quote before a line end
        (b'id,text\n1,"say \\""\nnext line of the cell"\n2,other\n', ['say \\"\nnext line of the cell', "other"]),
        (b'id,text\n1,"say \\""\nnext, line"\n2,other\n', ['say \\"\nnext, line', "other"]),
        (b'id,text\n1,"say \\""\n' + b"a, b\n" * 30 + b'c"\n2,two\n', ['say \\"\n' + "a, b\n" * 30 + "c", "two"]),
        (b'id,text\n1,"so \\""\n2,"two"\n3,"it \\""\n', ['so "', "two", 'it "']),
        (b'id,text\n1,"so \\""\n2,"a\nb"\n3,three\n', ['so "', "a\nb", "three"]),
        (b'id,size",text\n1,5",first\n2,6",second\n', ["first", "second"]),
        (b'id,size",text\n1,5,first\n2,"6",second\n', ["first", "second"]),
        (b'sep=:\nid:"by\nwhom":text\n1:x:first\n', ["first"]),
        (b'id;12" pipe;text\n1;5;first\n', ["first"]),
        (b'id,"by\n5"" or 6""",text\n1,x,first\n', ["first"]),
        (b'id,text\n1,"C:\\folder\\"\n2,two\n', ["C:\\folder\\", "two"]),
        (b"id,text\r1,one\r2,two\r", ["one", "two"]),
        ('"id","text"\r\n"1","one"\r\n"2","zwei für"\r\n'.encode("utf-16-le"), ["one", "zwei für"]),
        ("id,text\n1,one\n".encode("utf-16-be"), ["one"]),
    ],
)
def test_headings_and_rows_as_programs_write_them(data: bytes, expected: list[str]) -> None:
    assert texts(read(data, "csv")) == expected


def test_a_heading_whose_quote_does_not_end_is_its_first_line() -> None:
    found = read(b'id,text,"a\n1,one\n2,two\n' + b"3,three\n" * 30, "csv")
    assert texts(found)[:2] == ["one", "two"]


def test_binary_columns_hold_text_or_say_that_they_do_not() -> None:
    found = read(parquet([{"text": "für alle".encode()}, {"text": b"\x00\x01\x02\xff" * 9}, {"text": b""}]), "parquet")
    assert texts(found) == ["für alle", "no_text", "no_text"]
    assert "field 'text' is binary, and no text" in found[1].detail
    (listed,) = read(parquet([{"text": ["a", "b"]}]), "parquet")
    assert "but a list" in listed.detail
