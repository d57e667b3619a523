"""From one record of a table or a JSON file to pieces.

In: a record (an object by field name), its place. Out: pieces of its text, or its conversation as one piece, or a
rejection. The fields are configuration (`documents.text_field`, `title_field`, `meta_fields`): a name, or names
joined by dots for an object within an object. A field whose own name has dots wins, because exports flatten objects
that way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from domainlm.config.text import Documents
from domainlm.raw.charset import decode
from domainlm.raw.json_text import InvalidJson, parsed_json
from domainlm.raw.surrogates import without_surrogates
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.document import MESSAGE_ROLES
from domainlm.text.reading.pieces import Piece, Rejection, titled_parts


@dataclass(frozen=True)
class Place:
    """The place of a record.

    name: for people. key: its part of the group. start, end: bytes (-1: unknown).
    """

    name: str
    key: str
    start: int
    end: int


def parsed_record(text: str) -> Any:
    """A JSON value. Raises Unreadable."""
    try:
        return parsed_json(text, has_long_numbers=True)
    except InvalidJson as error:
        raise Unreadable("invalid_json", str(error)) from error


def field_of(record: dict[str, Any], name: str) -> Any:
    """Value of a field by its name or dotted path, or None."""
    if name in record or "." not in name:
        return record.get(name)
    found: Any = record
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def messages_of(record: dict[str, Any]) -> list[dict[str, str]] | None:
    """The conversation of a record, or None if it holds none."""
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


def _plain(value: Any) -> Any:
    """A value as JSON can hold it.

    Dates, numbers of databases and bytes are written in their own words.
    """
    if isinstance(value, str):
        return without_surrogates(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {without_surrogates(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    # JSON has no NaN; repr of a float is the same on every Python
    return value if isinstance(value, float) and value - value == 0 else without_surrogates(str(value))


def _meta(record: dict[str, Any], config: Documents) -> dict[str, Any]:
    found = {name: _plain(field_of(record, name)) for name in config.meta_fields}
    return {name: value for name, value in found.items() if value is not None}


def _json(meta: dict[str, Any]) -> str:
    return json.dumps(meta, sort_keys=True, ensure_ascii=False)


def pieces_of_record(
    record: Any, place: Place, role: str, path: str, config: Documents, extra: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Piece | Rejection]:
    """Pieces of one record, or its rejection.

    extra: the reader's entries for `meta` (a detected character set).
    """
    if not isinstance(record, dict):
        yield Rejection("invalid_record", f"{place.name}: a JSON {type(record).__name__}; expected an object")
        return
    named = field_of(record, config.title_field)
    named = named.decode("utf-8", "replace") if isinstance(named, bytes) else named
    title = single_line(without_surrogates(named)) if isinstance(named, str) else ""
    # records with one title are parts of one work: they stay on one side of the split
    group = f"{path}#{title or place.key}"
    meta = {**_meta(record, config), **extra}
    is_conversation = role == "instruction" or record.get("messages") is not None
    messages = messages_of(record) if is_conversation else None
    packed = _json({**meta, "messages": messages} if messages is not None else meta)
    if len(title) + len(packed) > config.max_record_chars:
        limit = f"{config.max_record_chars} (documents.max_record_chars)"
        yield Rejection(
            "too_long", f"{place.name}: {len(title) + len(packed)} characters beside the text; at most {limit}"
        )
        return
    if is_conversation:
        if messages is None:
            expected = "expected messages: [{role, content}, ...] with an assistant turn"
            yield Rejection("no_messages", f"{place.name}: {expected}")
            return
        text = "\n\n".join(message["content"] for message in messages)
        yield Piece(place.name, "0", place.start, place.end, title, text, group, (), packed)
        return
    found = field_of(record, config.text_field)
    if isinstance(found, bytes):
        # writers without a type for text, and older ones, keep it in a binary column
        try:
            found = decode(found, config.min_charset_score).text
        except Unreadable as error:
            detail = f"{place.name}: field {config.text_field!r} is binary, and no text ({error.detail})"
            yield Rejection("no_text", detail)
            return
    if not isinstance(found, str) or not found.strip():
        kind = "" if found is None or isinstance(found, str) else f", but a {type(found).__name__}"
        yield Rejection("no_text", f"{place.name}: no text in field {config.text_field!r} (documents.text_field){kind}")
        return
    text = without_surrogates(found)
    first, _, rest = text.lstrip().partition("\n")
    body = rest if title and single_line(first) == title else text
    for part, piece in enumerate(titled_parts(title, body or text, config.max_section_chars)):
        yield Piece(place.name, str(part), place.start, place.end, title, piece, group, (), packed)
