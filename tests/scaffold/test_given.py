from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from material.gguf_files import write_gguf
from material.new_domains import Files, made, refused, write, write_checkpoint
from material.torture import ENGLISH, SIMPLIFIED

from domainlm.config.resolve import resolve
from domainlm.scaffold.new import write_domain

GOOD_ROW = {"messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A thing."}]}


def test_instruction_data_replaces_the_inherited_one(project: Path) -> None:
    rows = [GOOD_ROW, {"text": "no conversation"}, GOOD_ROW]
    write(project / "data", {"leaflets/a.txt": ENGLISH, "questions.jsonl": "\n".join(map(json.dumps, rows))})
    found = made(project, instructions="data/questions.jsonl")
    assert "  leaflets_instruction: {role: instruction, local: data/questions.jsonl}\n" in found.text
    assert "style" not in found.text
    assert any(note.startswith("1 of 3 records of data/questions.jsonl are no conversations") for note in found.notes)


def test_instruction_data_that_is_packed_is_said_not_to_be_looked_at(project: Path) -> None:
    write(project / "data", {"leaflets/a.txt": ENGLISH, "rows.jsonl.gz": gzip.compress(json.dumps(GOOD_ROW).encode())})
    found = made(project, instructions="data/rows.jsonl.gz")
    assert "rows.jsonl.gz was not searched for conversations, because it is packed" in found.notes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("data/nothing.jsonl", "--sft: 'data/nothing.jsonl' does not exist"),
        ("data/a.txt", "--sft: a.txt of data/a.txt is txt; expected records with messages"),
        ("data/texts.jsonl", '{"messages": [{"role": "user"'),
        ("data/broken.jsonl", "invalid_json"),
        ("data/hollow.jsonl", "--sft: data/hollow.jsonl holds no conversation"),
        ("data/blank.jsonl", "--sft: data/blank.jsonl holds no conversation"),
        ("data/links", "--sft: cannot read a.jsonl of data/links: a link that leads to no file"),
    ],
)
def test_instruction_data_that_is_none(given: str, words: str, project: Path) -> None:
    write(
        project / "data",
        {"leaflets/a.txt": ENGLISH, "a.txt": ENGLISH, "texts.jsonl": '{"text": "x"}\n', "hollow.jsonl": ""},
    )
    write(project / "data", {"broken.jsonl": "{\n", "blank.jsonl": "\n\n"})
    (project / "data/links").mkdir()
    (project / "data/links/a.jsonl").symlink_to("nowhere")
    assert words in refused(project, instructions=given)


def test_a_base_model_of_one_s_own(project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": SIMPLIFIED * 3})
    write_checkpoint(project / "models/mine")
    write_gguf(project / "models/mine.gguf", "smollm")
    for given in ("models/mine", "models/mine.gguf"):
        found = made(project, base_model=given)
        assert f"  leaflets_base_model: {{role: base_model, local: {given}}}\n" in found.text
        assert not any("--base" in note for note in found.notes)
    write_domain(project, found)
    sources = resolve(project, {"domain": "leaflets"}).sources
    assert [name for name, source in sources.items() if source.role == "base_model"] == ["leaflets_base_model"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pytorch_model.bin": b"\x80"}, "pytorch_model.bin, which run code when loaded"),
        ({"config.json": '{"auto_map": {"AutoModel": "x.Y"}}'}, "names custom code"),
        ({"config.json": '{"architectures": ["BertForMaskedLM"]}'}, "BertForMaskedLM"),
        ({"model.safetensors": b"version https://git-lfs"}, "a pointer of Git LFS"),
        ({"config.json": "{"}, "config.json is not JSON"),
        ({"more/config.json": "{}"}, "2 config.json files"),
    ],
)
def test_a_base_model_that_is_none(change: Files, words: str, project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    write_checkpoint(project / "models/mine")
    write(project / "models/mine", change)
    said = refused(project, base_model="models/mine")
    assert said.startswith("--base: models/mine: ")
    assert words in said


def test_a_gguf_file_with_a_header_that_cannot_be_right(project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    write(project / "models", {"mine.gguf": b"GGUF\x03"})
    assert "--base: models/mine.gguf: the base model's GGUF file" in refused(project, base_model="models/mine.gguf")
    (project / "models/mine.gguf").unlink()
    (project / "models/mine.gguf").symlink_to("nowhere")
    assert "--base: cannot read mine.gguf: a link that leads to no file" in refused(project, base_model="models")
