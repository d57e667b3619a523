"""Records of a JSON lines file, and of a JSON file.

In: an open file and a byte range. Out: pieces of the lines whose first byte is in the range. One bad line is one
rejection, and the others are read; a line in a character set other than UTF-8 is decoded by itself. Memory: one line.
A JSON file is read whole: an array of records, one record, values one after the other, or lines of JSON under the wrong
name; so is a file of lines whose values take several lines each. A streaming JSON parser was not chosen: an array that is
too large for memory should be lines, which can be cut into shards.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from domainlm.config.text import Documents
from domainlm.raw.charset import DeclaredCharset, Expected, charset_of_beginning, decode, wide_charset
from domainlm.raw.charset_labels import known_charset
from domainlm.raw.json_text import MAX_JSON_DEPTH, json_depth
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.conversation_rows import rows_of_line, rows_within
from domainlm.text.reading.conversations import field_of
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import Place, RecordSettings, parsed_record, pieces_of_record

BEGINNING_BYTES = 65_536
CHUNK_BYTES = 1_000_000
# of UTF-16 without a mark: the least share of zero bytes, nearly all of them at even or at odd places
MIN_ZERO_SHARE, MIN_SIDE_SHARE = 0.01, 0.95
# names under which exports put their records in one object
_WRAPPERS = ("data", "records", "rows", "items", "examples", "documents", "entries", "samples", "instances", "results")
_BLANK = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


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


def _is_wide(data: bytes) -> bool:
    """Whether bytes without a mark look like UTF-16."""
    zeros = data.count(b"\0")
    side = max(data[::2].count(b"\0"), data[1::2].count(b"\0"))
    return zeros >= MIN_ZERO_SHARE * len(data) and side >= MIN_SIDE_SHARE * zeros > 0


def beginning_of(file: BinaryIO, config: Documents, expected: Expected) -> tuple[BinaryIO | None, Expected]:
    """The facts about a file of lines that its beginning shows.

    They are: UTF-16 or UTF-32 as UTF-8 in memory, or None; the character set to expect of lines that are no UTF-8.
    Raises Unreadable.
    """
    file.seek(0)
    beginning = file.read(BEGINNING_BYTES)
    is_guessed = wide_charset(beginning) is None
    if is_guessed and not _is_wide(beginning):
        # what is in the file says more than what its source is in
        found = charset_of_beginning(beginning, len(beginning) == BEGINNING_BYTES, expected)
        declared = known_charset(expected.charset) if isinstance(expected, DeclaredCharset) else None
        if found is not None and known_charset(found) == declared:
            return None, expected
        return None, found or expected
    file.seek(0)
    data = file.read(config.max_file_bytes + 1)
    if len(data) > config.max_file_bytes:
        limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
        raise Unreadable("too_large", f"UTF-16 or UTF-32 of more than {limit}; save the file as UTF-8")
    try:
        text = decode(data, config.min_charset_score, expected=expected).text
    except Unreadable:
        if is_guessed:
            # its lines are judged one by one
            return None, expected
        raise
    return io.BytesIO(text.encode("utf-8", "surrogatepass")), expected


def decoded_line(line: bytes, config: Documents, expected: Expected) -> tuple[str, dict[str, Any]]:
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
    return decoded.text, {} if decoded.charset == "utf-8" and decoded.score == 1.0 else guessed


def values_of(text: str) -> Iterator[Any]:
    """JSON values that stand one after the other, over several lines each.

    A Rejection is the last where the text goes on otherwise. Raises Unreadable: of the first value.
    """
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and json_depth(text) > MAX_JSON_DEPTH:
        raise Unreadable("invalid_json", f"nested deeper than {MAX_JSON_DEPTH} arrays and objects")
    decoder = json.JSONDecoder()
    at = len(text) - len(text.lstrip(" \t\r\n\ufeff"))
    count = 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            if not count:
                raise Unreadable("invalid_json", "not a JSON value that can be read") from error
            yield Rejection("invalid_json", f"after item {count}: not a JSON value that can be read")
            return
        count += 1
        yield value
        between = _BLANK.match(text, at)
        at = between.end() if between else at


def records_within(value: Any, config: Documents) -> list[Any] | None:
    """The records of an object that wraps them (`{"data": [...]}`), or None."""
    if not isinstance(value, dict) or field_of(value, config.text_field) is not None or "messages" in value:
        return None
    found = [name for name in _WRAPPERS if isinstance(value.get(name), list) and value[name]]
    return value[found[0]] if len(found) == 1 and all(isinstance(each, dict) for each in value[found[0]]) else None


def _records_of(value: Any, settings: RecordSettings) -> list[Any]:
    """The records of a whole JSON value, whatever wraps them.

    Of instruction data, any list of objects holds rows: each that is none is refused with its fields. Of texts, only one
    under a known name does, or the texts of references or comments within a record would be documents.
    """
    if settings.role == "instruction":
        return rows_within(value, settings.mapping)
    return value if isinstance(value, list) else records_within(value, settings.config) or [value]


def _is_over_lines(file: BinaryIO) -> bool:
    """Whether each value takes several lines, as jq prints them."""
    file.seek(0)
    lines = (line.strip() for line in iter(lambda: file.readline(BEGINNING_BYTES), b""))
    filled = (line for line in lines if line)
    first = next(filled, b"").removeprefix(b"\xef\xbb\xbf").strip()
    if first not in (b"{", b"["):
        return False
    second = next(filled, b"")
    # no object goes on with an object, and no array without a comma: the first line alone is bad
    if first == b"{":
        return second[:1] != b"{"
    return not (second[:1] == b"{" and second[-1:] == b"}" and next(filled, b"")[:1] == b"{")


def _are_lines(data: bytes) -> bool:
    """Whether a first value over several lines is a bad line.

    It cannot be read, and most lines below look like a value each.
    """
    lines = (line.strip() for line in io.BytesIO(data))
    looks = Counter(line[:1] == b"{" and line[-1:] == b"}" for line in lines if line)
    if not looks[True] or looks[True] < looks[False] - 1:
        return False
    try:
        next(values_of(data.decode("utf-8", "replace")), None)
    except Unreadable:
        return True
    return False


def read_jsonl(file: BinaryIO, start: int, end: int, settings: RecordSettings) -> Iterator[Piece | Rejection]:
    """Pieces of the records that begin in bytes [start, end).

    Raises Unreadable: of the whole file.
    """
    config = settings.config
    wide, expected = beginning_of(file, config, settings.expected)
    if wide is not None:
        if start != 0:
            return
        file, end = wide, wide.seek(0, io.SEEK_END)
    if _is_over_lines(file):
        # where a value ends is known only from the beginning of the file
        file.seek(0)
        data = file.read(config.max_file_bytes + 1) if start == 0 else b""
        if len(data) > config.max_file_bytes:
            limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
            raise Unreadable(
                "too_large", f"JSON over several lines, of more than {limit}; one value a line has no limit"
            )
        if not data:
            return
        if not _are_lines(data):
            yield from read_json(data, replace(settings, expected=expected))
            return
        file, end = io.BytesIO(data), len(data)
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
        # an array that was written as one line is as many rows, and no conversation
        records = rows_of_line(record, settings.mapping) if settings.role == "instruction" else [record]
        for number, each in enumerate(records, 1):
            at = place if len(records) == 1 else _within(place, number)
            yield from pieces_of_record(each, at, settings, charset)


def _within(place: Place, number: int) -> Place:
    """The place of one of several records of a line."""
    return replace(place, name=f"{place.name}, item {number:09d}", key=f"{place.key}.{number}")


def read_json(data: bytes, settings: RecordSettings) -> Iterator[Piece | Rejection]:
    """Pieces of the records of a JSON file.

    They are each element of an array, also of one that an object wraps, or the one object, or values one after the
    other. Raises Unreadable.
    """
    decoded = decode(data, settings.config.min_charset_score, expected=settings.expected)
    values: Iterable[Any]
    try:
        values = [parsed_record(decoded.text)]
    except Unreadable:
        first = decoded.text.lstrip("\ufeff \t\r\n").partition("\n")[0]
        if first.strip() not in ("{", "["):
            # what is no JSON value but begins with a line that is one is a file of lines
            parsed_record(first)
        copy = data if wide_charset(data) is None else decoded.text.encode("utf-8", "surrogatepass")
        if first.strip() not in ("{", "[") or _are_lines(copy):
            yield from read_jsonl(io.BytesIO(data), 0, len(data), settings)
            return
        values = values_of(decoded.text)
    guessed = decoded.charset != "utf-8" or decoded.score < 1.0
    charset = {"charset": decoded.charset, "charset_score": decoded.score} if guessed else {}
    records = (each for value in values for each in _records_of(value, settings))
    for number, record in enumerate(records, 1):
        if isinstance(record, Rejection):
            yield record
            continue
        place = Place(f"item {number:09d}", str(number), -1, -1)
        yield from pieces_of_record(record, place, settings, charset)
