from __future__ import annotations

import io
import json

import pytest

from domainlm.config.text import Documents
from domainlm.text.reading.jsonlines import decoded_line, read_jsonl
from domainlm.text.reading.pieces import Piece, Rejection

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
    return list(read_jsonl(io.BytesIO(data), start, len(data) if end is None else end, role, "a.jsonl", config))


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
        found = list(read_jsonl(io.BytesIO(data), 0, len(data), "corpus", "a.jsonl", Documents(), expected))
        assert [each.text for each in found if isinstance(each, Piece)][1] == short
    # alone it could be Korean
    data = json.dumps(records[1], ensure_ascii=False).encode("gb18030")
    found = list(read_jsonl(io.BytesIO(data), 0, len(data), "corpus", "a.jsonl", Documents(), "gb18030"))
    assert [each.text for each in found if isinstance(each, Piece)] == [short]


def test_a_line_with_escape_sequences_is_read_by_them() -> None:
    line = '{"text": "肺炎は肺の病気です"}'
    text, meta = decoded_line(line.encode("iso2022_jp"), Documents(), None)
    assert (text, meta) == (line, {"charset": "iso2022_jp", "charset_score": 1.0})
    assert decoded_line("肺炎 \x1b[31m".encode(), Documents(), None) == ("肺炎 \x1b[31m", {})
