from __future__ import annotations

import codecs
import ctypes
import io
import json
from typing import Any

import pytest

from domainlm.config.text import Documents
from domainlm.text.document import Document
from domainlm.text.reading import readers
from domainlm.text.reading.pieces import Rejection, Section
from domainlm.text.reading.readers import read_documents_of, reader_process

CHINESE = "# 肺炎\n\n肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽。\n\n# 治疗\n\n治疗以抗感染为主。\n"


def read(data: bytes, document_format: str | None, **labels: Any) -> list[Document | Rejection]:
    row: dict[str, Any] = {
        "source": "s",
        "role": "corpus",
        "path": "folder/a",
        "licence": "MIT",
        "authority": "official",
        "stance": "x",
    }
    row |= {"size": len(data), "start": 0, "end": len(data), "format": document_format, **labels}
    return list(read_documents_of(row, io.BytesIO(data), Documents()))


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
            row = {
                "source": "s",
                "role": "corpus",
                "path": "a",
                "licence": "",
                "authority": "",
                "stance": "",
                "start": 0,
            }
            row |= {"size": len(data), "end": len(data), "format": "pdf"}
            (each,) = read_documents_of(row, io.BytesIO(data), config, process)
            found.append(each.text if isinstance(each, Document) else each.reason)
    assert found == ["first", "crashed", "second", "time_limit", "third"]
