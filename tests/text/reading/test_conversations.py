from __future__ import annotations

import json
import re
from typing import Any

import pytest
from material.conversations import ASKED, SAID, TURNS, said

from domainlm.config.sources import MessagesFrom
from domainlm.pipeline.table import PACKAGE_ROOT
from domainlm.text.reading.conversations import Conversation, conversation_of
from domainlm.text.reading.pieces import Rejection

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
    ("question_answer", {"conversations": None, "question": ASKED, "answer": SAID}, TURNS),
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
    # question and answer as lists of turns (TRL), and as one turn
    ("prompt_completion", {"prompt": said(("system", "Be brief."), TURNS[0]), "completion": said(TURNS[1])},
     [("system", "Be brief."), *TURNS]),
    ("prompt_completion", {"prompt": said(TURNS[0]), "completion": SAID}, TURNS),
    ("input_output", {"input": said(TURNS[0]), "output": {"role": "assistant", "content": SAID}}, TURNS),
    # the answer beside turns that end with a question
    ("messages_response", {"messages": said(TURNS[0]), "response": SAID}, TURNS),
    ("messages", {"messages": said(*TURNS), "answer": "4"}, TURNS),
    # lists of texts, and of turns, under other names
    ("data", {"id": "0", "data": [ASKED, SAID]}, TURNS),
    ("items", {"id": "0", "items": said(("human", ASKED), ("gpt", SAID), who="from", what="value")}, TURNS),
    ("question_answer", {"question": ASKED, "answer": SAID, "items": ["a", "b"], "data": ["a", "b"]}, TURNS),
    (
        "contents",
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": ASKED}]}, {"role": "model", "parts": [{"text": SAID}]}],
        },
        [("system", "Be brief."), *TURNS],
    ),
    ("messages", {"system": [{"text": "Be brief."}], "messages": said(("user", [{"text": ASKED}]), ("assistant", SAID))},
     [("system", "Be brief."), *TURNS]),
    ("conversation", {"conversation": said(("USER", ASKED), ("CHATBOT", SAID), what="message")}, TURNS),
    ("conversation", {"conversation": [{"query": ASKED, "response": SAID}]}, TURNS),
    # how tables hold turns: as columns, and with every field that any turn has
    ("messages", {"messages": {"role": ["user", "assistant"], "content": [ASKED, SAID]}}, TURNS),
    ("conversations", {"conversations": [{"role": None, "from": role, "content": None, "value": text} for role, text in TURNS]}, TURNS),
    ("question_answer", {"conversations": [], "question": ASKED, "answer": SAID}, TURNS),
    ("alpaca", {"instruction": ASKED, "output": SAID, "chosen": "", "rejected": ""}, TURNS),
    (
        "messages",
        {"messages": [
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "clock", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "12:00"}]},
            {"role": "assistant", "content": "Noon."},
        ]},
        CLOCK,
    ),
    # of a question with its instruction, and of all that it is about, nothing is dropped
    ("question_answer", {"instruction": "Be brief.", "question": ASKED, "answer": SAID}, [("user", f"Be brief.\n{ASKED}"), TURNS[1]]),
    ("problem_solution", {"instruction": "Be brief.", "problem": ASKED, "solution": SAID, "answer": "4"},
     [("user", f"Be brief.\n{ASKED}"), TURNS[1]]),
    ("question_answer", {"article": "Tea needs time.", "question": ASKED, "answer": SAID},
     [("user", f"{ASKED}\nTea needs time."), TURNS[1]]),
    ("alpaca", {"instruction": ASKED, "input": "Tea.", "context": "Green.", "output": SAID},
     [("user", f"{ASKED}\nTea.\nGreen."), TURNS[1]]),
    ("query_response", {"query": ASKED, "response": SAID, "history": [{"query": "Hi", "response": "Hello."}]},
     [("user", "Hi"), ("assistant", "Hello."), *TURNS]),
    ("prompt_generation", {"prompt": ASKED, "generation": SAID}, TURNS),
    ("input_text_output_text", {"input_text": ASKED, "output_text": SAID}, TURNS),
]  # fmt: skip


