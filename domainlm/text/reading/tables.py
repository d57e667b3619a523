"""Records of tables: CSV, TSV, Parquet, Arrow.

In: an open file. Out: pieces of its rows, or rejections by row. Streams: memory is one record, or one batch of columns.
Only the columns that the configuration names are read of Parquet, which is cut into ranges at row groups. CSV is not cut,
because whether a line end lies within quotes is known only from the beginning of the file. Where bytes have no order of
rows, a row's name is padded with zeros: names in order are rows in order. Some broken files abort the process that opens them
(found by fuzzing: pyarrow 26, a histogram in a column's metadata), so that all of this runs in one of its own (isolation.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from domainlm.config.text import Documents
from domainlm.text.reading.jsonlines import beginning_of, decoded_line, lines_of, read_json, read_jsonl
from domainlm.text.reading.pieces import Piece, Rejection, Unreadable
from domainlm.text.reading.records import Place, pieces_of_record

_DELIMITERS = ",;\t|"
# few, because rows are small in the file where they are equal, and large in memory
ROWS_PER_BATCH = 32
RECORD_READERS = frozenset(("jsonl", "json", "csv", "tsv", "parquet", "arrow"))
# what pyarrow raises on broken files besides its own exceptions
_FAULTS = (OSError, ValueError, MemoryError, OverflowError)


class _Lines:
    """Lines of a CSV file for the parser, which asks for as many as a record has. fault: of a line since the last reset."""

    def __init__(self, file: BinaryIO, size: int, config: Documents, expected: str | None) -> None:
        self._lines = lines_of(file, 0, size, config.max_file_bytes)
        self._config = config
        self._expected = expected
        self.end = 0
        self.fault: Unreadable | None = None
        self.charset: dict[str, Any] = {}

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        offset, line = next(self._lines)
        if line is None:
            limit = f"{self._config.max_file_bytes} bytes (documents.max_file_bytes)"
            self.fault = Unreadable("too_large", f"a line of more than {limit}")
            return "\n"
        self.end = offset + len(line)
        try:
            text, charset = decoded_line(line, self._config, self._expected)
        except Unreadable as error:
            self.fault = error
            return line.decode("utf-8", "replace")
        self.charset = self.charset or charset
        return text.removeprefix("\ufeff") if offset == 0 else text

    def reset(self) -> None:
        self.fault, self.charset = None, {}


def delimiter_of(line: str) -> str:
    """The mark that a heading line has most of; a comma where it has none."""
    return max(_DELIMITERS, key=lambda mark: (line.count(mark), -_DELIMITERS.index(mark)))


def _missing(config: Documents, columns: list[str], role: str) -> Unreadable | None:
    """Why no row of a table can have a text, or None."""
    wanted = "messages" if role == "instruction" else config.text_field
    if wanted in columns or wanted.split(".")[0] in columns or "messages" in columns:
        return None
    shown = ", ".join(columns[:20])[:200]
    return Unreadable("no_text_field", f"no column {wanted!r} (documents.text_field) among: {shown}")


def read_delimited(
    file: BinaryIO, is_tabbed: bool, role: str, path: str, config: Documents, expected: str | None = None
) -> Iterator[Piece | Rejection]:
    """Pieces of the rows below a heading line. CSV: the heading says which of , ; tab | divides. Raises Unreadable."""
    wide, expected = beginning_of(file, config, expected)
    file = wide or file
    size = file.seek(0, io.SEEK_END)
    lines = _Lines(file, size, config, expected)
    # the limit is the module's own, not the reader's: the same for every file of a build
    csv.field_size_limit(config.max_file_bytes)
    heading = next(lines, "")
    if lines.fault is not None:
        raise lines.fault
    delimiter = "\t" if is_tabbed else delimiter_of(heading)
    try:
        columns = [name.strip() for name in next(csv.reader([heading], delimiter=delimiter), [])]
    except csv.Error as error:
        raise Unreadable("malformed", "its first line is no heading (carriage returns as line ends?)") from error
    if (missing := _missing(config, columns, role)) is not None:
        raise missing
    rows = csv.reader(lines, delimiter=delimiter)
    number = 0
    while True:
        lines.reset()
        start = lines.end
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            if lines.end - start > config.max_file_bytes:
                yield Rejection("too_large", f"row {number}: a field of more than {config.max_file_bytes} bytes")
            else:
                yield Rejection("invalid_record", f"row {number}: no CSV (a carriage return outside quotes?)")
            continue
        if lines.fault is not None:
            yield Rejection(lines.fault.reason, f"row {number}: {lines.fault.detail}")
        elif len(row) > len(columns):
            yield Rejection("invalid_record", f"row {number}: {len(row)} fields under {len(columns)} headings")
        elif any(row):
            at = (start, lines.end) if wide is None else (-1, -1)
            record = dict(zip(columns, row, strict=False))
            place = Place(f"row {number:09d}", str(number), *at)
            yield from pieces_of_record(record, place, role, path, config, lines.charset)


def _wanted_columns(names: list[str], role: str, config: Documents) -> list[str]:
    """The columns that hold the configured fields, and `messages`."""
    fields = [config.text_field, config.title_field, *config.meta_fields, "messages"]
    tops = {field if field in names else field.split(".")[0] for field in fields}
    return [name for name in dict.fromkeys(names) if name in tops]


def _pieces_of_batch(
    batch: Any, columns: list[str], first: int, role: str, path: str, config: Documents
) -> Iterator[Piece | Rejection]:
    for number, record in enumerate(batch.select(columns).to_pylist(), first):
        # a null conversation beside a text is no conversation
        if record.get("messages") is None and role != "instruction":
            record.pop("messages", None)
        place = Place(f"row {number:09d}", str(number), -1, -1)
        yield from pieces_of_record(record, place, role, path, config)


def _opened_parquet(file: BinaryIO, start: int, end: int) -> tuple[Any, list[tuple[int, int]]]:
    """An open table, and (index, first row) of its row groups whose first byte lies in [start, end)."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
    found = []
    row = 1
    for index in range(table.num_row_groups):
        group = table.metadata.row_group(index)
        column = group.column(0)
        if start <= (column.dictionary_page_offset or column.data_page_offset) < end:
            found.append((index, row))
        row += group.num_rows
    return table, found


