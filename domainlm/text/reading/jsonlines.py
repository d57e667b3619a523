"""Records of a JSON lines file.

In: an open file and a byte range. Out: pieces of the lines whose first byte lies in the range. A record has a text (and a
title), or is a conversation: `messages`, a list of {role, content}, kept whole in `meta`. One bad line is one rejection;
the others go on. Memory: one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from domainlm.config import Documents
from domainlm.text.characters import single_line, without_surrogates
from domainlm.text.reading.pieces import Piece, Rejection, titled_parts

MESSAGE_ROLES = ("system", "user", "assistant")


def lines_of(file: BinaryIO, start: int, end: int, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """(offset, line) of each line that begins in [start, end); None for one of more than max_bytes."""
    offset = max(start - 1, 0)
    file.seek(offset)
    is_wanted = start == 0
    while offset < end:
        line = file.readline(max_bytes + 1)
        if not line:
            return
        # what does not end here is read on only to find where the next line begins
        length, rest = len(line), line
        while not rest.endswith(b"\n") and (rest := file.readline(max_bytes + 1)):
            length += len(rest)
        if is_wanted:
            yield offset, line if length == len(line) <= max_bytes else None
        # before the range, only the end of the line that began earlier is read
        is_wanted = True
        offset += length


def messages_of(record: dict[str, Any]) -> list[dict[str, str]] | None:
    """The conversation of a record, or None where it is none."""
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    found = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in MESSAGE_ROLES:
            return None
        content = message.get("content")
        if not isinstance(content, str):
            return None
        found.append({"role": message["role"], "content": without_surrogates(content)})
    return found if any(message["role"] == "assistant" for message in found) else None


def _pieces(record: Any, offset: int, end: int, role: str, path: str, config: Documents) -> Iterator[Piece | Rejection]:
    place = f"byte {offset}"
    if not isinstance(record, dict):
        yield Rejection("invalid_record", f"{place}: a JSON {type(record).__name__}; expected an object")
        return
    named = record.get(config.title_field)
    title = single_line(without_surrogates(named)) if isinstance(named, str) else ""
    # records with one title are parts of one work: they stay on one side of the split
    group = f"{path}#{title}" if title else f"{path}#{offset}"
    if role == "instruction" or "messages" in record:
        messages = messages_of(record)
        if messages is None:
            yield Rejection(
                "no_messages", f"{place}: expected messages: [{{role, content}}, ...] with an assistant turn"
            )
            return
        meta = json.dumps({"messages": messages}, sort_keys=True, ensure_ascii=False)
        text = "\n\n".join(message["content"] for message in messages)
        yield Piece(place, "0", offset, end, title, text, group, (), meta)
        return
    found = record.get(config.text_field)
    if not isinstance(found, str) or not found.strip():
        yield Rejection("no_text", f"{place}: no text in field {config.text_field!r} (documents.text_field)")
        return
    text = without_surrogates(found)
    body = text.lstrip().removeprefix(title) if title else text
    for part, piece in enumerate(titled_parts(title, body or text, config.max_section_chars)):
        yield Piece(place, str(part), offset, end, title, piece, group)


def read_jsonl(
    file: BinaryIO, start: int, end: int, role: str, path: str, config: Documents
) -> Iterator[Piece | Rejection]:
    """Pieces of the records that begin in bytes [start, end) of the file."""
    for offset, line in lines_of(file, start, end, config.max_file_bytes):
        if line is None:
            limit = f"{config.max_file_bytes} bytes (documents.max_file_bytes)"
            yield Rejection("too_large", f"byte {offset}: a line of more than {limit}")
            continue
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8-sig" if offset == 0 else "utf-8"))
        except UnicodeDecodeError as error:
            yield Rejection("undecodable", f"byte {offset}: not UTF-8 at byte {offset + error.start}")
            continue
        # the parser's own message differs between Python versions
        except (ValueError, RecursionError):
            yield Rejection("invalid_json", f"byte {offset}: not a JSON value that can be read")
            continue
        yield from _pieces(record, offset, offset + len(line), role, path, config)
