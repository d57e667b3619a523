from __future__ import annotations

import io
import json

import pytest

from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, Rejection

ONTOLOGY = r"""format-version: 1.2
ontology: test

[Term]
id: T:1
name: All

[Term]
id: T:2
name: Lung disease
def: "A \"disease\" of the lung.\nSecond line." [PMID:1, "x"]
comment: Seen often.
synonym: "lung Disease" EXACT layperson []
synonym: "Pulmonary disease" EXACT []
synonym: "Disease" BROAD []
synonym: "Old name" EXACT obsolete_synonym []
is_a: T:1 {source="x"} ! All

[Term]
id: T:3
name: Pneumonia
def: "肺炎。" []
is_a: T:2 ! Lung disease
is_a: T:1 ! All

[Term]
id: T:4
name: obsolete Consumption
is_obsolete: true

[Term]
id: T:5
name: Lobar pneumonia
is_a: T:3

[Term]
id: T:3
name: Again

[Term]
name: Without id

[Typedef]
id: part_of
name: part of
""".encode()


def read(start: int = 0, end: int = len(ONTOLOGY), depth: int = 1) -> list[Piece | Rejection]:
    return list(read_obo(io.BytesIO(ONTOLOGY), start, end, depth))


def test_text_groups_links_and_meta() -> None:
    pieces = {found.section: found for found in read() if isinstance(found, Piece)}
    assert list(pieces) == ["T:1", "T:2", "T:3", "T:5"]
    assert pieces["T:2"].text == (
        'Lung disease\n\nA "disease" of the lung. Second line. Seen often.\n\n'
        "Synonyms: Pulmonary disease.\nA kind of: All.\n"
    )
    assert pieces["T:1"].text == "All"
    assert pieces["T:5"].text == "Lobar pneumonia\n\nA kind of: Pneumonia.\n"
    assert pieces["T:3"].text.startswith("Pneumonia\n\n肺炎。\n\nA kind of: Lung disease; All.")
    assert pieces["T:3"].links == ("T:2", "T:1")
    assert {name: piece.group for name, piece in pieces.items()} == {
        "T:1": "T:1",
        "T:2": "T:2",
        "T:3": "T:2",
        "T:5": "T:2",
    }
    assert json.loads(pieces["T:2"].meta) == {
        "definition": 'A "disease" of the lung. Second line.',
        "comment": "Seen often.",
        "synonyms": ["Pulmonary disease"],
        "parents": ["All"],
        "children_count": 1,
    }
    assert ONTOLOGY[pieces["T:2"].start : pieces["T:2"].end].startswith(b"[Term]\nid: T:2\n")


def test_bad_stanzas_are_counted_and_the_others_go_on() -> None:
    reasons = [found.reason for found in read() if isinstance(found, Rejection)]
    assert reasons == ["obsolete", "repeated_record", "incomplete_record"]
    broken = ONTOLOGY.replace("肺炎".encode(), b"\xff\xfe")
    found = list(read_obo(io.BytesIO(broken), 0, len(broken), 1))
    assert [f.detail for f in found if isinstance(f, Rejection) and f.reason == "undecodable"] == ["T:3 is not UTF-8"]
    assert sum(isinstance(f, Piece) for f in found) == 3


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_ranges_together_are_the_file(depth: int) -> None:
    for cut in range(1, len(ONTOLOGY), 37):
        assert read(0, cut, depth) + read(cut, len(ONTOLOGY), depth) == read(depth=depth)


def test_a_cycle_of_parents_ends() -> None:
    text = b"[Term]\nid: A\nname: a\nis_a: B\n\n[Term]\nid: B\nname: b\nis_a: A\n"
    assert sorted(p.group for p in read_obo(io.BytesIO(text), 0, len(text), 0) if isinstance(p, Piece)) == ["A", "B"]
