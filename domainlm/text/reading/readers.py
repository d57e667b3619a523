"""From an inventory row to documents, whatever the format.

In: a row of the raw corpus and its open file. Out: documents in canonical order, and rejections. One bad file or
record is a rejection with a reason; only a file that differs from the inventory stops the build. Record formats are
streamed; the others are read whole, up to `documents.max_file_bytes`. All are read in a child process, because any of
them may hang, crash or take all memory on a bad file; the exception is OBO, whose lines our own code parses and whose
terms are held all together, of a file within that limit. The tables below are the one place in which a format's name
meets its reader.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from domainlm.config.text import Documents
from domainlm.contract import StageError
from domainlm.raw.charset import Expected, decode, expected_charset
from domainlm.raw.charset_guess import Decoded
from domainlm.raw.charset_labels import byte_length
from domainlm.raw.raw_file import RawFile
from domainlm.raw.surrogates import without_surrogates
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.document import Document
from domainlm.text.order import canonical_key
from domainlm.text.reading.docx import read_docx
from domainlm.text.reading.epub import read_epub
from domainlm.text.reading.html import read_page
from domainlm.text.reading.isolation import ReaderProcess, crash_of
from domainlm.text.reading.markdown import read_markdown
from domainlm.text.reading.mediawiki import pages_of, pieces_of_page, read_mediawiki
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pdf import read_pdf
from domainlm.text.reading.pieces import Coverage, Piece, Rejection, Section, pieces_of_sections
from domainlm.text.reading.plain import read_plain
from domainlm.text.reading.restructured import read_restructured
from domainlm.text.reading.tables import RECORD_READERS, read_records

Found = Sequence[Section | Rejection | Coverage]
Result = Piece | Rejection | Coverage
# given the decoded text; their sections count characters of it (end -1: unknown)
TEXT_READERS: dict[str, Callable[[str], Found]] = {
    "txt": read_plain,
    "md": read_markdown,
    "rst": read_restructured,
    "html": read_page,
}
# given the file's bytes; their sections count bytes (end -1: unknown)
BYTE_READERS: dict[str, Callable[[bytes], Found]] = {
    "pdf": read_pdf,
    "docx": read_docx,
    "epub": read_epub,
}
SECTION_READERS = frozenset((*TEXT_READERS, *BYTE_READERS))
# formats whose readers hold all of a file: its bytes, or the hierarchy of its terms
HELD_WHOLE = SECTION_READERS | {"obo"}


def _with_byte_offsets(sections: list[Section], decoded: Decoded, size: int) -> list[Section]:
    """Sections placed in bytes: exact, or unknown.

    They are exact if the text encodes back to the file.
    """
    if any(section.end < 0 for section in sections):
        return [replace(section, start=0, end=size) for section in sections]
    if not decoded.is_exact:
        return [replace(section, start=-1, end=-1) for section in sections]
    placed = []
    chars, offset = 0, decoded.bytes_before
    for section in sections:
        offset += byte_length(decoded.text[chars : section.start], decoded.charset)
        length = byte_length(decoded.text[section.start : section.end], decoded.charset)
        placed.append(replace(section, start=offset, end=offset + length))
        chars, offset = section.end, offset + length
    return placed


def read_sections(
    document_format: str, data: bytes, config: Documents, expected: Expected = None
) -> list[Section | Rejection | Coverage]:
    """Sections of a whole file, its faults, and its coverage.

    Sections are placed in the file's bytes. expected: the character set that its source declares, or that most of its files are in. Raises
    Unreadable.
    """
    if document_format in BYTE_READERS:
        found = BYTE_READERS[document_format](data)
        return [
            replace(each, start=0, end=len(data)) if isinstance(each, Section) and each.end < 0 else each
            for each in found
        ]
    decoded = decode(data, config.min_charset_score, is_html=document_format == "html", expected=expected)
    read = TEXT_READERS[document_format](decoded.text)
    sections = [each for each in read if isinstance(each, Section)]
    guessed = {"charset": decoded.charset, "charset_score": decoded.score}
    charset = {} if decoded.charset == "utf-8" and decoded.score == 1.0 else guessed
    placed = _with_byte_offsets(sections, decoded, len(data))
    others = [each for each in read if not isinstance(each, Section)]
    return [*others, *(replace(each, meta={**each.meta, **charset}) for each in placed)]


def _read_whole(file: BinaryIO, row: RawFile, config: Documents) -> Iterator[Result]:
    data = file.read()
    if not data.strip():
        yield Rejection("empty", f"{len(data)} bytes, none of them text")
        return
    found = read_sections(str(row["format"]), data, config, expected_charset(row))
    others = [each for each in found if not isinstance(each, Section)]
    sections = [each for each in found if isinstance(each, Section)]
    pieces = list(pieces_of_sections(sections, config.max_section_chars))
    if not pieces and not any(isinstance(each, Rejection) for each in others):
        yield Rejection("no_text", "no section of the file has a text")
    yield from others
    yield from pieces


def _read_here(file: BinaryIO, row: RawFile, config: Documents) -> Iterator[Result]:
    if row["format"] in HELD_WHOLE and row["size"] > config.max_file_bytes:
        limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
        yield Rejection("too_large", f"{row['size']} bytes; expected at most {limit}")
    elif row["format"] == "obo":
        yield from read_obo(file, row["start"], row["end"], config.group_depth)
    elif row["format"] in RECORD_READERS:
        yield from read_records(row, file, config)
    elif row["format"] == "mediawiki":
        yield from read_mediawiki(file, config.max_section_chars)
    elif row["format"] in SECTION_READERS:
        yield from _read_whole(file, row, config)
    else:
        yield Rejection("unknown_format", "the extension names no known format; set sources.*.format or exclude it")


def _read_articles(file: BinaryIO, config: Documents, process: ReaderProcess) -> Iterator[Result]:
    """As read_mediawiki, with each article read in the process.

    A bad article costs only itself, not the articles after it.
    """
    for page in pages_of(file):
        if isinstance(page, Rejection):
            yield page
            continue
        try:
            yield from process.read(pieces_of_page, page, config.max_section_chars)
        except Unreadable as error:
            yield Rejection(error.reason, f"{single_line(page.title)}: {error.detail}")


def read_pieces(
    row: RawFile, file: BinaryIO, config: Documents, process: ReaderProcess | None = None
) -> Iterator[Result]:
    """Pieces, rejections and coverage of a row's part of a file."""
    if row["size"] == 0:
        yield Rejection("empty", "0 bytes")
        return
    if row["role"] == "instruction" and row["format"] not in RECORD_READERS:
        found = row["format"] or "of no known format"
        # the first range speaks for a file that is cut
        if row["start"] == 0:
            yield Rejection("no_records", f"the file is {found}; expected rows: {', '.join(sorted(RECORD_READERS))}")
        return
    try:
        if process is None or row["format"] == "obo":
            yield from _read_here(file, row, config)
        elif row["format"] == "mediawiki":
            yield from _read_articles(file, config, process)
        else:
            yield from process.read(_read_here, row, config, file=file)
    except Unreadable as error:
        yield Rejection(error.reason, error.detail)


