"""The words of a field or a turn; refusals.

In: a value of a row. Out: its text, or Refused. A value that is only partly text is refused, because half an answer
teaches another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from domainlm.raw.surrogates import without_surrogates
from domainlm.text.reading.columns import is_name
from domainlm.text.reading.conversation_forms import is_missing

MAX_NAMES = 20
_TEXT_PARTS = ("text", "input_text", "output_text")

Message = dict[str, str]


class Refused(ValueError):
    """A row that cannot be used: reason and detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def shown_name(name: object) -> str:
    """A name for people, unless it may be somebody's words."""
    text = without_surrogates(str(name))
    return text if text and is_name(text) else "(no plain name)"


def shown_names(names: Iterable[object]) -> str:
    """Names of fields in order, the first ones."""
    found = [shown_name(name) for name in names]
    return ", ".join(dict.fromkeys(found[:MAX_NAMES])) + (", ..." if len(found) > MAX_NAMES else "")


def text_of(value: Any, where: str) -> str:
    """The words of a field: text, number, or parts of text.

    Of nothing, an empty text.
    """
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return "\n".join(_part(part, where) for part in value)
    if isinstance(value, dict):
        return text_of(value["parts"], where) if isinstance(value.get("parts"), list) else _part(value, where)
    raise Refused("not_text", f"{where} is of type {type(value).__name__}; expected a text")


def _part(part: Any, where: str) -> str:
    """A part of a message, such as {"type": "text", "text": "..."}."""
    if isinstance(part, str):
        return without_surrogates(part)
    if isinstance(part, dict) and part.get("type", "text") in (*_TEXT_PARTS, None):
        text = next((part[name] for name in ("text", "value") if part.get(name) is not None), None)
        text = text.get("value") if isinstance(text, dict) else text
        if isinstance(text, str):
            return without_surrogates(text)
    kind = type(part).__name__
    if isinstance(part, dict):
        kind = shown_name(part["type"]) if part.get("type") else f"unknown, with the fields {shown_names(part)}"
    raise Refused("not_text", f"{where} has a part whose type is {kind}; expected texts")
