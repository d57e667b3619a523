from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm.config.text import Documents
from domainlm.text.reading.conversations import Conversation, conversation_of
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.tables import read_records


def read(data: bytes, document_format: str, role: str = "corpus", **options: Any) -> list[Any]:
    row = {"format": document_format, "start": 0, "end": len(data), "size": len(data), "role": role, "path": "f"}
    return list(read_records(row, io.BytesIO(data), Documents(**options)))


def table(document_format: str, names: list[str], cells: list[str]) -> bytes:
    """A table of one row."""
    if document_format == "csv":
        return f"{','.join(names)}\n{','.join(cells)}\n".encode()
    if document_format == "tsv":
        return "\t".join(names).encode() + b"\n" + "\t".join(cells).encode() + b"\n"
    if document_format in ("jsonl", "json"):
        return json.dumps(dict(zip(names, cells, strict=True))).encode()
    file = io.BytesIO()
    rows = pa.table({name: [cell] for name, cell in zip(names, cells, strict=True)})
    if document_format == "parquet":
        pq.write_table(rows, file)
    else:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
    return file.getvalue()


FORMATS = ["csv", "tsv", "json", "jsonl", "parquet", "arrow"]


@pytest.mark.parametrize("document_format", FORMATS)
@pytest.mark.parametrize("text", ["TEXT", " Text ", "text "])
def test_a_heading_may_differ_in_capitals_and_blanks(document_format: str, text: str) -> None:
    names = ["Title", text, "PATIENT", "Year"]
    data = table(document_format, names, ["Lung", "It breathes.", "7", "2001"])
    [piece] = read(data, document_format, group_field="patient", meta_fields=["year"])
    assert isinstance(piece, Piece)
    assert (piece.title, piece.text, piece.group) == ("Lung", "Lung\n\nIt breathes.", "patient=7")
    assert json.loads(piece.meta) == {"year": "2001"}
    assert piece.ungrouped == ""


@pytest.mark.parametrize("document_format", FORMATS)
def test_the_name_as_it_is_configured_comes_first(document_format: str) -> None:
    data = table(document_format, ["TEXT", "text", "Text"], ["a", "It breathes.", "c"])
    [piece] = read(data, document_format)
    assert piece.text == "It breathes."


@pytest.mark.parametrize("document_format", ["csv", "tsv", "parquet", "arrow"])
def test_headings_of_which_several_could_be_meant_are_named(document_format: str) -> None:
    [found] = read(table(document_format, ["TEXT", "Text", "id"], ["a", "b", "c"]), document_format)
    assert isinstance(found, Rejection)
    assert found.reason == "no_text_field"
    assert "2 columns are 'text' but for capitals and blanks around it: TEXT, Text" in found.detail
    assert "documents.text_field" in found.detail
    [found] = read(table(document_format, ["Body", "id"], ["a", "b"]), document_format)
    assert found.detail == "no column 'text' (documents.text_field) among: Body, id"


def test_records_of_which_several_fields_could_be_meant_have_no_text() -> None:
    [found] = read(table("jsonl", ["TEXT", "Text"], ["a", "b"]), "jsonl")
    assert isinstance(found, Rejection)
    assert found.reason == "no_text"


def test_the_columns_of_instruction_data_that_a_source_names_may_differ_so_too() -> None:
    found = conversation_of({"Frage": "Why?", " ANTWORT": "So."}, {"user": "frage", "assistant": "antwort"})
    assert isinstance(found, Conversation)
    assert [message["content"] for message in found.messages] == ["Why?", "So."]


def test_a_dotted_path_is_followed_before_names_alike() -> None:
    config = {"text_field": "page.text"}
    [piece] = read(json.dumps({"page": {"text": "a b"}, "PAGE.TEXT": "c"}).encode(), "jsonl", **config)
    assert piece.text == "a b"
    [piece] = read(json.dumps({"page": {}, "PAGE.TEXT": "c"}).encode(), "jsonl", **config)
    assert piece.text == "c"
