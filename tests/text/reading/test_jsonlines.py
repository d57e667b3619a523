from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from domainlm.config.text import Documents
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.jsonlines import decoded_line, read_json, read_jsonl
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import RecordSettings

CONVERSATION = [{"role": "user", "content": "肺炎？"}, {"role": "assistant", "content": "A lung disease."}]
LINES = (
    b"\xef\xbb\xbf"
    + "\n".join(
        [
            json.dumps({"title": "Lung", "text": "It breathes."}),
            "",
            json.dumps({"text": "肺炎是疾病。"}, ensure_ascii=False),
            "{not json",
            json.dumps(["a list"]),
            json.dumps({"title": "no text"}),
            json.dumps({"text": "half a pair \ud83d", "messages": "x"}),
            json.dumps({"messages": CONVERSATION, "id": 7}),
            json.dumps({"text": "last, without a line end"}),
        ]
    ).encode()
)


def read(
    data: bytes = LINES, start: int = 0, end: int | None = None, role: str = "corpus", **options: int
) -> list[Piece | Rejection]:
    config = Documents.model_validate(options)
    return list(
        read_jsonl(io.BytesIO(data), start, len(data) if end is None else end, RecordSettings(role, "a.jsonl", config))
    )


def test_records_and_bad_lines() -> None:
    found = read()
    assert [f.text for f in found if isinstance(f, Piece)] == [
        "Lung\n\nIt breathes.",
        "肺炎是疾病。",
        "肺炎？\n\nA lung disease.",
        "last, without a line end",
    ]
    reasons = [f.reason for f in found if isinstance(f, Rejection)]
    assert reasons == ["invalid_json", "invalid_record", "no_text", "no_messages"]
    chinese = next(f for f in found if isinstance(f, Piece) and f.text.startswith("肺炎是"))
    assert json.loads(LINES[chinese.start : chinese.end]) == {"text": "肺炎是疾病。"}
    assert chinese.group == f"a.jsonl#{chinese.start}"


def test_conversations_are_kept_whole() -> None:
    found = [f for f in read(role="instruction") if isinstance(f, Piece)]
    assert [json.loads(f.meta) for f in found] == [{"messages": CONVERSATION, "messages_form": "messages"}]
    only_user = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    assert [f.reason for f in read(only_user, role="instruction") if isinstance(f, Rejection)] == ["no_answer"]


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}])
def test_rows_of_an_array_in_one_line_are_no_conversation(wrap: Callable[[list[Any]], Any]) -> None:
    rows = [{"question": f"Question {number}?", "answer": f"Answer {number}."} for number in range(3)]
    line = json.dumps(wrap(rows)).encode() + b"\n"
    data = line + json.dumps(rows[0]).encode() + b"\n"
    found = list(read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("instruction", "a.jsonl", Documents())))
    pieces = [each for each in found if isinstance(each, Piece)]
    assert [each.text for each in pieces[:3]] == [f"Question {number}?\n\nAnswer {number}." for number in range(3)]
    # each has a name of its own, and the place of its line
    assert [each.section for each in pieces] == [
        *(f"byte 0, item {number:09d}" for number in (1, 2, 3)),
        f"byte {len(line)}",
    ]
    assert {(each.start, each.end) for each in pieces[:3]} == {(0, len(line))}
    assert len({each.group for each in pieces}) == 4


def test_ranges_together_are_the_file() -> None:
    whole = read()
    for cut in range(1, len(LINES)):
        assert read(end=cut) + read(start=cut) == whole


def test_undecodable_and_too_long_lines() -> None:
    data = b'{"text": "\x98\x81\xff"}\n{"text": "' + b"x" * 500 + b'"}\n{"text": "fine"}\n'
    found = read(data, max_file_bytes=100)
    assert [f.reason for f in found if isinstance(f, Rejection)] == ["undecodable", "too_large"]
    assert [f.text for f in found if isinstance(f, Piece)] == ["fine"]


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"text": ' + b"1" * 6000 + b"}", b'"\\ud83d"'])
def test_hostile_json_is_one_rejection(line: bytes) -> None:
    assert [type(f) for f in read(line)] == [Rejection]


