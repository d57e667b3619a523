from __future__ import annotations

import codecs
import gzip
import io
import tarfile
import tracemalloc
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm.raw.media_type import BINARY, format_by_content, kind_of_head, media_type_of

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), text)
    return file.getvalue()


def arrow(is_stream: bool) -> bytes:
    table = pa.table({"text": ["a"]})
    sink = io.BytesIO()
    make = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), sink)
    return sink.getvalue()


def old_tar() -> bytes:
    info = tarfile.TarInfo("a")
    data = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    # as before POSIX: no mark, no further fields
    data[257:] = bytes(255)
    data[148:156] = b"        "
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data) + bytes(1024)


CASES = {
    "text": (b"plain text", "text/plain"),
    "empty": (b"", "text/plain"),
    "gbk": ("资料\n".encode("gbk"), "text/plain"),
    "utf-16": ("<html>".encode("utf-16"), "text/html"),
    "binary": (b"\x00\x01\x02", BINARY),
    "pdf": (b"%PDF-1.7\n", "application/pdf"),
    "pdf after blanks": (b"\r\n \0%PDF-1.7\n1 0 obj\n", "application/pdf"),
    "pdf after junk": (b"junk\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "application/pdf"),
    "pdf after junk, packed": (b"junk\n%PDF-1.4\n1 0 obj\nstream\nx\x9c\x02\x00", "application/pdf"),
    "text about pdf": (b"A file that begins with %PDF-1.4 is one.", "text/plain"),
    "text that quotes a pdf": ("# 格式\n文件以此开头：\n%PDF-1.7\n".encode("gbk"), "text/plain"),
    "html": (b"\n <!DOCTYPE html>\n<p>", "text/html"),
    "html after a comment": (codecs.BOM_UTF8 + b"<!-- saved -->\n<HTML lang=zh>", "text/html"),
    "xhtml": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">\n<html>', "text/html"),
    "markdown with html in it": (b"<p align=center>\n# Title", "text/plain"),
    "xml": (b'<?xml version="1.0"?><rss>', "application/xml"),
    "mediawiki": (b'<mediawiki xmlns="x">', "application/x-mediawiki"),
    "obo": (b"format-version: 1.2\n[Term]", "text/x-obo"),
    "json": (b'{\n "a": [1]\n}', "application/json"),
    "json lines": (b'{"a": 1}\n{"a": 2}\n', "application/jsonl"),
    "a brace": (b"{{Infobox\n| x}}", "text/plain"),
    "zip": (zipped(a_DOT_txt="x"), "application/zip"),
    "empty zip": (zipped(), "application/zip"),
    "cut zip": (zipped(a_DOT_txt="x")[:40], "application/zip"),
    "docx": (zipped(word__document_DOT_xml="x"), WORD),
    "epub": (zipped(mimetype="application/epub+zip", a="x"), "application/epub+zip"),
    "epub without its mark": (zipped(META_INF="", **{"META-INF__container_DOT_xml": "x"}), "application/epub+zip"),
    "opendocument": (
        zipped(mimetype="application/vnd.oasis.opendocument.text"),
        "application/vnd.oasis.opendocument.text",
    ),
    "gzip": (gzip.compress(b"x"), "application/gzip"),
    "tar": (tarfile.TarInfo("a").tobuf(), "application/x-tar"),
    "old tar": (old_tar(), "application/x-tar"),
    "zeros": (bytes(1024), BINARY),
    "parquet": (parquet(), "application/vnd.apache.parquet"),
    "arrow file": (arrow(False), "application/vnd.apache.arrow.file"),
    "arrow stream": (arrow(True), "application/vnd.apache.arrow.stream"),
    "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
}


@pytest.mark.parametrize("case", CASES)
def test_kinds(case: str) -> None:
    data, expected = CASES[case]
    file = io.BytesIO(data)
    assert media_type_of(file) == expected
    assert file.tell() == 0


def test_a_head_without_its_file_says_zip() -> None:
    assert kind_of_head(CASES["docx"][0]) == "application/zip"


@pytest.mark.parametrize(
    ("media_type", "named", "expected"),
    [
        ("text/plain", "md", "md"),
        ("text/plain", "csv", "csv"),
        ("text/plain", "pdf", "txt"),
        # a README, or source code
        ("text/plain", None, None),
        (BINARY, "txt", "txt"),
        (BINARY, None, None),
        ("text/html", "txt", "html"),
        ("text/html", None, "html"),
        ("application/pdf", "html", "pdf"),
        ("application/json", "jsonl", "jsonl"),
        ("application/jsonl", "json", "jsonl"),
        ("application/xml", None, None),
        ("application/xml", "html", "html"),
        ("image/png", "pdf", None),
        ("application/vnd.apache.arrow.stream", "arrow", "arrow"),
    ],
)
def test_content_wins_where_it_is_sure(media_type: str, named: str | None, expected: str | None) -> None:
    assert format_by_content(media_type, named) == expected


def test_only_the_beginning_of_what_says_a_zip_s_kind_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", bytes(30_000_000))
    tracemalloc.start()
    assert media_type_of(file) == "application/zip"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
