from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domainlm.config.sources import MessagesFrom
from domainlm.pipeline.table import PACKAGE_ROOT
from domainlm.text.reading.conversations import Conversation, conversation_of, rows_within
from domainlm.text.reading.pieces import Rejection

ASKED, SAID = "How long should tea steep?", "About four minutes."
TURNS = [("user", ASKED), ("assistant", SAID)]
CALL = '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'
CLOCK = [
    ("user", "What time is it?"),
    ("assistant", CALL),
    ("user", "<tool_response>\n12:00\n</tool_response>"),
    ("assistant", "Noon."),
]


def turns(row: Any, mapping: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    found = conversation_of(
        row, None if mapping is None else MessagesFrom.model_validate(mapping).model_dump(mode="json")
    )
    assert isinstance(found, Conversation), found
    return [(message["role"], message["content"]) for message in found.messages]


def reason(row: Any, mapping: dict[str, Any] | None = None) -> str:
    found = conversation_of(
        row, None if mapping is None else MessagesFrom.model_validate(mapping).model_dump(mode="json")
    )
    assert isinstance(found, Rejection), found
    return found.reason


def said(*pairs: tuple[str, Any], who: str = "role", what: str = "content") -> list[dict[str, Any]]:
    return [{who: role, what: text} for role, text in pairs]


# form, row, the turns that it has
FORMS = [
    ("alpaca", {"instruction": ASKED, "input": "", "output": SAID}, TURNS),
    ("alpaca", {"instruction": ASKED, "output": SAID}, TURNS),
    ("alpaca", {"instruction": "Translate.", "input": "tea", "output": "Tee"}, [("user", "Translate.\ntea"), ("assistant", "Tee")]),
    ("alpaca", {"instruction": "", "input": ASKED, "output": SAID, "history": None}, TURNS),
    (
        "alpaca",
        {"instruction": ASKED, "input": None, "output": SAID, "system": "Be brief.", "history": [["Hi", "Hello."]]},
        [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), *TURNS],
    ),
    ("instruction_response", {"instruction": ASKED, "response": SAID}, TURNS),
    ("instruction_response", {"instruction": "Who?", "context": "Ann came.", "response": "Ann."},
     [("user", "Who?\nAnn came."), ("assistant", "Ann.")]),
    ("input_output", {"input": ASKED, "output": SAID}, TURNS),
    ("question_answer", {"question": ASKED, "answer": SAID}, TURNS),
    ("question_answer", {"Question": ASKED, "Answer": SAID}, TURNS),
    ("question_answer", {"question": "2 + 2?", "answer": 4}, [("user", "2 + 2?"), ("assistant", "4")]),
    ("prompt_completion", {"prompt": ASKED, "completion": SAID}, TURNS),
    ("prompt_response", {"prompt": ASKED, "response": SAID}, TURNS),
    ("query_response", {"query": ASKED, "response": SAID}, TURNS),
    ("scenario_response", {"scenario": ASKED, "response": SAID}, TURNS),
    ("claim_counter_argument", {"claim": ASKED, "counter_argument": SAID}, TURNS),
    ("claim_counter_argument", {"Claim": ASKED, "Counter-argument": SAID}, TURNS),
    ("problem_solution", {"problem": ASKED, "solution": SAID, "answer": "4"}, TURNS),
    ("inputs_targets", {"inputs": ASKED, "targets": [SAID]}, TURNS),
    ("messages", {"messages": said(*TURNS)}, TURNS),
    ("messages", said(*TURNS), TURNS),
    ("messages", {"messages": said(("human", ASKED), ("gpt", SAID))}, TURNS),
    ("messages", {"messages": said(("developer", "Be brief."), *TURNS)}, [("system", "Be brief."), *TURNS]),
    ("messages", {"messages": said(("system", ""), *TURNS)}, TURNS),
    ("messages", {"messages": said(("system", "One."), ("developer", "Two."), *TURNS)}, [("system", "One.\n\nTwo."), *TURNS]),
    ("messages", {"messages": said(("user", [{"type": "text", "text": ASKED}]), ("assistant", [SAID]))}, TURNS),
    ("messages", {"messages": json.dumps(said(*TURNS))}, TURNS),
    ("messages", {"messages": said(*TURNS), "prompt": "unused", "prompt_id": "7"}, TURNS),
    ("messages", {"messages": said(*TURNS, ("user", "Thanks"))}, [*TURNS, ("user", "Thanks")]),
    (
        "messages",
        {"messages": [
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"type": "function", "function": {"name": "clock", "arguments": "{}"}}]},
            {"role": "tool", "content": "12:00"},
            {"role": "assistant", "content": "Noon."},
        ]},
        CLOCK,
    ),
    (
        "messages",
        {"messages": [
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": "", "function_call": {"name": "clock", "arguments": {}}},
            {"role": "function", "name": "clock", "content": "12:00"},
            {"role": "assistant", "content": "Noon."},
        ]},
        CLOCK,
    ),
    ("conversations", {"conversations": said(("human", ASKED), ("gpt", SAID), who="from", what="value")}, TURNS),
    ("conversations", {"conversations": said(("user", ASKED), ("assistant", SAID), who="from", what="value")}, TURNS),
    ("conversations", {"conversations": None, "question": ASKED, "answer": SAID}, TURNS),
    ("conversation", {"conversation": said(("human", ASKED), ("gpt", SAID), who="from", what="value")}, TURNS),
    ("conversation", {"conversation": [{"human": ASKED, "assistant": SAID}]}, TURNS),
    ("conversation", {"conversation": [{"system": "Be brief.", "input": ASKED, "output": SAID}]}, [("system", "Be brief."), *TURNS]),
    (
        "conversations",
        {"system": "Be brief.", "tools": '[{"name": "clock"}]', "conversations": said(
            ("human", "What time is it?"), ("function_call", '{"name": "clock", "arguments": {}}'),
            ("observation", "12:00"), ("gpt", "Noon."), who="from", what="value")},
        [("system", 'Be brief.\n\n<tools>\n[{"name": "clock"}]\n</tools>'), *CLOCK],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("form", "row", "expected"), FORMS)
