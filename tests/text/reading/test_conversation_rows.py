from __future__ import annotations

import json
from typing import Any

import pytest
from material.conversations import ASKED, SAID, TURNS, said

from domainlm.text.reading.conversation_rows import rows_of_line, rows_within
from domainlm.text.reading.conversations import Conversation, conversation_of
from domainlm.text.reading.pieces import Rejection

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
        # as jq -s makes one array of several files
        ([[ROW, ROW], [ROW]], [ROW, ROW, ROW]),
        ([[{"instruction": "x", "output": "y", "from": "forum"}, ROW]], [{"instruction": "x", "output": "y", "from": "forum"}, ROW]),
        ([[{"human": "x", "assistant": "y"}] * 2], [{"human": "x", "assistant": "y"}] * 2),
        ([[{"messages": said(*TURNS)}], [ROW, {"frage": "x"}]], [{"messages": said(*TURNS)}, ROW, {"frage": "x"}]),
        ([[said(*TURNS), said(*TURNS)], [said(*TURNS)]], [said(*TURNS)] * 3),
        ([{"data": [ROW, ROW]}, {"data": [ROW]}], [ROW, ROW, ROW]),
        ([[["answer", "question"], [SAID, ASKED]], [["question", "answer"], [ASKED, SAID]]], [ROW, ROW]),
        ([ROW, {"data": [{"frage": "x"}]}, 7], [ROW, {"data": [{"frage": "x"}]}, 7]),
        # pairs of texts are a history as often as rows
        ([[[ASKED, SAID], ["b", "c"]]], [[[ASKED, SAID], ["b", "c"]]]),
        ({"7": ROW, "9": ROW}, [ROW, ROW]),
        ({"question": [ASKED, "b"], "answer": [SAID, "c"]}, [ROW, {"question": "b", "answer": "c"}]),
        ({"question": [ASKED], "answer": [SAID], "history": [[]]}, [{**ROW, "history": []}]),
        ({"messages": [json.dumps(said(*TURNS))]}, [{"messages": json.dumps(said(*TURNS))}]),
        # as pandas writes tables
        ({"question": {"0": ASKED, "1": "b"}, "answer": {"0": SAID, "1": "c"}}, [ROW, {"question": "b", "answer": "c"}]),
        ({"columns": ["id", "question", "answer"], "index": [0], "data": [["7", ASKED, SAID]]}, [{"id": "7", **ROW}]),
        ([["answer", "question"], [SAID, ASKED]], [ROW]),
        ([["a", "b"], ["c", "d"]], [["a", "b"], ["c", "d"]]),
        ({"frage": "x"}, [{"frage": "x"}]),
        # a row's own lists are no rows
        ({"frage": "x", "notes": [{"by": "y"}]}, [{"frage": "x", "notes": [{"by": "y"}]}]),
        ({"instruction": "x", "instances": [{"input": "y", "output": "z"}]},
         [{"instruction": "x", "instances": [{"input": "y", "output": "z"}]}]),
        ({"prompt": said(TURNS[0]), "completion": said(TURNS[1])}, [{"prompt": said(TURNS[0]), "completion": said(TURNS[1])}]),
        ({"contents": said(*TURNS)}, [{"contents": said(*TURNS)}]),
        ([], []),
    ],
)  # fmt: skip
def test_rows_are_found_within_a_file(value: Any, expected: list[Any]) -> None:
    assert rows_within(value) == expected


def test_columns_of_one_s_own_are_found_within_a_file() -> None:
    pair = {"user": "frage", "assistant": "antwort"}
    assert rows_within({"frage": ["a", "b"], "antwort": ["c", "d"]}, pair) == [
        {"frage": "a", "antwort": "c"},
        {"frage": "b", "antwort": "d"},
    ]
    assert rows_within({"frage": "a", "antwort": "b"}, pair) == [{"frage": "a", "antwort": "b"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ROW, [ROW]),
        ([ROW, ROW], [ROW, ROW]),
        (said(*TURNS), [said(*TURNS)]),
        ([[ROW, ROW], [ROW]], [ROW, ROW, ROW]),
        ({"data": [ROW, ROW]}, [ROW, ROW]),
        ({"pairs": [ROW, ROW]}, [{"pairs": [ROW, ROW]}]),
        ({"id": "0", "data": [ASKED, SAID]}, [{"id": "0", "data": [ASKED, SAID]}]),
        # texts that take turns are no column of rows
        ({"conversations": [ASKED, SAID]}, [{"conversations": [ASKED, SAID]}]),
        ([ASKED, SAID], [[ASKED, SAID]]),
        ("text", ["text"]),
    ],
)
def test_rows_are_found_within_a_line(value: Any, expected: list[Any]) -> None:
    assert rows_of_line(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"passage": "Ann came.", "questions": [{"question": "Who came?", "answer": "Ann."}]},
        {"system_prompt": "Be brief.", "data": [{"question": "Who came?", "answer": "Ann."}]},
    ],
)
def test_rows_are_not_taken_from_words_that_they_are_about(value: Any) -> None:
    assert rows_within(value) == [value]
    assert rows_of_line(value) == [value]


def test_the_cells_of_a_table_are_no_turns() -> None:
    uneven = {"columns": ["id", "instruction", "output"], "data": [["1", "tea", "Tee"], ["2", "salt"]]}
    assert rows_within(uneven) == [uneven]
    found = conversation_of(["1", "Translate tea.", "Tee"])
    assert isinstance(found, Rejection)
    assert found.reason == "unknown_form"
    assert isinstance(conversation_of(["Translate tea.", "Tee"]), Conversation)
