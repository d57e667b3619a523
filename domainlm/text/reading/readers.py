"""From an inventory row to documents, whatever the format.

In: a row of the raw corpus and a function that opens its file. Out: documents in canonical order, and rejections. One bad
file or record is a rejection with a reason; only a file that is not what the inventory lists stops the build. Record
formats (obo, jsonl, mediawiki) are streamed; the others are read whole, up to `documents.max_file_bytes`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from domainlm.config import Documents
from domainlm.text.document import Document
from domainlm.text.order import canonical_key
from domainlm.text.reading.charset import Decoded, UndecodableError, decode
from domainlm.text.reading.html import read_html
from domainlm.text.reading.jsonlines import read_jsonl
from domainlm.text.reading.markdown import read_markdown
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, Rejection, Section, pieces_of_sections
from domainlm.text.reading.plain import read_plain
from domainlm.text.reading.restructured import read_restructured

SECTION_READERS: dict[str, Callable[[str], list[Section]]] = {
    "txt": read_plain,
    "md": read_markdown,
    "rst": read_restructured,
    "html": read_html,
}


def _with_byte_offsets(sections: list[Section], decoded: Decoded, size: int) -> list[Section]:
    """Sections placed in bytes: exact where the text encodes back to the file, unknown otherwise."""
    if any(section.end < 0 for section in sections):
        return [replace(section, start=0, end=size) for section in sections]
    if not decoded.is_exact:
        return [replace(section, start=-1, end=-1) for section in sections]
    placed = []
    chars, offset = 0, decoded.bytes_before
    for section in sections:
        offset += len(decoded.text[chars : section.start].encode(decoded.charset))
        length = len(decoded.text[section.start : section.end].encode(decoded.charset))
        placed.append(replace(section, start=offset, end=offset + length))
        chars, offset = section.end, offset + length
    return placed


def _read_whole(row: Mapping[str, Any], file: BinaryIO, config: Documents) -> Iterator[Piece | Rejection]:
    if row["size"] > config.max_file_bytes:
        limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
        yield Rejection("too_large", f"{row['size']} bytes; expected at most {limit}")
        return
    data = file.read()
    if not data.strip():
        yield Rejection("empty", f"{len(data)} bytes, none of them text")
        return
    try:
        decoded = decode(data, config.min_charset_score, is_html=row["format"] == "html")
    except UndecodableError as error:
        yield Rejection(error.reason, error.detail)
        return
    sections = _with_byte_offsets(SECTION_READERS[row["format"]](decoded.text), decoded, row["size"])
    charset = {} if decoded.charset == "utf-8" else {"charset": decoded.charset, "charset_score": decoded.score}
    meta = json.dumps(charset, sort_keys=True)
    pieces = [replace(piece, meta=meta) for piece in pieces_of_sections(sections, config.max_section_chars)]
    if not pieces:
        yield Rejection("no_text", "no section of the file has a text")
    yield from pieces


def read_pieces(row: Mapping[str, Any], file: BinaryIO, config: Documents) -> Iterator[Piece | Rejection]:
    """Pieces and rejections of the part of a raw file that a row names."""
    start, end = row["start"], row["end"]
    if row["size"] == 0:
        yield Rejection("empty", "0 bytes")
    elif row["format"] == "obo":
        yield from read_obo(file, start, end, config.group_depth)
    elif row["format"] == "jsonl":
        yield from read_jsonl(file, start, end, row["role"], row["path"], config)
    elif row["format"] == "mediawiki":
        yield from read_mediawiki(file, config.max_section_chars)
    elif row["format"] in SECTION_READERS:
        yield from _read_whole(row, file, config)
    else:
        yield Rejection("unknown_format", "the extension names no known format; set sources.*.format or exclude it")


def document_of(row: Mapping[str, Any], piece: Piece) -> Document:
    """A piece with its identity and the labels of its source."""
    name = "\0".join((row["source"], row["path"], piece.section, piece.part))
    return Document(
        id=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24],
        source=row["source"],
        role=row["role"],
        path=row["path"],
        section=piece.section,
        start=piece.start,
        end=piece.end,
        group=piece.group or row["path"],
        links=json.dumps(list(piece.links), ensure_ascii=False),
        title=piece.title,
        text=piece.text,
        meta=piece.meta,
        licence=row["licence"],
        authority=row["authority"],
        stance=row["stance"],
    )


def read_documents_of(row: Mapping[str, Any], file: BinaryIO, config: Documents) -> Iterator[Document | Rejection]:
    """Documents of a row in canonical order, each rejection before the documents that follow it."""

    def place(found: Piece | Rejection) -> int | str:
        return found.start if isinstance(found, Piece) else "rejected"

    # pieces come by place already; only those of one place (one record, or one page) are put in order
    for _, found in itertools.groupby(read_pieces(row, file, config), key=place):
        together = list(found)
        yield from (each for each in together if isinstance(each, Rejection))
        documents = [document_of(row, each) for each in together if isinstance(each, Piece)]
        yield from sorted(documents, key=canonical_key)
