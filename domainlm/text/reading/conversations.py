"""From a row of instruction data to a conversation, whatever its form.

In: a row (an object by field name, or a list of turns), and the fields that its source names, if any. Out: the
messages with the name of their form, or a rejection with its reason. Property kept: an assistant's words are taken
verbatim, nothing is invented, and a row of which only a part is understood is refused, because half a conversation
teaches another one.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.text.characters import is_blank
from domainlm.text.reading.conversation_forms import (
    ANSWERS,
    CONTEXTS,
    HISTORY,
    LOOKED_FOR,
    MEDIA,
    PREFERENCES,
    QUESTIONS,
    SYSTEMS,
    TOOLS,
    TURN_LISTS,
    VERDICTS,
    form_of_pair,
    plain_name,
)
from domainlm.text.reading.pieces import Rejection
from domainlm.text.reading.turn_lists import (
    Message,
    Refused,
    is_missing,
    is_turn,
    list_of,
    messages_of_history,
    messages_of_turns,
    shown_names,
    text_of,
)
from domainlm.text.turns import fault_of_turns, without_empty_system

# files beside the data of a set that `datasets` saved to disk
METADATA = "dataset_metadata"
PREFERENCE = "preference_row"


@dataclass(frozen=True)
class Conversation:
    """A row's messages, and the form in which it held them."""

    form: str
    messages: list[Message]


def field_of(record: Mapping[str, Any], name: str) -> Any:
    """Value of a field by its name or dotted path, or None."""
    if name in record or "." not in name:
        return record.get(name)
    found: Any = record
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def conversation_of(row: Any, mapping: Mapping[str, Any] | None = None) -> Conversation | Rejection:
    """The conversation of a row, or why it has none.

    mapping: `messages_from` of the source. Reasons: no_answer, no_question, roles_out_of_order, empty_turn,
    unknown_role, not_text, unknown_form, preference_row, dataset_metadata.
    """
    try:
        form, found = _messages(row, mapping)
        messages = _with_one_system(found)
        fault = fault_of_turns(messages)
    except Refused as refused:
        fault = refused.reason, refused.detail
    if fault is None:
        return Conversation(form, messages)
    keys = shown_names(row) if isinstance(row, dict) else f"a list of {len(row)}"
    return Rejection(fault[0], f"{fault[1]} (the row's fields: {keys})", keys)


def _messages(row: Any, mapping: Mapping[str, Any] | None) -> tuple[str, list[Message]]:
    if isinstance(row, list):
        return "messages", messages_of_turns(row, "the row")
    named: dict[str, Any] = {}
    for name, value in row.items():
        if not is_missing(value):
            named.setdefault(plain_name(str(name)), value)
    _refuse_what_is_no_text(row, named)
    if mapping is not None:
        return "messages_from", _mapped(row, mapping)
    _refuse_preferences(named)
    for name in TURN_LISTS:
        turns = list_of(named.get(name))
        if isinstance(turns, list):
            if not turns:
                raise Refused("empty_turn", f"{name} has no turn")
            return name, [*_beside(named), *messages_of_turns(turns, name)]
    question, answer = _pair(row, named)
    form = form_of_pair(question, answer)
    context = next((name for name in CONTEXTS if name in named and name != question), "")
    asked = [text_of(named.get(name), name) for name in (question, context) if name]
    said = text_of(named[answer], answer)
    return form, [*_beside(named), *messages_of_history(named.get(HISTORY), HISTORY), *_asked(asked), *_said(said)]


def _refuse_preferences(named: Mapping[str, Any]) -> None:
    """Raise Refused for rows of preference data, which are not for SFT."""
    verdict = next(
        (n for n, answer in VERDICTS if isinstance(named.get(n), bool) and (not answer or answer in named)), None
    )
    several = next((n for n in ANSWERS if isinstance(named.get(n), list) and _is_choice(named[n])), None)
    if any(pair[0] in named and pair[1] in named for pair in PREFERENCES):
        raise Refused(PREFERENCE, "a chosen and a rejected answer: preference data, not for SFT")
    if verdict is not None:
        raise Refused(PREFERENCE, f"{verdict} says whether the answer is a good one: preference data, not for SFT")
    if several is not None:
        raise Refused(PREFERENCE, f"{several} has {len(named[several])} answers: preference data, not for SFT")


def _refuse_what_is_no_text(row: Mapping[str, Any], named: Mapping[str, Any]) -> None:
    """Raise Refused for descriptions of data sets, and for pictures and sounds."""
    has_answer = any(name in named for name in (*ANSWERS, *TURN_LISTS))
    if "_data_files" in named or (isinstance(row.get("features"), dict) and not has_answer) or set(row) == {"splits"}:
        raise Refused(METADATA, "describes a data set that was saved to disk, and is no row of it")
    shown = next((name for name in MEDIA if named.get(name) not in (None, "", [], {})), None)
    if shown is not None:
        raise Refused("not_text", f"the row has {shown}, which no text holds")


def _is_choice(value: list[Any]) -> bool:
    return len(value) > 1 and all(isinstance(each, str) for each in value)


def _beside(named: Mapping[str, Any]) -> list[Message]:
    """The system turn beside the turns, with the tools to call."""
    found = [text_of(named.get(name), name) for name in SYSTEMS]
    tools = list_of(named.get(TOOLS))
    if tools and not (isinstance(tools, str) and is_blank(tools)):
        try:
            said = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        except TypeError:
            raise Refused("not_text", f"{TOOLS} is no JSON") from None
        found.append(f"<tools>\n{said.strip()}\n</tools>")
    return [{"role": "system", "content": text} for text in found]


