"""From one record of a table or a JSON file to pieces.

In: a record (an object by field name), its place. Out: pieces of its text, or its conversation as one piece, or a
rejection. The fields are configuration (`documents.text_field`, `title_field`, `meta_fields`): a name, or names
joined by dots for an object within an object. A field whose own name has dots wins, because exports flatten objects
that way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from domainlm.config.text import Documents
from domainlm.raw.charset import Expected, decode
from domainlm.raw.json_text import InvalidJson, parsed_json
from domainlm.raw.surrogates import without_surrogates
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import single_line
from domainlm.text.document import MESSAGE_ROLES, MESSAGES_FORM
from domainlm.text.reading.conversation_forms import is_missing
from domainlm.text.reading.conversations import conversation_of, field_of
from domainlm.text.reading.pieces import Piece, Rejection, titled_parts
from domainlm.text.reading.turn_words import shown_names


@dataclass(frozen=True)
class Place:
    """The place of a record.

    name: for people. key: its part of the group. start, end: bytes (-1: unknown).
    """

    name: str
    key: str
    start: int
    end: int


@dataclass(frozen=True)
class RecordSettings:
    """What all records of one file share.

    role: of its source. path: for groups. expected: character set by the source. mapping: the source's `messages_from`.
    """

    role: str
    path: str
    config: Documents
    expected: Expected = None
    mapping: Mapping[str, Any] | None = None


def parsed_record(text: str) -> Any:
    """A JSON value. Raises Unreadable."""
    try:
        return parsed_json(text, has_long_numbers=True)
    except InvalidJson as error:
        raise Unreadable("invalid_json", str(error)) from error


def messages_of(record: dict[str, Any]) -> list[dict[str, str]] | None:
    """The conversation of a text's record, or None if it holds none.

    Instruction data has more forms (conversations.py).
    """
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


def _group(record: dict[str, Any], path: str, title: str, key: str, config: Documents) -> str:
    """The unit of the split that a record belongs to.

    A configured field's value is one group wherever it occurs. Otherwise, records with one title are parts of one work.
    """
    if named := _named_group(record, config):
        return f"{config.group_field}={named}"
    return f"{path}#{title or key}"


def _named_group(record: dict[str, Any], config: Documents) -> str:
    return "" if config.group_field is None else _group_name(field_of(record, config.group_field))


def _group_name(value: Any) -> str:
    """The name of a group by a field's value, empty for none.

    A column of whole numbers is one of fractions as soon as a row has none: 7 and 7.0 are one patient.
    """
    if is_missing(value) or isinstance(value, dict | list | tuple):
        return ""
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return ""
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        value = f"{value.normalize():f}" if isinstance(value, Decimal) else value
    return single_line(without_surrogates(str(value)))


def _conversation(
    record: Any, place: Place, mapping: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[dict[str, str]]] | Rejection:
    """The entries for `meta` of an instruction row, and its messages."""
    found = conversation_of(record, mapping)
    if isinstance(found, Rejection):
        return replace(found, detail=f"{place.name}: {found.detail}")
    return {"messages": found.messages, MESSAGES_FORM: found.form}, found.messages


def pieces_of_record(
    record: Any,
    place: Place,
    settings: RecordSettings,
    extra: Mapping[str, Any] = MappingProxyType({}),
    names: Iterable[str] | None = None,
) -> Iterator[Piece | Rejection]:
    """Pieces of one record, or its rejection.

    extra: the reader's entries for `meta` (a detected character set). names: of all fields, where the record holds only
    some of them.
    """
    config, is_instruction = settings.config, settings.role == "instruction"
    if not isinstance(record, dict) and not (is_instruction and isinstance(record, list)):
        yield Rejection("invalid_record", f"{place.name}: a JSON {type(record).__name__}; expected an object")
        return
    fields: dict[str, Any] = record if isinstance(record, dict) else {}
    named = field_of(fields, config.title_field)
    named = named.decode("utf-8", "replace") if isinstance(named, bytes) else named
    title = single_line(without_surrogates(named)) if isinstance(named, str) else ""
    group = _group(fields, settings.path, title, place.key, config)
    is_ungrouped = config.group_field is not None and not _named_group(fields, config)
    ungrouped = shown_names(fields if names is None else names) if is_ungrouped else ""
    meta = {**_meta(fields, config), **extra}
    messages = None
    is_conversation = is_instruction or fields.get("messages") is not None
    if is_instruction:
        found = _conversation(record, place, settings.mapping)
        if isinstance(found, Rejection):
            yield found
            return
        meta, messages = {**meta, **found[0]}, found[1]
    elif is_conversation and (messages := messages_of(fields)) is not None:
        meta["messages"] = messages
    packed = _json(meta)
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
        yield Piece(place.name, "0", place.start, place.end, title, text, group, (), packed, ungrouped)
        return
    words = field_of(fields, config.text_field)
    if isinstance(words, bytes):
        # writers without a type for text, and older ones, keep it in a binary column
        try:
            words = decode(words, config.min_charset_score).text
        except Unreadable as error:
            detail = f"{place.name}: field {config.text_field!r} is binary, and no text ({error.detail})"
            yield Rejection("no_text", detail)
            return
    if not isinstance(words, str) or not words.strip():
        kind = "" if words is None or isinstance(words, str) else f", but a {type(words).__name__}"
        yield Rejection("no_text", f"{place.name}: no text in field {config.text_field!r} (documents.text_field){kind}")
        return
    text = without_surrogates(words)
    first, _, rest = text.lstrip().partition("\n")
    body = rest if title and single_line(first) == title else text
    for part, piece in enumerate(titled_parts(title, body or text, config.max_section_chars)):
        yield Piece(place.name, str(part), place.start, place.end, title, piece, group, (), packed, ungrouped)
