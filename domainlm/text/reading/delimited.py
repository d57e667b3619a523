"""Lines, headings and rows of CSV files, as programs write them.

In: an open table. Out: its lines record by record, its heading with the delimiter, and rows that are not as RFC 4180 has them:
`sep=;` of Excel, names over several lines, quotes escaped by backslashes, carriage returns as line ends. What cannot be read
is for `tables.py` to reject.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any, BinaryIO

from domainlm.config.text import Documents
from domainlm.raw.charset import Expected
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.jsonlines import decoded_line, lines_of

_DELIMITERS = ",;\t|"
# over which a name in quotes may go
MAX_HEADING_LINES = 20
HEADING_BYTES = 4096
LINES = re.compile(r"[^\n]*\n|[^\n]+")
# a quote elsewhere than at a field's begin is none: an inch mark
_QUOTED = re.compile(r'(?<![^,;\t|])"[^"]*+(?>(?:""[^"]*+)*)"')
_OPEN = re.compile(r'(?<![^,;\t|])"[^"]*+(?>(?:""[^"]*+)*)(?:"|(\Z))')
# lines of a record by which its quotes are judged
KEPT_LINES = 20
_SEPARATOR = re.compile(r'\ufeff?"?sep=([^\r\n"])"?[\r\n]*', re.IGNORECASE)


class Lines:
    """Lines of a CSV file for the parser, record by record.

    The parser asks for as many lines as a record has. Of the record since `begin`: first: the number of its first
    line, from 1. text: that line. rest: the lines after it; of many, the first and the last. last: the number of its
    last line. start, end: its bytes. fault: of one of its lines. A record may take `documents.max_file_bytes`, as a
    file that is read whole may: a smaller bound would lose long cells.
    """

    def __init__(self, file: BinaryIO, config: Documents, expected: Expected) -> None:
        self._file, self._config, self._expected = file, config, expected
        self._size = file.seek(0, io.SEEK_END)
        self._lines = lines_of(file, 0, self._size, config.max_file_bytes)
        self._second = self._again = 0
        self.start = self.end = self.first = self.last = 0
        self.text = ""
        self.rest: list[str] = []
        self.begin()

    def begin(self) -> None:
        self.first = self.last + 1
        self.rest = []
        self.fault: Unreadable | None = None
        self.charset: dict[str, Any] = {}

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        offset, line = next(self._lines)
        self.last += 1
        is_first = self.last == self.first
        self.start = offset if is_first else self.start
        max_bytes = self._config.max_file_bytes
        self.end = offset + (len(line) if line is not None else max_bytes + 1)
        text = "\n"
        if self.end - self.start > max_bytes and not is_first:
            raise csv.Error
        if line is None:
            self.fault = Unreadable("too_large", f"a line of more than {max_bytes} bytes (documents.max_file_bytes)")
        else:
            try:
                text, charset = decoded_line(line, self._config, self._expected)
                self.charset = self.charset or charset
            except Unreadable as error:
                self.fault = error
                text = line.decode("utf-8", "replace")
        if is_first:
            self.text, self._second = text, self.end
        elif len(self.rest) < KEPT_LINES:
            self.rest.append(text)
        else:
            self.rest[-1] = text
        return text.removeprefix("\ufeff") if offset == 0 else text

    def go_back(self) -> None:
        """Continue at the record's second line, unless too much was reread.

        The limit is as many bytes as the file has. Stray quotes never reach it: a quote whose end is searched for has
        none, so the search happens once. But fields that end well may come before the one that does not (`a","b` in
        every line), and the next record has all but one.
        """
        self._again += self.end - self._second
        if self._again <= self._size:
            self._lines = lines_of(self._file, self._second, self._size, self._config.max_file_bytes)
            self.last, self.end = self.first, self._second


def delimiter_of(line: str) -> str:
    """The most frequent delimiter of a heading, else a comma.

    Those within quotes are part of a name.
    """
    outside = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=lambda mark: (outside.count(mark), line.count(mark), -_DELIMITERS.index(mark)))


def _is_open(heading: str, delimiter: str | None) -> bool:
    """Whether a heading ends within a name in quotes.

    delimiter: if the file names it; it may be any character.
    """
    heading = heading.replace(delimiter, ",") if delimiter is not None else heading
    return any(found[1] is not None for found in _OPEN.finditer(heading))


def _first_line(lines: Lines) -> str:
    """The next line that says something; reports begin with empty ones."""
    for _ in range(MAX_HEADING_LINES):
        line = next(lines, "")
        if line.strip("\ufeff\r\n ") or not line:
            return line
        lines.begin()
    return next(lines, "")


def heading_of(lines: Lines) -> tuple[str, str | None]:
    """(the heading, the delimiter if the file names it).

    Excel names it in a line of its own, `sep=;`. A name in quotes may go over several lines.
    """
    heading = _first_line(lines)
    named = _SEPARATOR.fullmatch(heading)
    if named is not None:
        lines.begin()
        heading = _first_line(lines)
    delimiter = named[1] if named is not None else None
    whole = heading
    for _ in range(MAX_HEADING_LINES):
        if not _is_open(whole, delimiter) or lines.fault is not None:
            break
        whole += next(lines, "")
    if _is_open(whole, delimiter) and lines.last > lines.first:
        # a quote that does not end is none
        lines.go_back()
        whole = heading
    return whole, delimiter


def _are_rows(text: str, delimiter: str, columns: int) -> bool:
    """Whether lines are rows whose quotes backslashes escape.

    The last line of a cell with line ends, as RFC 4180 has it, is none: its quote begins no field.
    """
    mark = re.escape(delimiter)
    field = rf'(?:"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"|[^"{mark}\r\n]*+)'
    row = rf"{field}(?:{mark}{field}){{{columns - 1}}}{mark}*+(?:\r?\n|\Z)|\r?\n"
    return re.fullmatch(rf"(?>(?:{row})*)", text, re.DOTALL) is not None


def row_with_escapes(lines: Lines, delimiter: str, columns: int, is_sound: bool) -> list[str] | None:
    """A row whose quotes are escaped by backslashes, or None.

    MySQL writes them so. It is the record's first line; the lines that were taken for the rest of it are read again. is_sound:
    the record is one of RFC 4180 too. Then they must be rows: the cell of `"say \\""` may end in a line below.
    """
    if '\\"' not in lines.text:
        return None
    try:
        row = next(csv.reader([lines.text], delimiter=delimiter, escapechar="\\", doublequote=False, strict=True))
    except csv.Error:
        return None
    if len(row) != columns or (is_sound and not _are_rows("".join(lines.rest), delimiter, columns)):
        return None
    if lines.last > lines.first:
        lines.go_back()
    # without them the lines below would be lost
    return row if lines.last == lines.first else None


def record_of(columns: list[str], row: list[str]) -> dict[str, str]:
    """A row by column; of one name, the first that is filled."""
    record: dict[str, str] = {}
    for name, value in zip(columns, row, strict=False):
        if not record.get(name, "").strip():
            record[name] = value
    return record


def with_line_ends(file: BinaryIO, config: Documents) -> BinaryIO | None:
    """A table with line ends for carriage returns; None for others."""
    file.seek(0)
    # a heading is shorter than this, and few other tables are read twice so far
    beginning = file.read(HEADING_BYTES)
    if b"\n" in beginning or b"\r" not in beginning:
        return None
    data = beginning + file.read(max(config.max_file_bytes + 1 - len(beginning), 0))
    return io.BytesIO(data.replace(b"\r", b"\n")) if len(data) <= config.max_file_bytes and b"\n" not in data else None
