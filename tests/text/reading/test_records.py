from __future__ import annotations

import time

import pytest

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece, Rejection, Unreadable
from domainlm.text.reading.records import Place, json_depth, parsed_json, pieces_of_record


def test_brackets_in_strings_are_no_nesting() -> None:
    assert json_depth('[{"a[[": ["b\\"]]", {}]}]') == 4


@pytest.mark.parametrize("rest", ['\\"' * 20_000, '\\"' * 20_000 + "\\"], ids=["quotes", "backslash"])
def test_a_string_that_never_ends_takes_linear_time(rest: str) -> None:
    begin = time.process_time()
    with pytest.raises(Unreadable):
        parsed_json("[" * 201 + '"' + rest)
    assert time.process_time() - begin < 0.5


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
    [piece] = pieces_of_record(record, Place("line 1", "1", 0, 9), "corpus", "f", Documents())
    assert isinstance(piece, Piece)
    assert (piece.title, piece.text) == (" ".join(title.split()), expected)


def test_no_conversation_is_none_where_the_field_is_null() -> None:
    record = {"text": "It breathes.", "messages": None}
    place = Place("line 1", "1", 0, 9)
    [piece] = pieces_of_record(record, place, "corpus", "f", Documents())
    assert isinstance(piece, Piece)
    assert piece.text == "It breathes."
    for bad, role in ((record, "instruction"), ({**record, "messages": []}, "corpus")):
        [found] = pieces_of_record(bad, place, role, "f", Documents())
        assert isinstance(found, Rejection)
        assert found.reason == "no_messages"
