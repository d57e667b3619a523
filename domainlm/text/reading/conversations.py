"""From a row of instruction data to a conversation, whatever its form.

In: a row (an object by field name, or a list of turns), and the fields that its source names, if any. Out: the
messages with the name of their form, or a rejection with its reason. Property kept: an assistant's words are taken
verbatim, nothing is invented, and a row of which only a part is understood is refused, because half a conversation
teaches another one.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.raw.surrogates import without_surrogates
from domainlm.text.characters import is_blank
from domainlm.text.reading.columns import alike_names
from domainlm.text.reading.conversation_forms import (
    ANSWERS,
    CHOICES,
    CONTEXTS,
    HISTORY,
    INSTRUCTED,
    LOOKED_FOR,
    MEDIA,
    METADATA,
    OTHER_TURN_LISTS,
    PREFERENCE,
    QUESTIONS,
    SPEAKERS,
    SYSTEMS,
    TEXT_LIST,
    TOOLS,
    TURN_LISTS,
    WORDS,
    form_of_pair,
    is_filled,
    names_of,
    plain_name,
)
from domainlm.text.reading.pieces import Rejection
from domainlm.text.reading.preference_forms import is_choice, preference_in
from domainlm.text.reading.turn_lists import (
    after_history,
    are_spoken,
    list_of,
    messages_of_history,
    messages_of_turns,
    turns_in,
)
from domainlm.text.reading.turn_words import Message, Refused, shown_names, text_of
from domainlm.text.turns import fault_of_turns, without_empty_system

# fields whose text may be a whole conversation, and how such a text marks its turns
MARKED = ("text", *TURN_LISTS, *OTHER_TURN_LISTS)
_MARKS_OF_TURNS = re.compile(
    r"^[ \t]*(?:###[ \t]*|<\|)?(?:human|user|assistant|instruction|response)[ \t]*(?:\|>|:)"
    r"|<\|im_start\|>|\[INST\]|<start_of_turn>|<\|start_header_id\|>",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Conversation:
    """A row's messages, and the form in which it held them."""

    form: str
    messages: list[Message]


def field_of(record: Mapping[str, Any], name: str) -> Any:
    """Value of a field by its name or dotted path, or None.

    Where there is none, one name that differs in capitals and blanks around it is taken, as people write headings.
    """
    if name in record:
        return record[name]
    if "." in name and (found := _at_path(record, name.split("."))) is not None:
        return found
    alike = alike_names(record, name)
    return record[alike[0]] if len(alike) == 1 else None