def test_records_of_one_title_stay_together_and_long_ones_are_cut() -> None:
    data = "\n".join(json.dumps({"title": "Book", "text": "A sentence. " * 50}) for _ in range(2)).encode()
    found = [f for f in read(data, max_section_chars=300) if isinstance(f, Piece)]
    assert {f.group for f in found} == {"a.jsonl#Book"}
    assert len(found) >= 4
    assert all(len(f.text) <= 300 and f.text.startswith("Book\n\n") for f in found)


def test_what_is_in_the_file_says_more_than_what_its_source_is_in() -> None:
    short = "Temp. is 38.5℃ today"
    records = [{"text": "肺炎是由病原微生物等因素引起的肺部炎症。" * 3}, {"text": short}]
    data = "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode("gb18030")
    for expected in (None, "big5", "gb18030"):
        found = list(
            read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("corpus", "a.jsonl", Documents(), expected))
        )
        assert [each.text for each in found if isinstance(each, Piece)][1] == short
    # alone it could be Korean
    data = json.dumps(records[1], ensure_ascii=False).encode("gb18030")
    found = list(
        read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("corpus", "a.jsonl", Documents(), "gb18030"))
    )
    assert [each.text for each in found if isinstance(each, Piece)] == [short]


def test_a_line_with_escape_sequences_is_read_by_them() -> None:
    line = '{"text": "肺炎は肺の病気です"}'
    text, meta = decoded_line(line.encode("iso2022_jp"), Documents(), None)
    assert (text, meta) == (line, {"charset": "iso2022_jp", "charset_score": 1.0})
    assert decoded_line("肺炎 \x1b[31m".encode(), Documents(), None) == ("肺炎 \x1b[31m", {})


PRETTY = b'{\n  "id": 1,\n  "text": "one"\n}\n{\n  "text": "two"\n}\n'


def shown_by_ranges(data: bytes, ranges: int) -> list[str]:
    """Texts and reasons of a corpus file that is read in so many parts."""
    found: list[Piece | Rejection] = []
    for start, end in pairwise(len(data) * at // ranges for at in range(ranges + 1)):
        try:
            found += read_jsonl(io.BytesIO(data), start, end, RecordSettings("corpus", "a", Documents()))
        except Unreadable as error:
            found += [Rejection(error.reason, error.detail)] if start == 0 else []
    return [each.text if isinstance(each, Piece) else each.reason for each in found]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PRETTY, ["one", "two"]),
        (b"\xef\xbb\xbf" + PRETTY, ["one", "two"]),
        (b'[\n  {"text": "one"},\n  {"text": "two"}\n]\n', ["one", "two"]),
        (PRETTY + b'{\n "text": "cut', ["one", "two", "invalid_json"]),
        (b'{\n"data": [{"text": "one"}, {"text": "two"}], "version": 1\n}', ["one", "two"]),
        (b'{\n "text": \n', ["invalid_json"]),
    ],
)
def test_values_over_several_lines_are_read_once_whatever_the_ranges(data: bytes, expected: list[str]) -> None:
    for ranges in (1, 3):
        assert shown_by_ranges(data, ranges) == expected


def test_an_object_that_wraps_records_is_no_record() -> None:
    def texts(value: object) -> list[str]:
        found = read_json(json.dumps(value).encode(), RecordSettings("corpus", "a", Documents()))
        return [each.text if isinstance(each, Piece) else each.reason for each in found]

    for name in ("data", "records", "rows", "items"):
        assert texts({"version": 1, name: [{"text": "one"}, {"text": "two"}]}) == ["one", "two"]
    assert texts({"text": "whole", "data": [{"text": "one"}]}) == ["whole"]
    assert texts({"data": ["one"]}) == ["no_text"]