def test_every_form_gives_its_turns(form: str, row: Any, expected: list[tuple[str, str]]) -> None:
    found = conversation_of(row)
    assert isinstance(found, Conversation), found
    expected_form = (
        "question_answer" if form == "conversations" and isinstance(row, dict) and "question" in row else form
    )
    assert found.form == expected_form
    assert turns(row) == expected


REFUSED = [
    ("no_answer", {"question": ASKED, "answer": None}),
    ("no_answer", {"question": ASKED, "answer": " \n"}),
    ("no_answer", {"instruction": ASKED, "input": ""}),
    ("no_answer", {"messages": said(("user", ASKED))}),
    ("no_question", {"question": "", "answer": SAID}),
    ("no_question", {"answer": SAID}),
    ("no_question", {"messages": said(("system", "Be brief."), ("assistant", SAID))}),
    ("no_question", {"instruction": "", "input": "", "output": ""}),
    ("roles_out_of_order", {"messages": said(("assistant", SAID), ("user", ASKED))}),
    ("roles_out_of_order", {"messages": said(("system", "x"), ("assistant", SAID), ("user", ASKED))}),
    ("roles_out_of_order", {"messages": said(("user", ASKED), ("user", ASKED), ("assistant", SAID))}),
    ("roles_out_of_order", {"messages": said(*TURNS, ("assistant", SAID))}),
    ("roles_out_of_order", {"messages": said(*TURNS, ("system", "late"))}),
    ("roles_out_of_order", {"messages": said(("user", ASKED), ("tool", "12:00"), ("assistant", SAID))}),
    ("empty_turn", {"messages": said(("user", "\u200b"), ("assistant", SAID))}),
    ("empty_turn", {"messages": said(*TURNS, ("user", "x"), ("assistant", ""))}),
    ("empty_turn", {"messages": []}),
    ("empty_turn", {"messages": None, "text": SAID}),
    ("unknown_role", {"messages": said(("user", ASKED), ("critic", SAID))}),
    ("not_text", {"messages": said(("user", [{"type": "image_url", "image_url": {}}]), ("assistant", SAID))}),
    ("not_text", {"question": ASKED, "answer": SAID, "images": ["a.png"]}),
    ("unknown_form", {"frage": ASKED, "antwort": SAID}),
    ("unknown_form", {"text": SAID}),
    ("unknown_form", {"messages": "[{'role': 'user'}]"}),
    ("unknown_form", {}),
    ("preference_row", {"prompt": ASKED, "chosen": SAID, "rejected": "No."}),
    ("preference_row", {"conversations": said(*TURNS), "chosen": said(*TURNS[1:]), "rejected": said(*TURNS[1:])}),
    ("preference_row", {"instruction": ASKED, "output": [SAID, "No."]}),
    ("preference_row", {"prompt": ASKED, "completion": SAID, "label": False}),
    ("dataset_metadata", {"_data_files": [{"filename": "data.arrow"}], "_fingerprint": "0"}),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "row"), REFUSED)
