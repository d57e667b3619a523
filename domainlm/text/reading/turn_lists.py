"""From the turns of a row, in any form, to messages.

In: a list of turns, or a list of pairs. Out: messages of the roles system, user and assistant. Calls of tools become
the assistant's words and their results the user's, within the marks that Qwen and Hermes use, because every chat
template renders these two roles and few render tools alike; so they are learned, and read, in one form whatever the
base model is. Raises Refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domainlm.raw.json_text import InvalidJson, parsed_json
from domainlm.raw.surrogates import without_surrogates
from domainlm.text.characters import is_blank
from domainlm.text.reading.columns import is_name
from domainlm.text.reading.conversation_forms import SPEAKER_ROLES, SPEAKERS, WORDS, plain_name

MAX_NAMES = 20
_TEXT_PARTS = ("text", "input_text", "output_text")
# the two fields of a list of pairs, as exports of some tools have it
_PAIRS = (
    ("human", "assistant"),
    ("user", "assistant"),
    ("input", "output"),
    ("question", "answer"),
    ("prompt", "response"),
)

Message = dict[str, str]


class Refused(ValueError):
    """A row that cannot be used: reason and detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def shown_name(name: object) -> str:
    """A name for people, unless it may be somebody's words."""
    text = str(name)
    return text if text and is_name(text) else "(no plain name)"


def shown_names(names: Iterable[object]) -> str:
    """Names of fields in order, the first ones."""
    found = [shown_name(name) for name in names]
    return ", ".join(dict.fromkeys(found[:MAX_NAMES])) + (", ..." if len(found) > MAX_NAMES else "")


def is_missing(value: Any) -> bool:
    """Whether a field is null, or a table's number for that."""
    return value is None or (isinstance(value, float) and value != value)


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
    if isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS and isinstance(part.get("text"), str):
        return without_surrogates(part["text"])
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise Refused("not_text", f"{where} has a part of type {shown_name(kind)}; expected texts")


def list_of(value: Any) -> Any:
    """A list that a cell holds as JSON, or the value."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return parsed_json(value)
        except InvalidJson:
            return value
    return value


def is_turn(value: Any) -> bool:
    """Whether an object is a turn, or a pair of them."""
    if not isinstance(value, dict):
        return False
    names = {plain_name(str(name)) for name in value}
    is_pair = any(names.issuperset(pair) for pair in _PAIRS)
    return is_pair or (not names.isdisjoint(SPEAKERS) and not names.isdisjoint((*WORDS, "tool_calls", "function_call")))


def messages_of_turns(
    turns: Sequence[Any], where: str, speaker: str = "", words: str = "", roles: Mapping[str, str] | None = None
) -> list[Message]:
    """The messages of a list of turns, pairs or alternating texts.

    speaker, words: the fields of a turn, where they have names of their own; roles: who speaks, by such names.
    """
    known = {**SPEAKER_ROLES, **{plain_name(name): role for name, role in (roles or {}).items()}}
    if turns and all(isinstance(turn, str) for turn in turns):
        return [_message(("user", "assistant")[number % 2], text) for number, text in enumerate(turns)]
    found: list[Message] = []
    # of each message: whether it calls a tool, or is a tool's result
    marks: list[str] = []
    for number, turn in enumerate(turns, 1):
        place = f"turn {number} of {where}"
        for message, mark in _turn(turn, place, known, speaker, words):
            before = marks[-1] if marks else ""
            same = bool(found) and found[-1]["role"] == message["role"]
            # a call and the words before it are one turn, and so are the results of several calls
            if same and (mark == before == "tool" or (message["role"] == "assistant" and "call" in (mark, before))):
                parts = [part for part in (found[-1]["content"], message["content"]) if not is_blank(part)]
                found[-1] = _message(message["role"], "\n".join(parts))
                marks[-1] = before or mark
                continue
            if mark == "tool" and not (found and found[-1]["role"] == "assistant"):
                raise Refused("roles_out_of_order", f"{place} is a tool's result; expected the assistant's call before")
            found.append(message)
            marks.append(mark)
    return found


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": without_surrogates(content)}


def _turn(turn: Any, place: str, known: Mapping[str, str], speaker: str, words: str) -> Iterable[tuple[Message, str]]:
    """The messages of one turn, each with its mark."""
    if not isinstance(turn, dict):
        raise Refused("unknown_form", f"{place} is of type {type(turn).__name__}; expected an object")
    named = {plain_name(str(name)): value for name, value in turn.items()}
    who = next((named[name] for name in ((plain_name(speaker),) if speaker else SPEAKERS) if name in named), None)
    if who is None:
        pair = next((pair for pair in _PAIRS if named.keys() >= set(pair)), None)
        if pair is None:
            raise Refused(
                "unknown_form", f"{place} has the fields {shown_names(turn)}; expected {' or '.join(SPEAKERS)}"
            )
        if not is_blank(system := text_of(named.get("system"), place)):
            yield _message("system", system), ""
        for each, name in zip(("user", "assistant"), pair, strict=True):
            yield _message(each, text_of(named[name], place)), ""
        return
    role = known.get(plain_name(who)) if isinstance(who, str) else None
    if role is None:
        expected = ", ".join(sorted(known))
        raise Refused("unknown_role", f"{place} is by {shown_name(who)}; expected one of {expected}")
    said = next(
        (named[name] for name in ((plain_name(words),) if words else WORDS) if named.get(name) is not None), None
    )
    text = text_of(said, place)
    if role == "tool":
        yield _message("user", f"<tool_response>\n{text}\n</tool_response>"), "tool"
    elif role == "call":
        yield _message("assistant", _call(text)), "call"
    elif role == "assistant" and (calls := _calls(named, place)):
        parts = [*([] if is_blank(text) else [text]), *calls]
        yield _message("assistant", "\n".join(parts)), "call"
    else:
        yield _message(role, text), ""


def _call(text: str) -> str:
    return f"<tool_call>\n{text.strip()}\n</tool_call>"


def _calls(named: Mapping[str, Any], place: str) -> list[str]:
    """The calls of an assistant's turn, each as one line of JSON."""
    found = []
    single = named.get("function_call")
    calls = list_of(named.get("tool_calls")) or ([single] if single else [])
    if not isinstance(calls, list):
        raise Refused("unknown_form", f"{place}: tool_calls is of type {type(calls).__name__}; expected a list")
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Refused("unknown_form", f"{place}: a call of a tool has no name; expected name and arguments")
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            # what is no JSON is passed on as the text that it is
            with contextlib.suppress(InvalidJson):
                arguments = parsed_json(arguments)
        said = {"name": function["name"], "arguments": {} if arguments is None else arguments}
        try:
            found.append(_call(json.dumps(said, ensure_ascii=False)))
        except TypeError:
            raise Refused("not_text", f"{place}: the arguments of a call are no JSON") from None
    return found


def messages_of_history(value: Any, where: str) -> list[Message]:
    """The messages of earlier turns: pairs, or turns."""
    turns = list_of(value)
    if turns is None or turns == [] or (isinstance(turns, str) and is_blank(turns)):
        return []
    if not isinstance(turns, list):
        raise Refused(
            "unknown_form", f"{where} is of type {type(turns).__name__}; expected a list of [question, answer]"
        )
    if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in turns):
        roles = ("user", "assistant")
        return [_message(role, text_of(text, where)) for pair in turns for role, text in zip(roles, pair, strict=True)]
    return messages_of_turns(turns, where)