def _pair(row: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[str, str]:
    """The fields of question and answer, or Refused."""

    def is_filled(name: str) -> bool:
        value = named.get(name)
        return value not in (None, []) and not (isinstance(value, str) and is_blank(value))

    for question, own in QUESTIONS.items():
        # an instruction may be empty beside its input
        is_below = question == "instruction" and question in named and is_filled("input")
        is_asked = is_filled(question) or is_below
        answer = next((name for name in (own, *ANSWERS) if name != question and is_filled(name)), None)
        if is_asked and answer is not None:
            return question, answer
    asked = next((name for name in QUESTIONS if is_filled(name)), None)
    said = next((name for name in ANSWERS if is_filled(name)), None)
    if asked is not None:
        raise Refused("no_answer", f"{asked} has no answer; expected one in {', '.join(ANSWERS)}")
    if said is not None:
        raise Refused("no_question", f"{said} has no question; expected one in {', '.join(QUESTIONS)}")
    if any(name in named for name in (*QUESTIONS, *ANSWERS)):
        raise Refused("no_question", "question and answer are empty")
    empty = next((name for name in map(plain_name, map(str, row)) if name in TURN_LISTS and name not in named), None)
    if empty is not None:
        raise Refused("empty_turn", f"{empty} has no turn")
    if (name := next((name for name in TURN_LISTS if name in named), None)) is not None:
        kind = type(named[name]).__name__
        raise Refused("unknown_form", f"{name} is of type {kind}; expected a list of turns, in a table's cell as JSON")
    raise Refused(
        "unknown_form", f"no field is known; expected {LOOKED_FOR}, or sources.*.messages_from, which names the fields"
    )


def _asked(texts: list[str]) -> list[Message]:
    return [{"role": "user", "content": "\n".join(text for text in texts if not is_blank(text))}]


def _said(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def _mapped(row: Mapping[str, Any], mapping: Mapping[str, Any]) -> list[Message]:
    """The messages of the fields that the source names."""
    system = [
        {"role": "system", "content": text_of(field_of(row, name), name)} for name in _names(mapping.get("system"))
    ]
    if (field := mapping.get("turns")) is not None:
        turns = list_of(field_of(row, field))
        if not isinstance(turns, list) or not turns:
            found = "missing or empty" if turns in (None, "", []) else f"of type {type(turns).__name__}"
            raise Refused("unknown_form", f"{field} (messages_from.turns) is {found}; expected a list of turns")
        roles = mapping.get("roles") or {}
        return [*system, *messages_of_turns(turns, field, mapping["role"], mapping["content"], roles)]
    questions, answer = _names(mapping["user"]), mapping["assistant"]
    asked = [text_of(field_of(row, name), name) for name in questions]
    if all(is_blank(text) for text in asked):
        raise Refused("no_question", f"{', '.join(questions)} (messages_from.user) is missing or empty")
    said = text_of(field_of(row, answer), answer)
    if is_blank(said):
        raise Refused("no_answer", f"{answer} (messages_from.assistant) is missing or empty")
    history = [
        each for name in _names(mapping.get("history")) for each in messages_of_history(field_of(row, name), name)
    ]
    return [*system, *history, *_asked(asked), *_said(said)]


def _names(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _with_one_system(messages: list[Message]) -> list[Message]:
    """The messages with the system turns at their beginning as one.

    A system turn that says nothing is no turn.
    """
    kept = without_empty_system(messages)
    first = list(itertools.takewhile(lambda each: each["role"] == "system", kept))
    if len(first) < 2:
        return kept
    texts = dict.fromkeys(each["content"] for each in first)
    return [{"role": "system", "content": "\n\n".join(texts)}, *kept[len(first) :]]


def rows_within(value: Any, mapping: Mapping[str, Any] | None = None) -> list[Any]:
    """The rows of a whole JSON value.

    They are an array's elements, those of the arrays or objects within an object that is no row itself (`{"data":
    [...]}`, `{"train": [...], "test": [...]}`), the rows of columns, or the value.
    """
    if isinstance(value, list):
        return [value] if value and all(is_turn(each) and not _is_row(each) for each in value) else value
    if not isinstance(value, dict):
        return [value]
    if mapping is None and _has_form(value):
        columns = [each for each in value.values() if isinstance(each, list)]
        is_table = len(columns) == len(value) and len({len(each) for each in columns}) == 1
        if is_table and not any(isinstance(cell, dict | list) for column in columns for cell in column):
            return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
        return [value]
    if mapping is not None and any(field_of(value, name) is not None for name in _mapped_names(mapping)):
        return [value]
    lists = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict | list)]
    if lists:
        return [row for each in lists for row in rows_within(each, mapping)]
    objects = [each for each in value.values() if isinstance(each, dict)]
    is_index = len(objects) == len(value) > 0 and any(_has_form(each) for each in objects)
    return objects if is_index else [value]


def _mapped_names(mapping: Mapping[str, Any]) -> list[str]:
    return [name for key in ("turns", "user", "assistant") for name in _names(mapping.get(key))]


def _is_row(value: Mapping[str, Any]) -> bool:
    """Whether a possible turn is a row, having no speaker."""
    names = {plain_name(str(name)) for name in value}
    return names.isdisjoint(("role", "from", "speaker"))


def _has_form(value: Mapping[str, Any]) -> bool:
    """Whether an object is a row by the names of its fields."""
    named = {plain_name(str(name)): each for name, each in value.items()}
    is_pair = any(name in named for name in QUESTIONS) and any(name in named for name in ANSWERS)
    turns = [each for name in TURN_LISTS if isinstance(each := named.get(name), list) and each]
    return is_pair or any(all(is_turn(turn) for turn in each) for each in turns)