def test_a_row_that_cannot_be_used_has_its_reason(expected: str, row: Any) -> None:
    assert reason(row) == expected


def test_a_refusal_names_the_fields_of_the_row_but_nobody_s_words() -> None:
    found = conversation_of({"frage": "x", "antwort": "y", "Ann Smith, born 1.2.1980": "z"})
    assert isinstance(found, Rejection)
    assert found.keys == "frage, antwort, (no plain name)"
    assert "frage, antwort" in found.detail
    assert "Smith" not in found.detail


def test_words_are_taken_as_they_are() -> None:
    code = "    for x in y:\n        print(x)  \n\n\n"
    assert turns({"question": "Loop.", "answer": code})[1] == ("assistant", code)
    assert turns({"messages": said(("user", "Loop."), ("assistant", code))})[1] == ("assistant", code)


def test_the_forms_of_the_page_are_imported() -> None:
    page = (PACKAGE_ROOT / "docs/how-to/instruction-data.md").read_text(encoding="utf-8")
    table = page.partition("## The forms")[2].partition("- Any known question")[0]
    shown = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "{`" in line or "`{" in line
    ]
    assert len(shown) == 12
    for names, example in shown:
        found = conversation_of(json.loads("".join(re.findall("`([^`]+)`", example))))
        assert isinstance(found, Conversation), example
        assert f"`{found.form}`" in names or names == "pairs in a list"


MAPPED = [
    ({"user": "frage", "assistant": "antwort"}, {"frage": ASKED, "antwort": SAID, "question": "x", "answer": "y"}, TURNS),
    (
        {"user": ["titel", "frage"], "assistant": "antwort", "system": "rolle", "history": "vorher"},
        {"titel": "Tea", "frage": ASKED, "antwort": SAID, "rolle": "Be brief.", "vorher": [["Hi", "Hello."]]},
        [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", f"Tea\n{ASKED}"), ("assistant", SAID)],
    ),
    ({"user": "data.q", "assistant": "data.a"}, {"data": {"q": ASKED, "a": SAID}}, TURNS),
    ({"user": "prompt", "assistant": "chosen"}, {"prompt": ASKED, "chosen": SAID, "rejected": "No."}, TURNS),
    (
        {"turns": "chat", "role": "who", "content": "what", "roles": {"customer": "user", "agent": "assistant"}},
        {"chat": [{"who": "customer", "what": ASKED}, {"who": "agent", "what": SAID}]},
        TURNS,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mapping", "row", "expected"), MAPPED)
def test_own_columns_are_mapped(mapping: dict[str, Any], row: Any, expected: list[tuple[str, str]]) -> None:
    assert turns(row, mapping) == expected


def test_what_a_mapping_does_not_find_is_refused() -> None:
    pair = {"user": "frage", "assistant": "antwort"}
    assert reason({"frage": ASKED}, pair) == "no_answer"
    assert reason({"antwort": SAID}, pair) == "no_question"
    assert reason({"question": ASKED, "answer": SAID}, pair) == "no_question"
    assert reason({"messages": said(*TURNS)}, {"turns": "chat"}) == "unknown_form"


ROW = {"question": ASKED, "answer": SAID}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ROW, [ROW]),
        ([ROW, ROW], [ROW, ROW]),
        ({"data": [ROW, ROW]}, [ROW, ROW]),
        ({"version": "1", "train": [ROW], "test": [ROW, ROW]}, [ROW, ROW, ROW]),
        ({"data": [{"frage": "x"}]}, [{"frage": "x"}]),
        ({"conversations": [{"messages": said(*TURNS)}]}, [{"messages": said(*TURNS)}]),
        ({"messages": said(*TURNS)}, [{"messages": said(*TURNS)}]),
        (said(*TURNS), [said(*TURNS)]),
        ([said(*TURNS), said(*TURNS)], [said(*TURNS), said(*TURNS)]),
        ({"7": ROW, "9": ROW}, [ROW, ROW]),
        ({"question": [ASKED, "b"], "answer": [SAID, "c"]}, [ROW, {"question": "b", "answer": "c"}]),
        ({"frage": "x"}, [{"frage": "x"}]),
        ([], []),
    ],
)
def test_rows_are_found_within_a_file(value: Any, expected: list[Any]) -> None:
    assert rows_within(value) == expected
