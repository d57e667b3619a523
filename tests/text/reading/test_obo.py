from __future__ import annotations

import io
import json
import time
import tracemalloc

import pytest

from domainlm.text.reading import obo
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


def test_a_line_without_end_is_too_large_and_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obo, "MAX_LINE_BYTES", 64)
    long = b'def: "' + b"word " * 50 + b'" []'
    text = b"[Term]\nid: A\nname: a\n" + long + b"\n\n[Term]\nid: B\nname: b\nis_a: A\n"
    longest = 0

    class File(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal longest
            line = super().readline(size)
            longest = max(longest, len(line))
            return line

    found = list(read_obo(File(text), 0, len(text), 1))
    assert [f.reason if isinstance(f, Rejection) else f.section for f in found] == ["too_large", "B"]
    assert longest == 64
    assert isinstance(found[0], Rejection)
    assert found[0].detail == "A has a line of more than 64 bytes"
    # exactly as long as is allowed
    whole = b"[Term]\nid: A\nname: " + b"a" * 57 + b"\n"
    assert [f.section for f in read_obo(io.BytesIO(whole), 0, len(whole), 1) if isinstance(f, Piece)] == ["A"]


def test_one_term_is_held_at_a_time() -> None:
    definition = "word " * 1000
    text = "".join(f'[Term]\nid: T:{n}\nname: n\ndef: "{definition}" []\n\n' for n in range(150)).encode()
    tracemalloc.start()
    assert sum(isinstance(f, Piece) for f in read_obo(io.BytesIO(text), 0, len(text), 1)) == 150
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(text) / 5


def test_quotes_that_never_end_and_a_chain_of_terms_take_no_square_of_the_time() -> None:
    # seconds where each were quadratic, or worse
    quotes = b"[Term]\nid: A\nname: a\ndef: " + b'"' + b'\\"' * 100_000 + b"\n"
    chain = b"".join(b"[Term]\nid: %d\nname: n\nis_a: %d\n" % (n, n + 1) for n in range(3000))
    start = time.process_time()
    assert len(list(read_obo(io.BytesIO(quotes), 0, len(quotes), 1))) == 1
    assert len(list(read_obo(io.BytesIO(chain), 0, len(chain), 1))) == 3000
    assert time.process_time() - start < 2.0