@pytest.mark.parametrize(("form", "row", "expected"), FORMS)
def test_every_form_gives_its_turns(form: str, row: Any, expected: list[tuple[str, str]]) -> None:
    found = conversation_of(row)
    assert isinstance(found, Conversation), found
    assert found.form == form
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
    ("preference_row", {"query": ASKED, "response": SAID, "rejected_response": "No."}),
    ("preference_row", {"input": {"messages": said(TURNS[0])}, "preferred_output": said(TURNS[1]), "non_preferred_output": said(TURNS[1])}),
    ("preference_row", {"prompt": ASKED, "response_0": SAID, "response_1": "No."}),
    ("preference_row", {"messages": said(*TURNS), "label": False}),
    ("preference_row", {"prompt": ASKED, "completion": SAID, "label": "False"}),
    ("preference_row", {"instruction": ASKED, "completions": [{"response": SAID}, {"response": "No."}]}),
    ("unlearned_answer", {"messages": [*said(*TURNS, ("user", "x")), {"role": "assistant", "content": "y", "weight": 0}]}),
    ("unlearned_answer", {"messages": [said(TURNS[0])[0], {"role": "assistant", "content": SAID, "loss": False}]}),
    ("unknown_form", {"question": ASKED, "choices": ["4", "60"], "answer": 0}),
    ("unknown_form", {"question": ASKED, "options": {"A": "4", "B": "60"}, "answer": "4"}),
    ("unknown_form", {"conversations": [*said(*TURNS, ("user", "x")), {"role": "tool", "observation": "12:00"}]}),
    ("unknown_form", {"role": "user", "text": ASKED}),
    ("unknown_form", {"prompt": {"text": ASKED, "role": "prompter", "replies": [{"text": SAID}]}}),
    ("unknown_form", {"text": f"### Human: {ASKED}\n### Assistant: {SAID}"}),
    ("not_text", {"messages": said(("user", ASKED), ("assistant", [{"type": "thinking", "thinking": "x"}]))}),
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


@pytest.mark.parametrize(
    ("row", "said_of_it"),
    [
        ({"role": "user", "text": ASKED}, "the row is one turn; expected all turns of a conversation in one row"),
        ({"prompt": {"text": ASKED, "replies": []}}, "prompt is a tree of messages (replies)"),
        ({"text": "<|im_start|>user\nx<|im_end|>"}, "text is a conversation within one text; expected a list of turns"),
        ({"question": ASKED, "choices": ["4"], "answer": 0}, "messages_from: {user: [question, choices], ...}"),
        (
            {"messages": said(("user", [{"functionCall": {}}]), TURNS[1])},
            "with the fields functionCall; expected texts",
        ),
    ],
)
def test_a_refusal_says_what_the_row_is(row: Any, said_of_it: str) -> None:
    found = conversation_of(row)
    assert isinstance(found, Rejection)
    assert said_of_it in found.detail


def test_an_answer_that_is_to_be_learned_may_say_so() -> None:
    marked = [{**turn, "weight": weight} for turn, weight in zip(said(*TURNS), (0, 1), strict=True)]
    assert turns({"messages": marked}) == TURNS
    assert turns({"messages": [{**turn, "weight": None} for turn in said(*TURNS)]}) == TURNS


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
    assert len(shown) == 16
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
    ({"user": "p", "assistant": "c"}, {"p": said(TURNS[0]), "c": said(TURNS[1])}, TURNS),
    ({"turns": "chat"}, {"chat": {"role": ["user", "assistant"], "content": [ASKED, SAID]}}, TURNS),
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
    assert reason({"frage": ASKED, "antwort": [SAID, "No."]}, pair) == "preference_row"


@pytest.mark.parametrize("tools", [[{"name": "x\ud800"}], '[{"name": "x\\ud800"}]'])
def test_half_a_character_in_tools_is_replaced(tools: Any) -> None:
    found = conversation_of({"instruction": "Hello", "output": "Hi.", "tools": tools})
    assert isinstance(found, Conversation)
    assert found.messages[0]["content"] == '<tools>\n[{"name": "x\ufffd"}]\n</tools>'


def test_half_a_character_in_a_name_is_not_shown() -> None:
    rows = [
        {"messages": [{"role": "us\ud800er", "content": "q"}]},
        {"messages": [{"\ud800": "q"}]},
        {"\ud800": "q"},
        {"messages": [{"role": "user", "content": [{"type": "\ud800"}]}]},
    ]
    for row in rows:
        found = conversation_of(row)
        assert isinstance(found, Rejection)
        assert f"{found.detail} {found.keys}".encode()