def _at_path(record: Mapping[str, Any], parts: list[str]) -> Any:
    found: Any = record
    for part in parts:
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def conversation_of(row: Any, mapping: Mapping[str, Any] | None = None) -> Conversation | Rejection:
    """The conversation of a row, or why it has none.

    mapping: `messages_from` of the source. Reasons: no_answer, no_question, roles_out_of_order, empty_turn,
    unlearned_answer, unknown_role, not_text, unknown_form, preference_row, dataset_metadata.
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
        if len(row) % 2 and _are_texts(row):
            # cells of a table as often as turns, and then the first would be learned as asking for the second
            raise Refused(
                "unknown_form", f"the row is a list of {len(row)} texts; expected question and answer in turn"
            )
        return "messages", messages_of_turns(row, "the row")
    named = names_of(row)
    _refuse_what_is_no_text(row, named)
    if mapping is not None:
        return "messages_from", _mapped(row, mapping)
    if (why := preference_in(named)) is not None:
        raise Refused(PREFERENCE, f"{why}: preference data, not for SFT")
    for name in TURN_LISTS:
        turns = turns_in(named.get(name))
        if isinstance(turns, list) and turns:
            _refuse_questions_alone(turns, name, named)
            return _with_answer(
                name, [*_beside(named), *after_history(named.get(HISTORY), messages_of_turns(turns, name))], named
            )
    try:
        question, answer = _pair(row, named)
    except Refused:
        for name in OTHER_TURN_LISTS:
            turns = turns_in(named.get(name))
            if are_spoken(turns) or (name == TEXT_LIST and _are_texts(turns)):
                return _with_answer(
                    name, [*_beside(named), *after_history(named.get(HISTORY), messages_of_turns(turns, name))], named
                )
        raise
    turns = [*_asked_in(named, question, answer), *_said_in(named, answer)]
    return form_of_pair(question, answer), [*_beside(named), *after_history(named.get(HISTORY), turns)]


def _refuse_questions_alone(turns: list[Any], name: str, named: Mapping[str, Any]) -> None:
    """Raise Refused for texts that are questions alone.

    MT-Bench asks them one after the other; taken in turn, its second question would be learned as the answer to the first.
    """
    if "question_id" in named and _are_texts(turns):
        raise Refused("no_answer", f"{name} are texts beside a question_id, so questions alone; expected answers, too")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(each, str) for each in value)


def _with_answer(name: str, messages: list[Message], named: Mapping[str, Any]) -> tuple[str, list[Message]]:
    """Form and turns of a list, with an answer beside it.

    One stands there where the list ends with the user's turn.
    """
    answer = next((each for each in ANSWERS if is_filled(named.get(each))), None)
    if answer is None or not messages or messages[-1]["role"] != "user":
        return name, messages
    return f"{name}_{answer}", [*messages, *_said_in(named, answer)]


def _asked_in(named: Mapping[str, Any], question: str, answer: str) -> list[Message]:
    """The turns up to the answer, with all that they concern."""
    contexts = [name for name in CONTEXTS if name != question and is_filled(named.get(name))]
    if (choices := next((name for name in CHOICES if is_filled(named.get(name))), None)) is not None:
        raise Refused(
            "unknown_form", f"{choices} is not read beside {question} and {answer}; {_named_in(question, choices)}"
        )
    turns = list_of(named.get(question))
    if not are_spoken(turns):
        above = ["instruction"] if question in INSTRUCTED else []
        names = dict.fromkeys((*above, question, *contexts))
        texts = [text_of(named.get(name), name) for name in names]
        return _asked(list(dict.fromkeys(texts)))
    if contexts:
        raise Refused("unknown_form", f"{question} is a list of turns, and {contexts[0]} beside it is not read")
    return messages_of_turns(turns, question)


def _named_in(question: str, more: str) -> str:
    return f"what a question consists of can be named: sources.*.messages_from: {{user: [{question}, {more}], ...}}"


def _said_in(named: Mapping[str, Any], answer: str) -> list[Message]:
    """The turns of an answer, which may be a list."""
    turns = list_of(named[answer])
    turns = [turns] if isinstance(turns, dict) else turns
    return messages_of_turns(turns, answer) if are_spoken(turns) else _said(text_of(named[answer], answer))


def _refuse_what_is_no_text(row: Mapping[str, Any], named: Mapping[str, Any]) -> None:
    """Raise Refused for descriptions of data sets, and for pictures and sounds."""
    has_answer = any(name in named for name in (*ANSWERS, *TURN_LISTS))
    if "_data_files" in named or (isinstance(row.get("features"), dict) and not has_answer) or set(row) == {"splits"}:
        raise Refused(METADATA, "describes a data set that was saved to disk, and is no row of it")
    shown = next((name for name in MEDIA if named.get(name) not in (None, "", [], {})), None)
    if shown is not None:
        raise Refused("not_text", f"the row has {shown}, which no text holds")


def _beside(named: Mapping[str, Any]) -> list[Message]:
    """The system turn beside the turns, with the tools to call."""
    found = [text_of(named.get(name), name) for name in SYSTEMS]
    tools = list_of(named.get(TOOLS))
    if tools and not (isinstance(tools, str) and is_blank(tools)):
        try:
            said = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        except TypeError:
            raise Refused("not_text", f"{TOOLS} is no JSON") from None
        # escapes within the JSON may name halves of characters
        found.append(f"<tools>\n{without_surrogates(said.strip())}\n</tools>")
    return [{"role": "system", "content": text} for text in found]


def _pair(row: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[str, str]:
    """The fields of question and answer, or Refused."""

    filled = [name for name in dict.fromkeys((*QUESTIONS, *ANSWERS)) if is_filled(named.get(name))]
    for question, own in QUESTIONS.items():
        # an instruction may be empty beside its input
        is_below = question == "instruction" and question in named and "input" in filled
        answer = next((name for name in (own, *ANSWERS) if name != question and name in filled), None)
        if answer is None or not (question in filled or is_below):
            continue
        if question == "instruction" and (about := next((name for name in INSTRUCTED if name in filled), None)):
            return about, QUESTIONS[about] if QUESTIONS[about] in filled else answer
        return question, answer
    asked = next((name for name in QUESTIONS if name in filled), None)
    said = next((name for name in ANSWERS if name in filled), None)
    if (hint := _hint(named)) is not None:
        raise Refused("unknown_form", hint)
    if asked is not None:
        raise Refused("no_answer", f"{asked} has no answer; expected one in {', '.join(ANSWERS)}")
    if said is not None:
        raise Refused("no_question", f"{said} has no question; expected one in {', '.join(QUESTIONS)}")
    if any(name in named for name in (*QUESTIONS, *ANSWERS)):
        raise Refused("no_question", "question and answer are empty")
    if (name := next((name for name in map(plain_name, map(str, row)) if name in TURN_LISTS), None)) is not None:
        if not is_filled(named.get(name)):
            raise Refused("empty_turn", f"{name} has no turn")
        kind = type(named[name]).__name__
        raise Refused("unknown_form", f"{name} is of type {kind}; expected a list of turns, in a table's cell as JSON")
    raise Refused(
        "unknown_form", f"no field is known; expected {LOOKED_FOR}, or sources.*.messages_from, which names the fields"
    )


def _hint(named: Mapping[str, Any]) -> str | None:
    """What a row is that is near to a conversation, or None."""
    if any(name in named for name in SPEAKERS) and any(isinstance(named.get(name), str) for name in WORDS):
        return "the row is one turn; expected all turns of a conversation in one row, as a list"
    for name, value in named.items():
        if isinstance(value, dict) and isinstance(value.get("replies"), list):
            return f"{name} is a tree of messages (replies); expected one of its paths, as a list of turns"
        if name in MARKED and isinstance(value, str) and _MARKS_OF_TURNS.search(value):
            return f"{name} is a conversation within one text; expected a list of turns, because an answer may hold such marks"
    return None


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
        turns = turns_in(field_of(row, field))
        if not isinstance(turns, list) or not turns:
            found = "missing or empty" if turns in (None, "", []) else f"of type {type(turns).__name__}"
            raise Refused("unknown_form", f"{field} (messages_from.turns) is {found}; expected a list of turns")
        roles = mapping.get("roles") or {}
        return [*system, *messages_of_turns(turns, field, mapping["role"], mapping["content"], roles)]
    questions, answer = _names(mapping["user"]), mapping["assistant"]
    named = {name: field_of(row, name) for name in (*questions, answer)}
    if is_choice(named[answer]):
        raise Refused(PREFERENCE, f"{answer} has {len(named[answer])} answers: preference data, not for SFT")
    spoken = list_of(named[questions[0]])
    if len(questions) == 1 and are_spoken(spoken):
        asked = messages_of_turns(spoken, questions[0])
    else:
        asked = _asked([text_of(named[name], name) for name in questions])
    if all(is_blank(each["content"]) for each in asked):
        raise Refused("no_question", f"{', '.join(questions)} (messages_from.user) is missing or empty")
    said = _said_in(named, answer)
    if all(is_blank(each["content"]) for each in said):
        raise Refused("no_answer", f"{answer} (messages_from.assistant) is missing or empty")
    history = [
        each for name in _names(mapping.get("history")) for each in messages_of_history(field_of(row, name), name)
    ]
    return [*system, *history, *asked, *said]


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
