from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.store.notes import has_kinds, has_shard, parse_note, read_note

TORN = (b"", b"{", b"[]", b"1", b'"text"', b"null", b"\xff\xfe\n", b"[" * 100_000, b'{"a": ' * 100_000, b"\0\0\0\0")


@pytest.mark.parametrize("data", TORN, ids=range(len(TORN)))
def test_what_is_no_json_object_is_none(tmp_path: Path, data: bytes) -> None:
    assert parse_note(data) is None
    (tmp_path / "note.json").write_bytes(data)
    assert read_note(tmp_path / "note.json") is None


def test_a_note_and_its_absence(tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text('{"a": 1}')
    assert read_note(tmp_path / "note.json") == {"a": 1}
    assert read_note(tmp_path / "none.json") is None
    assert read_note(tmp_path) is None


@pytest.mark.parametrize(
    ("row", "is_sound"),
    [
        ({"a": "x", "n": 1}, True),
        ({"a": "x", "n": 0.5}, True),
        ({"a": "x", "n": True}, False),
        ({"a": "x"}, False),
        ({"a": 1, "n": 1}, False),
    ],
)
def test_the_kinds_of_a_row_s_fields(row: dict[str, object], is_sound: bool) -> None:
    assert has_kinds(row, ["a"], ["n"]) is is_sound


def test_a_shard_is_a_text_or_null() -> None:
    assert [has_shard(row) for row in ({"shard": "0001"}, {"shard": None}, {"shard": 1}, {})] == [
        True,
        True,
        False,
        False,
    ]