def test_a_number_with_too_many_digits_costs_no_record() -> None:
    line = b'{"text": "one", "n": ' + b"7" * 5000 + b"}\n"
    (found,) = read_jsonl(io.BytesIO(line), 0, len(line), RecordSettings("corpus", "a", Documents(meta_fields=["n"])))
    assert isinstance(found, Piece)
    assert (found.text, json.loads(found.meta)) == ("one", {"n": "7" * 5000})


def test_a_damaged_line_of_utf_8_is_utf_8() -> None:
    lines = ['{"text": "Brüssel und Köln"}', '{"text": "Brüssel und Düren? für Lüttich"}']
    data = "\n".join(lines).encode().replace(b"?", b"\xff")
    first, second = read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("corpus", "a", Documents()))
    assert isinstance(first, Piece)
    assert isinstance(second, Piece)
    assert (first.text, second.text) == ("Brüssel und Köln", "Brüssel und Düren\ufffd für Lüttich")
    assert json.loads(first.meta) == {}
    assert json.loads(second.meta)["charset"] == "utf-8"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{\n "frage": "one?",\n "antwort": "One."\n}\n{\n "frage": "two?",\n "antwort": "Two."\n}\n', [1, 2]),
        (b'{\n "version": 1,\n "runs": [{"frage": "one?", "antwort": "One."}]\n}\n{"data": []}\n', [1, "no_question"]),
        (b'[\n {"frage": "one?", "antwort": "One."},\n {"frage": "two?"}\n]\n', [1, "no_answer"]),
    ],
)
def test_rows_of_instruction_data_over_several_lines_have_their_source_s_fields(
    data: bytes, expected: list[object]
) -> None:
    words = {1: "one?\n\nOne.", 2: "two?\n\nTwo."}
    mapping = {"user": "frage", "assistant": "antwort"}
    found = list(
        read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("instruction", "a", Documents(), None, mapping))
    )
    shown = [each.text if isinstance(each, Piece) else each.reason for each in found]
    assert shown == [words.get(each, each) for each in expected]  # type: ignore[call-overload]


GOOD = b'{"text": "a"}\n{"text": "b"}\n'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{\n" + GOOD, ["invalid_json", "a", "b"]),
        (b"\xef\xbb\xbf{\r\n" + GOOD.replace(b"\n", b"\r\n"), ["invalid_json", "a", "b"]),
        (b"[\n" + GOOD, ["invalid_json", "a", "b"]),
        (b'{\n"text": "cut\n' + GOOD + GOOD, ["invalid_json", "invalid_json", "a", "b", "a", "b"]),
        (b"[\n" + b'{"text": "a"},\n' * 3 + b"]\n", ["invalid_json"]),
        (b'[\n{"text": "a"},\n{"text": "b"}\n]\n', ["a", "b"]),
        (b'[\n{"text": "a"}\n,\n{"text": "b"}\n]\n', ["a", "b"]),
    ],
)
def test_a_first_line_that_is_only_a_bracket_costs_itself(data: bytes, expected: list[str]) -> None:
    for ranges in (1, 3):
        assert shown_by_ranges(data, ranges) == expected


def test_a_bracket_in_the_first_line_costs_no_json_file() -> None:
    for data in (b"{\n" + GOOD, ("{\n" + GOOD.decode()).encode("utf-16")):
        found = list(read_json(data, RecordSettings("corpus", "a", Documents())))
        assert [each.text if isinstance(each, Piece) else each.reason for each in found] == ["invalid_json", "a", "b"]


def test_a_large_file_is_lines_whatever_its_first() -> None:
    data = b"{\n" + GOOD * 100
    found = list(
        read_jsonl(io.BytesIO(data), 0, len(data), RecordSettings("corpus", "a", Documents(max_file_bytes=1000)))
    )
    assert (len(found), found[0].reason) == (201, "invalid_json")
