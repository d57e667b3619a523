from __future__ import annotations

import codecs
import ctypes
import errno
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.text import Documents
from domainlm.contract import StageError
from domainlm.text.document import Document, write_documents
from domainlm.text.reading import readers
from domainlm.text.reading.pieces import Piece, Rejection, Section
from domainlm.text.reading.readers import document_of, read_documents_of, reader_process

CHINESE = "# 肺炎\n\n肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽。\n\n# 治疗\n\n治疗以抗感染为主。\n"


def row_of(data: bytes, document_format: str | None, **labels: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "source": "s",
        "role": "corpus",
        "path": "folder/a",
        "licence": "MIT",
        "authority": "official",
        "stance": "x",
    }
    return row | {"size": len(data), "start": 0, "end": len(data), "format": document_format, **labels}


def read(data: bytes, document_format: str | None, **labels: Any) -> list[Document | Rejection]:
    return list(read_documents_of(row_of(data, document_format, **labels), io.BytesIO(data), Documents()))


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_sections_with_their_place_in_bytes(charset: str) -> None:
    data = CHINESE.encode(charset)
    found = [d for d in read(data, "md") if isinstance(d, Document)]
    assert [(d.section, d.text) for d in found] == [
        ("肺炎", "肺炎\n\n肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽。"),
        ("治疗", "治疗\n\n治疗以抗感染为主。"),
    ]
    encoding = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(charset, charset)
    assert data[found[1].start : found[1].end].decode(encoding) == "# 治疗\n\n治疗以抗感染为主。\n"
    assert {(d.group, d.links, d.licence, d.authority, d.path) for d in found} == {
        ("folder/a", "[]", "MIT", "official", "folder/a")
    }
    assert json.loads(found[0].meta).get("charset", "utf-8") == encoding


@pytest.mark.parametrize(
    ("data", "document_format", "reason"),
    [
        (b"", "txt", "empty"),
        (b" \n", "md", "empty"),
        (b"", "jsonl", "empty"),
        (b"\x00\x01\x02\x03PK", "txt", "binary"),
        (codecs.BOM_UTF8 + b"\xff", "txt", "undecodable"),
        (b"text", None, "unknown_format"),
        (b"# Only a heading", "md", "no_text"),
        (b"<html></html>", "html", "no_text"),
        (b"x" * 100, "txt", "too_large"),
        (b"[Term]\nid: T:1\nname: Lung\n", "obo", "too_large"),
    ],
)
def test_a_bad_file_is_one_rejection(data: bytes, document_format: str | None, reason: str) -> None:
    size = 10**9 if reason == "too_large" else len(data)
    found = read(data, document_format, size=size)
    assert [f.reason for f in found if isinstance(f, Rejection)] == [reason]
    assert len(found) == 1


def test_identity_is_stable_and_unique() -> None:
    text = "# A\nfirst\n# A\nsecond\n"
    found = [d for d in read(text.encode(), "md") if isinstance(d, Document)]
    assert len({d.id for d in found}) == 2
    assert [d.id for d in read(("intro\n" + text).encode(), "md") if isinstance(d, Document)][1:] == [
        d.id for d in found
    ]
    assert read(text.encode(), "md", source="other")[0] != found[0]
    assert len(found[0].id) == 24


def test_a_parser_that_crashes_or_hangs_costs_its_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(data: bytes) -> list[Section]:
        if data == b"crash":
            ctypes.string_at(0)
        while data == b"hang":
            pass
        return [Section((), "", data.decode(), 0, -1)]

    monkeypatch.setitem(readers.BYTE_READERS, "pdf", parse)
    config = Documents(max_seconds=0.2)
    found = []
    with reader_process(config) as process:
        for data in (b"first", b"crash", b"second", b"hang", b"third"):
            row = row_of(data, "pdf")
            (each,) = read_documents_of(row, io.BytesIO(data), config, process)
            found.append(each.text if isinstance(each, Document) else each.reason)
    assert found == ["first", "crashed", "second", "time_limit", "third"]


