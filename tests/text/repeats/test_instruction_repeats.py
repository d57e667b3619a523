from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainlm.text.document import Document, write_documents
from domainlm.text.repeats import evaluation_texts
from domainlm.text.repeats.instruction_repeats import parts_of, repeating


def document(identifier: str, text: str, title: str = "", meta: str = "{}") -> Document:
    return Document(identifier, "s", "corpus", "p", identifier, 0, 1, "g", "[]", title, text, meta, "", "", "")


def words(prefix: str, count: int = 30) -> str:
    return " ".join(f"{prefix}{number}" for number in range(count))


def test_parts_are_what_is_below_a_title_and_what_is_said() -> None:
    assert parts_of(document("a", "Fever\n\nA rise of temperature.", "Fever")) == ["A rise of temperature."]
    assert parts_of(document("b", "Fever is a rise of temperature.", "Fever")) == []
    turns = [{"role": role, "content": f"{role} speaks"} for role in ("system", "user", "assistant")]
    spoken = document("c", "system speaks\n\nuser speaks\n\nassistant speaks", meta=json.dumps({"messages": turns}))
    assert parts_of(spoken) == ["user speaks", "assistant speaks"]


@pytest.mark.parametrize("max_shingles", [20, 1_000_000])
def test_found_whatever_the_number_of_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_shingles: int) -> None:
    monkeypatch.setattr(evaluation_texts, "MAX_SHINGLES", max_shingles)
    held_out = [document(f"h{n}", words(f"h{n}x")) for n in range(6)]
    short = document("h9", "Nutrition\n\nWhich vitamin deficiency causes scurvy in adults?", "Nutrition")
    instruction = [document(f"i{n}", f"Say it.\n\n{words(f'h{n}x')}") for n in range(6)]
    instruction += [
        document("i7", words("t")),
        document("i9", f"{words('i')} Which vitamin deficiency causes scurvy in adults?"),
    ]
    trained = document("t", words("t"))
    path = tmp_path / "documents.parquet"
    write_documents(path, [*held_out, short, *instruction, trained])
    found = repeating(path, {d.id for d in instruction}, {d.id for d in [*held_out, short]}, 0.5, 5)
    assert found == {*(f"i{n}" for n in range(6)), "i9"}
