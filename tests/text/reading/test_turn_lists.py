from __future__ import annotations

import time
from typing import Any

import pytest
from material.conversations import ASKED, SAID, TURNS, said

from domainlm.text.reading.conversations import Conversation, conversation_of
from domainlm.text.reading.pieces import Rejection


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"turns": [{"instruction": "Translate.", "input": "tea", "output": "Tee"}]},
            [("user", "Translate.\ntea"), ("assistant", "Tee")],
        ),
        (
            {"dialogue": [{"question": "Who came?", "context": "Ann came.", "answer": "Ann."}]},
            [("user", "Who came?\nAnn came."), ("assistant", "Ann.")],
        ),
        (
            {
                "prompt": "And?",
                "response": "So.",
                "history": [{"input": "tea", "instruction": "Spell.", "output": "t-e-a"}],
            },
            [("user", "Spell.\ntea"), ("assistant", "t-e-a"), ("user", "And?"), ("assistant", "So.")],
        ),
    ],
)
def test_what_a_pair_within_a_list_is_about_is_kept(row: Any, expected: list[tuple[str, str]]) -> None:
    found = conversation_of(row)
    assert isinstance(found, Conversation)
    assert [(message["role"], message["content"]) for message in found.messages] == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"conversation": [{"human": "Hello", "assistant": "Hello.", "weight": 0}]}, "unlearned_answer"),
        ({"conversation": [{"input": "Hello", "output": "Hi.", "output_with_loss": False}]}, "unlearned_answer"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "train": "false"}]},
            "unlearned_answer",
        ),
        ({"turns": [{"question": "Which?", "choices": ["a", "b"], "answer": "a"}]}, "unknown_form"),
        ({"question_id": 81, "category": "writing", "turns": ["Write a letter.", "Shorten it."]}, "no_answer"),
    ],
)
def test_what_a_list_does_not_teach_is_refused(row: Any, reason: str) -> None:
    found = conversation_of(row)
    assert isinstance(found, Rejection)
    assert found.reason == reason


def test_many_calls_of_one_turn_are_joined_once() -> None:
    call = {"role": "assistant", "content": "x" * 50, "tool_calls": [{"name": "f", "arguments": {}}]}
    rows = [{"role": "user", "content": "q"}, *[call] * 20_000, {"role": "assistant", "content": " "}]
    begun = time.process_time()
    found = conversation_of({"messages": rows})
    assert isinstance(found, Conversation)
    assert [len(message["content"].splitlines()) for message in found.messages] == [1, 80_000]
    # joined anew for each call, it takes minutes
    assert time.process_time() - begun < 20


EARLIER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


@pytest.mark.parametrize("history", [[["Hi", "Hello."]], EARLIER, '[["Hi", "Hello."]]'])
@pytest.mark.parametrize(
    ("row", "roles"),
    [
        ({"messages": said(*TURNS)}, "uaua"),
        ({"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]}, "uaua"),
        ({"messages": [{"role": "system", "content": "Be brief."}, *said(*TURNS)]}, "suaua"),
        ({"messages": said(*TURNS), "system": "Be brief."}, "suaua"),
        ({"messages": said(TURNS[0]), "response": SAID}, "uaua"),
        ({"chat": said(*TURNS)}, "uaua"),
        ({"prompt": said(TURNS[0]), "completion": said(TURNS[1])}, "uaua"),
        ({"prompt": [{"role": "system", "content": "Be brief."}, *said(TURNS[0])], "completion": SAID}, "suaua"),
        # a list that begins with it already
        ({"messages": [*EARLIER, *said(*TURNS)]}, "uaua"),
    ],
)
def test_history_beside_turns_comes_first(row: dict[str, Any], roles: str, history: Any) -> None:
    found = conversation_of({**row, "history": history})
    assert isinstance(found, Conversation)
    assert "".join(message["role"][0] for message in found.messages) == roles
    assert [message["content"] for message in found.messages][-4:] == ["Hi", "Hello.", ASKED, SAID]


def test_history_that_is_no_turns_is_refused() -> None:
    found = conversation_of({"messages": said(*TURNS), "history": "Tea since 2001."})
    assert isinstance(found, Rejection)
    assert found.reason == "unknown_form"
    assert "history is of type str" in found.detail
    # the source may say that it is not read
    turns = {"turns": "messages", "role": "role", "content": "content"}
    assert isinstance(conversation_of({"messages": said(*TURNS), "history": "Tea since 2001."}, turns), Conversation)
