"""The media type of a file by content, and its document format.

In: the open file. Out: a media type, from the first 4 KiB (and, for a zip, its listing). Property kept: the answer is
a function of the bytes alone. Only certain types are named: plain text is Markdown, a table or prose by its name, so
an extension is overruled only if the content contradicts it (a PDF named .txt, a web page named .pdf). A general
library of signatures was not chosen: it knows hundreds of kinds that are rejected anyway, costs up to a millisecond a
file, and guesses in uncertain cases.
"""

from __future__ import annotations

import codecs
import re
import tarfile
import zipfile
import zlib
from typing import BinaryIO

from domainlm.raw.json_text import InvalidJson, parsed_json

HEAD_BYTES = 4096
TEXT, BINARY, JSON_LINES = "text/plain", "application/octet-stream", "application/jsonl"
# those whose character set is not said by the format
TEXT_TYPES = (TEXT, "text/html", JSON_LINES, "application/json")
ZIP, TAR = "application/zip", "application/x-tar"
PACKED = {"application/gzip": "gz", "application/x-bzip2": "bz2", "application/x-xz": "xz", "application/zstd": "zst"}
_OFFICE = "application/vnd.openxmlformats-officedocument."
# first bytes -> media type
_SIGNATURES = (
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"ARROW1\0\0", "application/vnd.apache.arrow.file"),
    (b"\xff\xff\xff\xff", "application/vnd.apache.arrow.stream"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x7fELF", "application/x-executable"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
)
# an entry of a zip's listing -> media type; these are documents or programs, not archives of documents
_ZIP_KINDS = (
    ("word/document.xml", f"{_OFFICE}wordprocessingml.document"),
    ("xl/workbook.xml", f"{_OFFICE}spreadsheetml.sheet"),
    ("ppt/presentation.xml", f"{_OFFICE}presentationml.presentation"),
    ("META-INF/container.xml", "application/epub+zip"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
)
# media type -> formats that it may have, the likely one first; every text may be any of the text formats
_TEXT_FORMATS = ("txt", "md", "rst", "csv", "tsv", "json", "jsonl", "obo", "html", "mediawiki")
FORMATS: dict[str, tuple[str, ...]] = {
    TEXT: _TEXT_FORMATS,
    "text/html": ("html",),
    "text/x-obo": ("obo",),
    "application/xml": ("", "html", "txt", "mediawiki"),
    "application/x-mediawiki": ("mediawiki",),
    "application/json": ("json", "jsonl"),
    JSON_LINES: ("jsonl",),
    "application/pdf": ("pdf",),
    f"{_OFFICE}wordprocessingml.document": ("docx",),
    "application/epub+zip": ("epub",),
    "application/vnd.apache.parquet": ("parquet",),
    "application/vnd.apache.arrow.file": ("arrow",),
    "application/vnd.apache.arrow.stream": ("arrow",),
}
_PDF = re.compile(rb"(?:\A|[\r\n])[ \t\0]*(%PDF-\d)")
# control bytes that no text has, or the comment of four high bytes below the mark (ISO 32000-1, 7.5.2)
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]|%PDF-\d\.\d[ \r\n]+%[\x80-\xff]{4}")
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_XML_INTRODUCTION = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->)", re.DOTALL)


def _is_tar(head: bytes) -> bool:
    if head[257:262] == b"ustar":
        return True
    # a tar older than 1988 has no mark, only a checksum
    if not re.fullmatch(rb"[ 0-7]+[ \0]*", head[148:156]) or not head[:1].strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _zip_kind(file: BinaryIO) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                # OpenDocument and EPUB say what they are (ODF 1.3 part 2, 3.3; EPUB 3.3, 4.2.2)
                with archive.open("mimetype") as file_of_kind:
                    said = file_of_kind.read(100).strip().decode("ascii", "replace")
                if re.fullmatch(r"application/[\w.+-]+", said, re.ASCII):
                    return said
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return ZIP
    return next((kind for name, kind in _ZIP_KINDS if name in names), ZIP)


def _text_of(head: bytes) -> str | None:
    """The beginning of a text; None if the bytes are no text.

    Only the first 4 KiB are examined.
    """
    for mark, charset in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(charset, "ignore")
    return None if b"\0" in head else head.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _is_json(text: str) -> bool:
    try:
        parsed_json(text)
    except InvalidJson:
        return False
    return True


def _text_kind(text: str, is_whole: bool) -> str:
    start = text.lstrip()
    if start[:1] in ("{", "["):
        first, _, rest = start.partition("\n")
        if first[:1] == "{" and rest.lstrip()[:1] == "{" and _is_json(first):
            return JSON_LINES
        return "application/json" if is_whole and _is_json(start) else TEXT
    if start.startswith("format-version:") and "\n" in start:
        return "text/x-obo"
    is_xml = start.startswith("<?xml")
    while found := _XML_INTRODUCTION.match(start):
        start = start[found.end() :]
    start = start.lstrip()[:100].lower()
    if re.match(r"<!doctype\s+html|<html[\s>]", start):
        return "text/html"
    if re.match(r"<mediawiki[\s>]", start):
        return "application/x-mediawiki"
    return "application/xml" if is_xml else TEXT


def media_type_of(file: BinaryIO) -> str:
    """Media type by content. The file is left at its beginning."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = kind_of_head(head)
    if kind == ZIP:
        kind = _zip_kind(file)
        file.seek(0)
    return kind


def kind_of_head(head: bytes) -> str:
    """Media type by the first bytes; every kind of zip is application/zip.

    The bytes are the first HEAD_BYTES, or the whole file.
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZIP
    found = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)
    if found is not None:
        return found
    if _BZIP2.match(head):
        return "application/x-bzip2"
    # other bytes may come before the mark; where all of them are text, it is one about PDF
    if (mark := _PDF.search(head[:1024])) and (not head[: mark.start(1)].strip(b"\0 \t\r\n") or _NO_TEXT.search(head)):
        return "application/pdf"
    if len(head) >= 512 and _is_tar(head):
        return TAR
    text = _text_of(head)
    return BINARY if text is None else _text_kind(text, len(head) < HEAD_BYTES)


def format_by_content(media_type: str, named: str | None) -> str | None:
    """Document format of a file: by its name, unless the content contradicts.

    named: the format that the name suggests (None: no suggestion). None: the file is no document.
    """
    if media_type == BINARY:
        # nothing is known: the reader of the named format says what is wrong
        return named
    formats = FORMATS.get(media_type, ())
    if named in formats:
        return named
    if named is None and media_type == TEXT:
        # README, LICENSE, source code: a text of no format is taken only where the source says so
        return None
    return (formats[0] or None) if formats else None
