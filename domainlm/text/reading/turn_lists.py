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
from itertools import takewhile
from typing import Any

from domainlm.raw.json_text import InvalidJson, parsed_json
from domainlm.raw.surrogates import without_surrogates
from domainlm.text.characters import is_blank
from domainlm.text.reading.conversation_forms import (
    CHOICES,
    CONTEXTS,
    HISTORY,
    INSTRUCTED,
    LEARNED,
    SPEAKER_ROLES,
    SPEAKERS,
    WORDS,
    is_filled,
    names_of,
    plain_name,
)
from domainlm.text.reading.turn_words import Message, Refused, shown_name, shown_names, text_of

# the two fields of a list of pairs, as exports of some tools have it
_PAIRS = (
    ("human", "assistant"),
    ("user", "assistant"),
    ("input", "output"),
    ("question", "answer"),
    ("prompt", "response"),
)
# those that a list may hold besides; where they are rows as often as turns, only what is within a row is taken for turns
_OTHER_PAIRS = (
    ("query", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("human", "gpt"),
    ("user", "bot"),
)
# marks that say no, as tables and forms write them
_NO = ("0", "0.0", "false")
# parts of a turn that call a tool, and that hold its result
_TOOL_USE, _TOOL_RESULT = "tool_use", "tool_result"


def list_of(value: Any) -> Any:
    """A list that a cell holds as JSON, or the value."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return parsed_json(value)
        except InvalidJson:
            return value
    return value


def turns_in(value: Any) -> Any:
    """A list of turns that a cell holds as such, or otherwise.

    It may be JSON, or columns: `datasets` keeps a sequence of objects as {"role": [...], "content": [...]}.
    """
    found = list_of(value)
    if not isinstance(found, dict):
        return found
    columns = {name: each for name, each in found.items() if isinstance(each, list)}
    if not has_speaker(columns) or len({len(each) for each in columns.values()}) != 1:
        return value
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def has_speaker(value: Mapping[str, Any]) -> bool:
    """Whether an object has a field that says who speaks."""
    return not {plain_name(str(name)) for name in value}.isdisjoint(SPEAKERS)


def is_turn(value: Any) -> bool:
    """Whether an object is a turn, or a pair of them."""
    if not isinstance(value, dict):
        return False
    names = {plain_name(str(name)) for name in value}
    is_pair = any(names.issuperset(pair) for pair in _PAIRS)
    return is_pair or (has_speaker(value) and not names.isdisjoint((*WORDS, "tool_calls", "function_call")))


def are_spoken(value: Any) -> bool:
    """Whether a value is turns that all say who speaks."""
    return isinstance(value, list) and bool(value) and all(is_turn(each) and has_speaker(each) for each in value)


def messages_of_turns(
    turns: Sequence[Any], where: str, speaker: str = "", words: str = "", roles: Mapping[str, str] | None = None
) -> list[Message]:
    """The messages of a list of turns, pairs or alternating texts.

    speaker, words: the fields of a turn, where they have names of their own; roles: who speaks, by such names.
    """
    known = {**SPEAKER_ROLES, **{plain_name(name): role for name, role in (roles or {}).items()}}
    if turns and all(isinstance(turn, str) for turn in turns):
        return [_message(("user", "assistant")[number % 2], text) for number, text in enumerate(turns)]
    # who speaks, and parts of the words, joined at the end: a trace may have thousands of calls in one turn
    found: list[tuple[str, list[str]]] = []
    # of each message: whether it calls a tool, or is a tool's result
    marks: list[str] = []
    for number, turn in enumerate(turns, 1):
        place = f"turn {number} of {where}"
        for message, mark in _turn(turn, place, known, speaker, words):
            before = marks[-1] if marks else ""
            role = message["role"]
            same = bool(found) and found[-1][0] == role
            # a call and the words before it are one turn, and so are the results of several calls
            if same and (mark == before == "tool" or (role == "assistant" and "call" in (mark, before))):
                found[-1][1].append(message["content"])
                marks[-1] = before or mark
                continue
            if mark == "tool" and not (found and found[-1][0] == "assistant"):
                raise Refused("roles_out_of_order", f"{place} is a tool's result; expected the assistant's call before")
            found.append((role, [message["content"]]))
            marks.append(mark)
    return [_message(role, _joined(parts)) for role, parts in found]


def _joined(parts: Sequence[str]) -> str:
    """The words of a turn; of several parts, those that say something."""
    return parts[0] if len(parts) == 1 else "\n".join(part for part in parts if not is_blank(part))


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": without_surrogates(content)}


def _turn(turn: Any, place: str, known: Mapping[str, str], speaker: str, words: str) -> Iterable[tuple[Message, str]]:
    """The messages of one turn, each with its mark."""
    if not isinstance(turn, dict):
        raise Refused("unknown_form", f"{place} is of type {type(turn).__name__}; expected an object")
    named = names_of(turn)
    who = next((named[name] for name in ((plain_name(speaker),) if speaker else SPEAKERS) if name in named), None)
    if who is None:
        yield from _pair(turn, named, place)
        return
    role = known.get(plain_name(who)) if isinstance(who, str) else None
    if role is None:
        expected = ", ".join(sorted(known))
        raise Refused("unknown_role", f"{place} is by {shown_name(who)}; expected one of {expected}")
    fields = (plain_name(words),) if words else WORDS
    said = next((named[name] for name in fields if name in named), None)
    calls, results, said = _tools_in(said, place)
    calls += _calls(named, place) if role == "assistant" else []
    # a turn whose words have another name would be learned as one that says nothing
    if said is None and not calls and {plain_name(str(name)) for name in turn}.isdisjoint(fields):
        raise Refused(
            "unknown_form", f"{place} has the fields {shown_names(turn)}; expected its words in {' or '.join(fields)}"
        )
    if role == "assistant":
        _refuse_unlearned(named, place)
    text = text_of(said, place)
    for result in results:
        yield _result(result), "tool"
    if role == "tool":
        yield _result(text), "tool"
    elif role == "call":
        yield _message("assistant", _call(text)), "call"
    elif role == "assistant" and calls:
        yield _message("assistant", "\n".join([*([] if is_blank(text) else [text]), *calls])), "call"
    elif not results or not is_blank(text):
        # what a user says below a tool's result is of the same turn
        yield _message(role, text), "tool" if results else ""


def _pair(turn: Mapping[str, Any], named: Mapping[str, Any], place: str) -> Iterable[tuple[Message, str]]:
    """The messages of a turn that is a question with its answer."""
    names = {plain_name(str(name)) for name in turn}
    pair = next((pair for pair in (*_PAIRS, *_OTHER_PAIRS) if names.issuperset(pair)), None)
    if pair is None:
        empty = " that is not empty" if has_speaker(turn) else ""
        expected = f"expected {' or '.join(SPEAKERS)}{empty}"
        raise Refused("unknown_form", f"{place} has the fields {shown_names(turn)}; {expected}")
    _refuse_unlearned(named, place)
    if (choices := next((name for name in CHOICES if is_filled(named.get(name))), None)) is not None:
        raise Refused("unknown_form", f"{place} has {choices}, which is not read beside {pair[0]} and {pair[1]}")
    if not is_blank(system := text_of(named.get("system"), place)):
        yield _message("system", system), ""
    yield _message("user", _question(named, pair[0], place)), ""
    yield _message("assistant", text_of(named.get(pair[1]), place)), ""


def _question(named: Mapping[str, Any], name: str, place: str) -> str:
    """A pair's question with what belongs to it, as in a row.

    What says how to take it stands above, what it is about below.
    """
    above = ["instruction"] if name in (*INSTRUCTED, "input") else []
    parts = [text_of(named.get(each), place) for each in dict.fromkeys((*above, name, *CONTEXTS))]
    filled = list(dict.fromkeys(part for part in parts if not is_blank(part)))
    # one text stays as it is, also where it is blank: it is refused by its own name
    return "\n".join(filled) if filled else text_of(named.get(name), place)


def _refuse_unlearned(named: Mapping[str, Any], place: str) -> None:
    """Raise Refused for an answer that is not to be learned."""
    if (mark := next((name for name in LEARNED if _is_no(named.get(name))), None)) is not None:
        raise Refused(
            "unlearned_answer",
            f"{place} is not to be learned ({mark} is {str(named[mark]).lower()}), and every answer of a conversation is;"
            " expected one that ends before it, or without the mark",
        )


def _is_no(value: Any) -> bool:
    """Whether a mark is false or 0, also as a table's text."""
    return value is False or value == 0 or (isinstance(value, str) and value.strip().lower() in _NO)


def _tools_in(said: Any, place: str) -> tuple[list[str], list[str], Any]:
    """Calls and results among a turn's parts, and the others."""
    if not isinstance(said, list) or not any(isinstance(part, dict) for part in said):
        return [], [], said
    kinds = [part.get("type") if isinstance(part, dict) else None for part in said]
    parts = list(zip(kinds, said, strict=True))
    calls = [{"name": part.get("name"), "arguments": part.get("input")} for kind, part in parts if kind == _TOOL_USE]
    results = [text_of(part.get("content"), place) for kind, part in parts if kind == _TOOL_RESULT]
    rest = [part for kind, part in parts if kind not in (_TOOL_USE, _TOOL_RESULT)]
    return _calls({"tool_calls": calls}, place), results, rest


def _result(text: str) -> Message:
    return _message("user", f"<tool_response>\n{text}\n</tool_response>")


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
            "unknown_form",
            f"{where} is of type {type(turns).__name__}; expected a list of [question, answer], or messages_from, which names"
            " the fields that are read",
        )
    if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in turns):
        roles = ("user", "assistant")
        return [_message(role, text_of(text, where)) for pair in turns for role, text in zip(roles, pair, strict=True)]
    return messages_of_turns(turns, where)


def after_history(value: Any, messages: list[Message]) -> list[Message]:
    """Turns with the earlier ones of a row's history in front.

    They stand once, below the system turn."""
    history = messages_of_history(value, HISTORY)
    first = sum(1 for _ in takewhile(lambda each: each["role"] == "system", messages))
    if messages[first : first + len(history)] == history:
        return messages
    return [*messages[:first], *history, *messages[first:]]
