from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.store.notes import is_number, parse_note, read_note

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


def test_true_is_no_number() -> None:
    assert [is_number(value) for value in (1, 0.5, True, "1", None)] == [True, True, False, False, False]
