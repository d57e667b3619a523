"""Records of a JSON lines file, and of a JSON file.

In: an open file and a byte range. Out: pieces of the lines whose first byte is in the range. One bad line is one
rejection, and the others are read; a line in a character set other than UTF-8 is decoded by itself. Memory: one line.
A JSON file is read whole: an array of records, one record, or lines of JSON under the wrong name. A streaming JSON
parser was not chosen: an array that is too large for memory should be lines, which can be cut into shards.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from domainlm.config.text import Documents
from domainlm.raw.charset import charset_of_beginning, decode, wide_charset
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.conversations import rows_within
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import Place, parsed_record, pieces_of_record

BEGINNING_BYTES = 65_536
CHUNK_BYTES = 1_000_000


def lines_of(file: BinaryIO, start: int, end: int, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """(offset, line) of each line that begins in [start, end).

    The line is None if it has more than max_bytes. Nothing is read beyond `end` but the line that begins before it,
    so that the ranges of a file that is one line together read it once.
    """
    offset = max(start - 1, 0)
    file.seek(offset)
    # the line that began before the range is read only to find its end
    is_at_line = start == 0
    while not is_at_line and offset < end and (rest := file.readline(CHUNK_BYTES)):
        offset += len(rest)
        is_at_line = rest.endswith(b"\n")
    while is_at_line and offset < end and (line := file.readline(max_bytes + 1)):
        length, rest = len(line), line
        while len(line) > max_bytes and not rest.endswith(b"\n") and offset + length < end:
            if not (rest := file.readline(CHUNK_BYTES)):
                break
            length += len(rest)
        yield offset, line if len(line) <= max_bytes else None
        offset += length
        is_at_line = rest.endswith(b"\n")


def beginning_of(file: BinaryIO, config: Documents, expected: str | None) -> tuple[BinaryIO | None, str | None]:
    """The facts about a file of lines that its beginning shows.

    They are: UTF-16 or UTF-32 as UTF-8 in memory, or None; the character set to expect of lines that are no UTF-8.
    Raises Unreadable.
    """
    file.seek(0)
    beginning = file.read(BEGINNING_BYTES)
    if wide_charset(beginning) is None:
        # what is in the file says more than what its source is in
        return None, charset_of_beginning(beginning, len(beginning) == BEGINNING_BYTES, expected) or expected
    file.seek(0)
    data = file.read(config.max_file_bytes + 1)
    if len(data) > config.max_file_bytes:
        limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
        raise Unreadable("too_large", f"UTF-16 or UTF-32 of more than {limit}; save the file as UTF-8")
    return io.BytesIO(decode(data, config.min_charset_score).text.encode("utf-8", "surrogatepass")), expected


def decoded_line(line: bytes, config: Documents, expected: str | None) -> tuple[str, dict[str, Any]]:
    """Text of a line, and entries for `meta`.

    There are entries if its character set was detected. Raises Unreadable.
    """
    # an escape may change to a set whose letters are ASCII characters
    if b"\x1b" not in line:
        try:
            return line.decode("utf-8"), {}
        except UnicodeDecodeError:
            pass
    decoded = decode(line, config.min_charset_score, expected=expected)
    guessed = {"charset": decoded.charset, "charset_score": decoded.score}
    return decoded.text, {} if decoded.charset == "utf-8" else guessed


def read_jsonl(
    file: BinaryIO,
    start: int,
    end: int,
    role: str,
    path: str,
    config: Documents,
    expected: str | None = None,
    mapping: Mapping[str, Any] | None = None,
) -> Iterator[Piece | Rejection]:
    """Pieces of the records that begin in bytes [start, end).

    expected: character set by the source. mapping: its `messages_from`. Raises Unreadable: of the whole file.
    """
    wide, expected = beginning_of(file, config, expected)
    if wide is not None:
        if start != 0:
            return
        file, end = wide, wide.seek(0, io.SEEK_END)
    for offset, line in lines_of(file, start, end, config.max_file_bytes):
        if line is None:
            limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
            yield Rejection("too_large", f"byte {offset}: a line of more than {limit}")
            continue
        if not line.strip():
            continue
        try:
            text, charset = decoded_line(line, config, expected)
            record = parsed_record(text.removeprefix("\ufeff") if offset == 0 else text)
        except Unreadable as error:
            yield Rejection(error.reason, f"byte {offset}: {error.detail}")
            continue
        if wide is None:
            place = Place(f"byte {offset}", str(offset), offset, offset + len(line))
        else:
            # offsets of the copy are none of the file; padded, because names in order must be records in order
            place = Place(f"byte {offset:012d}", str(offset), -1, -1)
        yield from pieces_of_record(record, place, role, path, config, charset, mapping)


def read_json(
    data: bytes,
    role: str,
    path: str,
    config: Documents,
    expected: str | None = None,
    mapping: Mapping[str, Any] | None = None,
) -> Iterator[Piece | Rejection]:
    """Pieces of the records of a JSON file.

    They are each element of an array, or the one object; of instruction data, also the rows within an object. Raises
    Unreadable.
    """
    decoded = decode(data, config.min_charset_score, expected=expected)
    try:
        found = parsed_record(decoded.text)
    except Unreadable:
        # what is no JSON value but begins with a line that is one is a file of lines
        parsed_record(decoded.text.lstrip().partition("\n")[0])
        yield from read_jsonl(io.BytesIO(data), 0, len(data), role, path, config, expected, mapping)
        return
    guessed = decoded.charset not in ("utf-8", "ascii")
    charset = {"charset": decoded.charset, "charset_score": decoded.score} if guessed else {}
    within = found if isinstance(found, list) else [found]
    records = rows_within(found, mapping) if role == "instruction" else within
    for number, record in enumerate(records, 1):
        place = Place(f"item {number:09d}", str(number), -1, -1)
        yield from pieces_of_record(record, place, role, path, config, charset, mapping)
