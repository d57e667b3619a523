"""Records of tables: CSV, TSV, Parquet, Arrow.

In: an open file. Out: pieces of its rows, or rejections by row. Tables are streamed: memory is one record, or one
batch of columns. Of Parquet, which is cut into ranges at row groups, only the columns that the configuration names
are read. CSV is not cut, because whether a line end is within quotes is known only from the beginning of the file. If
bytes have no order of rows, a row's name is padded with zeros, so that the order of names is that of rows. Some
broken files abort the process that opens them (found by fuzzing: pyarrow 26, a histogram in a column's metadata), so
that all of this runs in a child process (isolation.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from domainlm.config.text import Documents
from domainlm.raw.charset import expected_charset
from domainlm.raw.raw_file import RawFile
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.reading.columns import missing_text, wanted_columns
from domainlm.text.reading.delimited import (
    LINES,
    Lines,
    delimiter_of,
    heading_of,
    record_of,
    row_with_escapes,
    with_line_ends,
)
from domainlm.text.reading.jsonlines import beginning_of, read_json, read_jsonl
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import Place, RecordSettings, pieces_of_record

# few, because rows are small in the file where they are equal, and large in memory
ROWS_PER_BATCH = 32
RECORD_READERS = frozenset(("jsonl", "json", "csv", "tsv", "parquet", "arrow"))
# what pyarrow raises on broken files besides its own exceptions
_FAULTS = (OSError, ValueError, MemoryError, OverflowError)


def read_delimited(file: BinaryIO, is_tabbed: bool, settings: RecordSettings) -> Iterator[Piece | Rejection]:
    """Pieces of the rows below a heading line.

    The heading of a CSV file shows which of , ; tab | is the delimiter. Raises Unreadable.
    """
    config, role = settings.config, settings.role
    wide, expected = beginning_of(file, config, settings.expected)
    file = wide or file
    wide = with_line_ends(file, config) or wide
    file = wide or file
    lines = Lines(file, config, expected)
    # the limit is the module's own, not the reader's: the same for every file of a build
    csv.field_size_limit(config.max_file_bytes)
    heading, named = heading_of(lines)
    if lines.fault is not None:
        raise lines.fault
    delimiter = named or ("\t" if is_tabbed else delimiter_of(heading))
    try:
        columns = [single_line(name) for name in next(csv.reader(LINES.findall(heading), delimiter=delimiter), [])]
    except csv.Error as error:
        raise Unreadable("malformed", "its first line is no heading (carriage returns as line ends?)") from error
    if (missing := missing_text(config, columns, role)) is not None:
        raise missing
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        lines.begin()
        number += 1
        try:
            row = next(rows)
            if len(row) > len(columns) or lines.last > lines.first:
                row = row_with_escapes(lines, delimiter, len(columns), True) or row
        except StopIteration:
            return
        except csv.Error:
            row = row_with_escapes(lines, delimiter, len(columns), False) or []
        if not row:
            # quotes within a quoted field are read literally, if the line closes it
            alone = csv.reader([lines.text, ""], delimiter=delimiter)
            try:
                row = next(alone)
            except csv.Error:
                yield Rejection("invalid_record", f"row {number}: no CSV (a carriage return outside quotes?)")
                continue
            if alone.line_num > 1:
                lines.go_back()
                rest = "the lines after it are read as separate rows"
                if lines.last > lines.first:
                    rest = f"lines up to {lines.last} are lost with it"
                detail = f"row {number}, line {lines.first}: a quoted field that does not end; {rest}"
                yield Rejection("unclosed_quote", detail)
                continue
        if lines.fault is not None:
            yield Rejection(lines.fault.reason, f"row {number}: {lines.fault.detail}")
        elif len(row) > len(columns) and any(row[len(columns) :]):
            yield Rejection("invalid_record", f"row {number}: {len(row)} fields under {len(columns)} headings")
        elif any(row):
            at = (lines.start, lines.end) if wide is None else (-1, -1)
            record = record_of(columns, row)
            place = Place(f"row {number:09d}", str(number), *at)
            yield from pieces_of_record(record, place, settings, lines.charset)


def _pieces_of_batch(
    batch: Any, columns: list[str], names: list[str], first: int, settings: RecordSettings
) -> Iterator[Piece | Rejection]:
    for number, record in enumerate(batch.select(columns).to_pylist(), first):
        # a null conversation beside a text is no conversation
        if record.get("messages") is None and settings.role != "instruction":
            record.pop("messages", None)
        place = Place(f"row {number:09d}", str(number), -1, -1)
        yield from pieces_of_record(record, place, settings, names=names)


def _opened_parquet(file: BinaryIO) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)


def _row_groups(table: Any, start: int, end: int, size: int) -> Iterator[tuple[int, range]]:
    """(index, rows from 1) of the row groups in a range.

    Their first byte is in [start, end).
    """
    groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
    columns = [group.column(0) for group in groups]
    # what a damaged footer puts outside of the file is in some range too, where it is rejected
    places = [min(max(each.dictionary_page_offset or each.data_page_offset, 0), size - 1) for each in columns]
    if places != sorted(places):
        # ranges in order would not be rows in order: all belong to the first
        places = [0] * len(places)
    row = 1
    for index, (group, place) in enumerate(zip(groups, places, strict=True)):
        if start <= place < end:
            yield index, range(row, row + group.num_rows)
        row += group.num_rows


def read_parquet(file: BinaryIO, start: int, end: int, settings: RecordSettings) -> Iterator[Piece | Rejection]:
    """Pieces of the row groups whose first byte is in [start, end).

    Raises Unreadable: of the whole file.
    """
    import pyarrow as pa

    size = file.seek(0, io.SEEK_END)
    try:
        table = _opened_parquet(file)
        names = table.schema_arrow.names
        groups = list(_row_groups(table, start, end, size)) if names else []
    except (pa.ArrowException, *_FAULTS) as error:
        raise Unreadable("malformed", f"no Parquet file that can be read ({type(error).__name__})") from error
    if (missing := missing_text(settings.config, names, settings.role)) is not None:
        raise missing
    columns = wanted_columns(names, settings.role, settings.config)
    for index, rows in groups:
        row = rows.start
        try:
            for batch in table.iter_batches(ROWS_PER_BATCH, row_groups=[index], columns=columns, use_threads=False):
                yield from _pieces_of_batch(batch, columns, names, row, settings)
                row += batch.num_rows
        except (pa.ArrowException, *_FAULTS) as error:
            yield Rejection("malformed", f"row group {index} from row {row} on ({type(error).__name__})")
        else:
            # pyarrow 26 takes a column of which the footer counts no values for an empty one
            if row != rows.stop:
                yield Rejection("malformed", f"row group {index}: {row - rows.start} of {len(rows)} rows")


def read_arrow(file: BinaryIO, settings: RecordSettings) -> Iterator[Piece | Rejection]:
    """Pieces of the rows of an Arrow file or stream.

    `datasets` saves such files to disk. Raises Unreadable.
    """
    import pyarrow as pa

    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    row = 1
    try:
        opened = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        names = opened.schema.names
        columns = wanted_columns(names, settings.role, settings.config)
        if (missing := missing_text(settings.config, names, settings.role)) is not None:
            raise missing
        batches = (opened.get_batch(index) for index in range(opened.num_record_batches)) if is_file else opened
        for whole in batches:
            whole.validate(full=True)
            for first in range(0, whole.num_rows, ROWS_PER_BATCH):
                batch = whole.slice(first, ROWS_PER_BATCH)
                yield from _pieces_of_batch(batch, columns, names, row, settings)
                row += batch.num_rows
    except Unreadable:
        raise
    except (pa.ArrowException, *_FAULTS) as error:
        raise Unreadable(
            "malformed", f"no Arrow data that can be read from row {row} on ({type(error).__name__})"
        ) from error


def read_records(row: RawFile, file: BinaryIO, config: Documents) -> Iterator[Piece | Rejection]:
    """Pieces of a row's part of a file of records.

    The first range reports a fault of the whole file, once: the readers of a range raise only such faults, and yield
    those of their own bytes.
    """
    document_format, start, end = row["format"], row["start"], row["end"]
    settings = RecordSettings(row["role"], row["path"], config, expected_charset(row), row.get("messages_from"))
    try:
        if document_format == "jsonl":
            yield from read_jsonl(file, start, end, settings)
        elif document_format == "json" and row["size"] > config.max_file_bytes:
            limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes); JSON lines have no limit"
            yield Rejection("too_large", f"{row['size']} bytes; expected at most {limit}")
        elif document_format == "json":
            yield from read_json(file.read(), settings)
        elif document_format == "parquet":
            yield from read_parquet(file, start, end, settings)
        elif document_format == "arrow":
            yield from read_arrow(file, settings)
        else:
            yield from read_delimited(file, document_format == "tsv", settings)
    except Unreadable as error:
        if start == 0:
            yield Rejection(error.reason, error.detail)