@pytest.mark.parametrize("is_isolated", [False, True])
def test_what_a_reader_raises_costs_its_file_only(is_isolated: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = io.BytesIO()
    column = pa.array(["one"])
    pq.write_table(pa.Table.from_arrays([column, column], ["text", "text"]), table)
    dump = b'<?xml version="1.0" encoding="gbk"?>\n<mediawiki></mediawiki>'
    config = Documents()
    found = []
    with reader_process(config) as process:
        for data, document_format in ((table.getvalue(), "parquet"), (dump, "mediawiki"), (b"good", "txt")):
            row = row_of(data, document_format)
            (each,) = read_documents_of(row, io.BytesIO(data), config, process if is_isolated else None)
            found.append(each.text if isinstance(each, Document) else (each.reason, each.detail))
    assert found == [("crashed", "KeyError in the reader"), ("crashed", "ValueError in the reader"), "good"]


def test_faults_of_the_machine_and_other_bytes_than_listed_stop_the_build() -> None:
    for error in (OSError(errno.EIO, "Input/output error"), StageError("not what the inventory lists")):

        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, fault: Exception = error) -> bytes:
                raise fault

        with pytest.raises(type(error)), reader_process(Documents()) as process:
            list(read_documents_of(row_of(b"text", "txt"), Broken(b"text"), Documents(), process))


def test_bad_records_are_not_held() -> None:
    data = b"title,text\n" + b"1,\n" * 10_000
    found = read_documents_of(row_of(data, "csv"), io.BytesIO(data), Documents())
    tracemalloc.start()
    assert sum(1 for _ in found) == 10_000
    assert tracemalloc.get_traced_memory()[1] < 1_500_000
    tracemalloc.stop()


def test_an_article_that_hangs_costs_itself_not_the_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    def prose_of(markup: str) -> str:
        while markup == "hang":
            pass
        return markup

    monkeypatch.setattr("domainlm.text.reading.mediawiki.prose_of", prose_of)
    pages = [f"<page><title>{text}</title><text>{text}</text></page>" for text in ("first", "hang", "last")]
    data = f"<mediawiki>{''.join(pages)}</mediawiki>".encode()
    config = Documents(max_seconds=0.3)
    with reader_process(config) as process:
        found = list(read_documents_of(row_of(data, "mediawiki"), io.BytesIO(data), config, process))
    assert [each.section if isinstance(each, Document) else each.reason for each in found] == [
        "first",
        "time_limit",
        "last",
    ]


def hang(*_: object) -> None:
    while True:
        pass


@pytest.mark.parametrize("document_format", ["md", "rst", "txt", "json", "jsonl", "csv", "mediawiki", "html", "arrow"])
def test_no_format_hangs_a_build(monkeypatch: pytest.MonkeyPatch, document_format: str) -> None:
    for name in ("read_sections", "read_records", "pieces_of_page"):
        monkeypatch.setattr(readers, name, hang)
    data = b"<mediawiki><page><title>a</title></page></mediawiki>"
    config = Documents(max_seconds=0.1)
    with reader_process(config) as process:
        found = list(read_documents_of(row_of(data, document_format), io.BytesIO(data), config, process))
    assert [each.reason for each in found if isinstance(each, Rejection)] == ["time_limit"]


def test_half_a_pair_of_surrogates_can_be_written(tmp_path: Path) -> None:
    page = (
        "<page><title>Lung</title><ns>0</ns><id>1</id><revision><text>Hello &amp;#xD800; lung.</text></revision></page>"
    )
    found = read(f"<mediawiki>{page}</mediawiki>".encode(), "mediawiki")
    documents = [each for each in found if isinstance(each, Document)]
    assert [each.text for each in documents] == ["Lung\n\nHello \ufffd lung."]
    assert write_documents(tmp_path / "documents.parquet", documents) == 1


def test_no_reader_can_make_what_no_file_holds(tmp_path: Path) -> None:
    bad = "half \ud800"
    piece = Piece(bad, "0", 0, 1, bad, bad, bad, (bad,), f'{{"name": "{bad}"}}')
    whole = document_of(row_of(b"", "txt"), piece)
    assert (whole.section, whole.title, whole.text, whole.group) == ("half \ufffd",) * 4
    assert write_documents(tmp_path / "documents.parquet", [whole]) == 1