def read_parquet(
    file: BinaryIO, start: int, end: int, role: str, path: str, config: Documents
) -> Iterator[Piece | Rejection]:
    """Pieces of the row groups whose first byte lies in [start, end). Raises Unreadable."""
    import pyarrow as pa

    try:
        table, groups = _opened_parquet(file, start, end)
        names = table.schema_arrow.names
    except (pa.ArrowException, *_FAULTS) as error:
        raise Unreadable("malformed", f"no Parquet file that can be read ({type(error).__name__})") from error
    if (missing := _missing(config, names, role)) is not None:
        raise missing
    columns = _wanted_columns(names, role, config)
    for index, row in groups:
        try:
            for batch in table.iter_batches(ROWS_PER_BATCH, row_groups=[index], columns=columns, use_threads=False):
                yield from _pieces_of_batch(batch, columns, row, role, path, config)
                row += batch.num_rows
        except (pa.ArrowException, *_FAULTS) as error:
            yield Rejection("malformed", f"row group {index} from row {row} on ({type(error).__name__})")


def read_arrow(file: BinaryIO, role: str, path: str, config: Documents) -> Iterator[Piece | Rejection]:
    """Pieces of the rows of an Arrow file or stream (what `datasets` saves to disk). Raises Unreadable."""
    import pyarrow as pa

    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    row = 1
    try:
        opened = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        columns = _wanted_columns(opened.schema.names, role, config)
        if (missing := _missing(config, opened.schema.names, role)) is not None:
            raise missing
        batches = (opened.get_batch(index) for index in range(opened.num_record_batches)) if is_file else opened
        for whole in batches:
            whole.validate(full=True)
            for first in range(0, whole.num_rows, ROWS_PER_BATCH):
                batch = whole.slice(first, ROWS_PER_BATCH)
                yield from _pieces_of_batch(batch, columns, row, role, path, config)
                row += batch.num_rows
    except Unreadable:
        raise
    except (pa.ArrowException, *_FAULTS) as error:
        raise Unreadable(
            "malformed", f"no Arrow data that can be read from row {row} on ({type(error).__name__})"
        ) from error


def read_records(row: Mapping[str, Any], file: BinaryIO, config: Documents) -> Iterator[Piece | Rejection]:
    """Pieces of the part of a file of records that an inventory row names. A fault of the whole file is said once."""
    document_format, start, end = row["format"], row["start"], row["end"]
    role, path, expected = row["role"], row["path"], row.get("charset")
    try:
        if document_format == "jsonl":
            yield from read_jsonl(file, start, end, role, path, config, expected)
        elif document_format == "json" and row["size"] > config.max_file_bytes:
            limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes); JSON lines have no limit"
            yield Rejection("too_large", f"{row['size']} bytes; expected at most {limit}")
        elif document_format == "json":
            yield from read_json(file.read(), role, path, config, expected)
        elif document_format == "parquet":
            yield from read_parquet(file, start, end, role, path, config)
        elif document_format == "arrow":
            yield from read_arrow(file, role, path, config)
        else:
            yield from read_delimited(file, document_format == "tsv", role, path, config, expected)
    except Unreadable as error:
        if start == 0:
            yield Rejection(error.reason, error.detail)