def _guarded(found: Iterable[Result], tell: Callable[[Coverage], None]) -> Iterator[Piece | Rejection]:
    """A reader's results; last a rejection for an unexpected error.

    Something in the file caused such an error. tell: is given how much of the file was read.
    """
    try:
        for each in found:
            if isinstance(each, Coverage):
                tell(each)
            else:
                yield each
    except (StageError, MemoryError):
        raise
    except Exception as error:
        # the machine's faults have a number (but for a place before the file's beginning, which a file may name)
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        yield Rejection(*crash_of(error))


def document_of(row: RawFile, piece: Piece) -> Document:
    """A piece with its identity and its source's labels.

    Its text is Unicode that a file can hold, whatever its reader made of it.
    """
    name = "\0".join((row["source"], row["path"], piece.section, piece.part))
    return Document(
        id=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24],
        source=row["source"],
        role=row["role"],
        path=row["path"],
        section=without_surrogates(piece.section),
        start=piece.start,
        end=piece.end,
        group=without_surrogates(piece.group or row["path"]),
        links=without_surrogates(json.dumps(list(piece.links), ensure_ascii=False)),
        title=without_surrogates(piece.title),
        text=without_surrogates(piece.text),
        meta=without_surrogates(piece.meta),
        licence=row["licence"],
        authority=row["authority"],
        stance=row["stance"],
    )


def reader_process(config: Documents) -> ReaderProcess:
    """The process that files are read in, one per shard.

    Use it as a context, before any file is read.
    """
    return ReaderProcess(config.max_seconds, config.max_memory_mb)


def read_documents_of(
    row: RawFile,
    file: BinaryIO,
    config: Documents,
    process: ReaderProcess | None = None,
    tell: Callable[[Coverage], None] = lambda coverage: None,
    tell_group: Callable[[Piece], None] = lambda piece: None,
) -> Iterator[Document | Rejection]:
    """Documents of a row in canonical order, among them rejections.

    Each rejection precedes the documents after it. process: of `reader_process`; None reads every format in this
    process, which a bad file may hang or crash. tell: is given how much of the file was read, where its reader knows.
    tell_group: is given every piece of a record.
    """

    def place(found: Piece | Rejection) -> int | str:
        if isinstance(found, Rejection):
            return "rejected"
        # records without a place in bytes come by name; sections without one are put in order all together
        return found.section if found.start < 0 and row["format"] in RECORD_READERS else found.start

    # pieces come by place already; only those of one place (one record, or one page) are put in order
    for key, found in itertools.groupby(_guarded(read_pieces(row, file, config, process), tell), key=place):
        if key == "rejected":
            # passed on one by one: a file may be nothing but bad records
            yield from (each for each in found if isinstance(each, Rejection))
            continue
        pieces = [each for each in found if isinstance(each, Piece)]
        if row["format"] in RECORD_READERS:
            for piece in pieces:
                tell_group(piece)
        documents = [document_of(row, each) for each in pieces]
        yield from sorted(documents, key=canonical_key)
