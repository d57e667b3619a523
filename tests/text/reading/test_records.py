from __future__ import annotations

from decimal import Decimal

import pytest

from domainlm.config.text import Documents
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import Place, RecordSettings, parsed_record, pieces_of_record


@pytest.mark.parametrize(
    ("record", "role"),
    [
        ({"title": "t" * 1001, "text": "It breathes."}, "corpus"),
        ({"text": "It breathes.", "note": "n" * 1001}, "corpus"),
        (
            {"messages": [{"role": "user", "content": "q" * 600}, {"role": "assistant", "content": "a" * 600}]},
            "instruction",
        ),
    ],
)
def test_what_is_not_cut_has_a_limit(record: dict[str, object], role: str) -> None:
    def found(config: Documents) -> list[object]:
        return list(pieces_of_record(record, Place("line 1", "1", 0, 9), RecordSettings(role, "f", config)))

    [rejection] = found(Documents(max_record_chars=1000, meta_fields=["note"]))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, "documents.max_record_chars" in rejection.detail) == ("too_long", True)
    [piece] = found(Documents(meta_fields=["note"]))
    assert isinstance(piece, Piece)


def test_a_value_that_cannot_be_read_has_a_reason() -> None:
    for text in ("{", "[" * 201 + "]" * 201):
        with pytest.raises(Unreadable) as caught:
            parsed_record(text)
        assert caught.value.reason == "invalid_json"


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Diabetes", "Diabetes is a chronic disease.", "Diabetes\n\nDiabetes is a chronic disease."),
        ("Cat", "Catalogue of plants", "Cat\n\nCatalogue of plants"),
        ("糖尿病", "糖尿病是一组代谢性疾病。", "糖尿病\n\n糖尿病是一组代谢性疾病。"),
        ("Iron  lung", "\nIron lung \r\n\r\nIt breathes.", "Iron lung\n\nIt breathes."),
        ("Lung", "Lung", "Lung\n\nLung"),
        ("", "\nIt breathes.", "It breathes."),
    ],
)
def test_a_title_goes_from_the_text_where_it_is_a_whole_line(title: str, text: str, expected: str) -> None:
    record = {"title": title, "text": text}
    [piece] = pieces_of_record(record, Place("line 1", "1", 0, 9), RecordSettings("corpus", "f", Documents()))
    assert isinstance(piece, Piece)
    assert (piece.title, piece.text) == (" ".join(title.split()), expected)


def test_no_conversation_is_none_where_the_field_is_null() -> None:
    record = {"text": "It breathes.", "messages": None}
    place = Place("line 1", "1", 0, 9)
    [piece] = pieces_of_record(record, place, RecordSettings("corpus", "f", Documents()))
    assert isinstance(piece, Piece)
    assert piece.text == "It breathes."
    for bad, role, reason in (
        (record, "instruction", "empty_turn"),
        ({**record, "messages": []}, "corpus", "no_messages"),
    ):
        [found] = pieces_of_record(bad, place, RecordSettings(role, "f", Documents()))
        assert isinstance(found, Rejection)
        assert found.reason == reason


@pytest.mark.parametrize("role", ["corpus", "instruction"])
def test_a_field_may_name_the_group(role: str) -> None:
    record = {"title": "Case", "text": "It breathes.", "question": "Q?", "answer": "A.", "patient": {"id": 7}}
    place = Place("line 1", "1", 0, 9)

    def group(**options: str) -> str:
        [piece] = pieces_of_record(record, place, RecordSettings(role, "f", Documents(**options)))  # type: ignore[arg-type]
        assert isinstance(piece, Piece)
        return piece.group

    assert group() == "f#Case"
    assert group(group_field="patient.id") == "patient.id=7"
    assert group(group_field="doctor") == "f#Case"
    config = Documents(group_field="doctor")
    [piece] = pieces_of_record(record, place, RecordSettings(role, "f", config))
    assert isinstance(piece, Piece)
    assert piece.ungrouped == "title, text, question, answer, patient"
    for found in (
        pieces_of_record(record, place, RecordSettings(role, "f", config), names=["text", "visit"]),
        pieces_of_record({**record, "doctor": 3}, place, RecordSettings(role, "f", config)),
    ):
        [piece] = found
        assert isinstance(piece, Piece)
        assert piece.ungrouped == ("" if piece.group == "doctor=3" else "text, visit")


def test_a_group_s_number_is_one_however_a_table_writes_it() -> None:
    values = [7, 7.0, "7", Decimal("7.00"), None, float("nan"), 7.5, True]
    place, config = Place("line 1", "1", 0, 9), Documents(group_field="patient")
    found = [
        piece.group
        for value in values
        for piece in pieces_of_record(
            {"text": "It breathes.", "patient": value}, place, RecordSettings("corpus", "f", config)
        )
        if isinstance(piece, Piece)
    ]
    assert found == [*["patient=7"] * 4, "f#1", "f#1", "patient=7.5", "patient=True"]
