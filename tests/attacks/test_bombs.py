"""A corpus that a stranger made: records and folders whose reading would never end. One bad input costs itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack

from domainlm.config.cleaning import CleanShards
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import Source
from domainlm.config.text import Documents
from domainlm.raw.labels import read_table
from domainlm.sources.folders import local_files
from domainlm.text.cleaning.clean import Cleaned, cleaned, rules_of
from domainlm.text.document import Document
from domainlm.text.reading.jsonlines import read_jsonl
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.records import RecordSettings

PLAIN = "kola bimo tera vona siku pafe lodi gura neha foco " * 4
DOCUMENT = Document("1", "s", "corpus", "f", "here", 0, 1, "f#here", "[]", "Title", PLAIN, "{}", "l", "a", "s")
# everything that clean_shards can do
RULES = rules_of(
    CleanShards.model_validate(
        {
            "quality": ["gopher_repetition", "gopher_quality", "c4", "fineweb", "chinese"],
            "has_ascii_width": True,
            "script": "simplified",
            "repeated_lines": "drop",
            "personal_data": dict.fromkeys(("email", "phone", "ip", "chinese_id", "mobile", "bank_card"), "mask"),
            "secrets": "mask",
            "word_lists": {"w": {"words": ["aaa", "a a"], "treatment": "mask"}},
            "max_chars": 1_000_000,
        }
    )
)
MARKS = "a" + "\u0301\u0323" * 50_000
Listed = Callable[..., list[tuple[str, str | None]]]


@contextmanager
def soon(seconds: float = 3) -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds


@attack(
    "corpus",
    "normalisation bomb",
    "a hundred thousand combining marks in a row in title, section, group or text",
    "put into normal form in linear time, with a joiner after every 30 marks (UAX 15)",
)
@pytest.mark.parametrize("name", ["title", "section", "group", "text"])
def test_marks_in_a_field_of_a_document(name: str) -> None:
    text = PLAIN + MARKS if name == "text" else MARKS
    with soon():
        cleaned(replace(DOCUMENT, **{name: text}), RULES)


@attack(
    "corpus",
    "normalisation bomb",
    "runs of combining marks in messages, metadata and keys of JSON objects",
    "put into normal form in linear time",
)
@pytest.mark.parametrize("role", ["corpus", "instruction"])
def test_marks_in_metadata_and_messages(role: str) -> None:
    turns = [{"role": "user", "content": MARKS}, {"role": "assistant", "content": PLAIN}]
    row = {"text": PLAIN, "note": {MARKS[:1000]: [MARKS]}, **({"messages": turns} if role == "instruction" else {})}
    data = json.dumps(row).encode()
    with soon(5):
        [piece] = read_jsonl(BytesIO(data), 0, len(data), RecordSettings(role, "f", Documents(meta_fields=["note"])))
        assert isinstance(piece, Piece)
        found = cleaned(replace(DOCUMENT, role=role, text=piece.text, meta=piece.meta), RULES)
    assert isinstance(found, Cleaned) or role == "corpus"


@attack(
    "corpus",
    "normalisation bomb",
    "characters without a combining class that decompose into marks",
    "counted by the marks that they decompose into",
)
@pytest.mark.parametrize("character", ["\u0f73", "\u0344", "\u0f81"])
def test_characters_made_of_marks(character: str) -> None:
    with soon():
        cleaned(replace(DOCUMENT, title="a" + character * 50_000), RULES)


@attack(
    "corpus",
    "oversized input",
    "a record whose title, messages or metadata are megabytes, which are not cut as texts are",
    "one rejection, too_long; the records beside it stay",
)
def test_megabytes_beside_a_text() -> None:
    rows = [{"title": "t" * 3_000_000, "text": PLAIN}, {"title": "t", "text": PLAIN}]
    data = "\n".join(json.dumps(row) for row in rows).encode()
    [bad, good] = read_jsonl(BytesIO(data), 0, len(data), RecordSettings("corpus", "f", Documents()))
    assert isinstance(bad, Rejection)
    assert bad.reason == "too_long"
    assert isinstance(good, Piece)


@attack(
    "corpus",
    "deep nesting",
    "JSON of 100,000 brackets, numbers of 5,000 digits, half a surrogate pair",
    "one rejection a record; the records beside it stay",
)
@pytest.mark.parametrize(
    "bad", ["[" * 100_000, '{"a":' * 100_000, '{"text": ' + "9" * 5000 + "}", '{"text": "x', "\ud800"]
)
def test_json_that_cannot_be_read(bad: str) -> None:
    data = (bad + "\n" + json.dumps({"text": PLAIN})).encode("utf-8", "surrogatepass")
    with soon():
        found = list(read_jsonl(BytesIO(data), 0, len(data), RecordSettings("corpus", "f", Documents())))
    assert [type(each) for each in found] == [Rejection, Piece]


@attack("corpus", "deep nesting", "a label table whose lines nest 100,000 brackets", "refused, with the line")
@pytest.mark.parametrize("line", ["[" * 100_000, '{"path": ' + "9" * 5000 + "}"])
def test_a_label_table_that_nests(line: str) -> None:
    with soon(), pytest.raises(ValueError, match="line 2: not JSON"):
        read_table(f'{{"path": "a"}}\n{line}'.encode(), is_jsonl=True)


@attack(
    "corpus",
    "wrong types",
    "a label table whose path is a number, or a label half a character",
    "refused, with the line",
)
@pytest.mark.parametrize(
    "line", ['{"path": 1}', '{"path": true}', '{"path": "b", "licence": "\\ud800"}', '{"path": "./"}']
)
def test_a_label_table_of_wrong_types(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2: (path|licence): expected a text"):
        read_table(f'{{"path": "a"}}\n{line}'.encode(), is_jsonl=True)


@attack(
    "corpus",
    "regular expression bomb",
    "a hundred kilobytes of one sign, of digits, of halves of addresses, keys and mojibake",
    "every cleaning rule takes linear time",
)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "-",
        ".",
        "(",
        "@",
        "a@",
        "1-",
        "a.",
        "中",
        "锛",
        "Ã©",
        "\u00a0",
        "eyJ",
        "-----BEGIN ",
        "password=",
        "\n",
    ],
)
def test_signs_without_end(unit: str) -> None:
    with soon(4):
        cleaned(replace(DOCUMENT, text=PLAIN + unit * (100_000 // len(unit))), RULES)


@attack(
    "corpus",
    "tokeniser bomb",
    "one word of two hundred thousand characters, in Latin letters, Han, or spaces",
    "tokenised in time that grows with its length",
)
@pytest.mark.parametrize("unit", ["a", "中文资料", " ", "1"])
def test_words_without_end_for_a_tokenizer(unit: str) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([PLAIN, "a" * 2000, "中文资料" * 200], trainer)
    with soon(8):
        ids = tokenizer.encode(unit * (200_000 // len(unit))).ids
    assert tokenizer.decode(ids) == unit * (200_000 // len(unit))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.md").write_text("A")
    return tmp_path / "texts"


@pytest.fixture
def listed(root: Path) -> Listed:
    """listed(): (path, fault) of what a source of the folder lists, within three seconds."""

    def rows(**changes: object) -> list[tuple[str, str | None]]:
        source = Source.model_validate({"role": "corpus", "local": "texts", **changes})
        with soon():
            return [(file.path, file.fault) for file in local_files(root.parent, "x", source)]

    return rows


@attack(
    "corpus",
    "link bomb",
    "25 folders with two links each to the next: 33 million paths",
    "each folder is read once, by the path with the fewest links; the others are listed",
)
def test_a_folder_that_many_paths_lead_to(root: Path, listed: Listed) -> None:
    for number in range(25):
        (root.parent / f"bomb/d{number}").mkdir(parents=True)
        for name in "ab":
            (root.parent / f"bomb/d{number}" / name).symlink_to(f"../d{number + 1}")
    (root.parent / "bomb/d25").mkdir()
    (root.parent / "bomb/d25/x.md").write_text("X")
    (root / "bomb").symlink_to("../bomb/d0")
    assert [path for path, fault in listed() if fault is None] == ["a.md", "bomb/" + "a/" * 25 + "x.md"]
    assert [fault for _, fault in listed() if fault is not None] == ["folder_again"] * 25


@attack(
    "corpus",
    "link loop",
    "links to the folder itself, to the root of the system, and in circles through several folders",
    "listed with the reason; what lies beside them is read",
)
def test_links_in_circles(root: Path, listed: Listed) -> None:
    for name, target in (("self", "."), ("above", ".."), ("system", "/"), ("b", "c"), ("c", "b")):
        (root / name).symlink_to(target)
    found = dict(listed())
    assert found == {
        "a.md": None,
        "self": "folder_again",
        "above": "folder_above",
        "system": "folder_above",
        "b": "dangling_link",
        "c": "dangling_link",
    }


@attack(
    "corpus",
    "feedback loop",
    "a link to what builds, DVC or git write",
    "listed but not read, because the corpus would change with every build",
)
@pytest.mark.parametrize("name", ["artifacts", "artifacts/law/documents", ".dvc/cache", ".domainlm", ".git"])
def test_links_to_what_builds_write(root: Path, listed: Listed, name: str) -> None:
    (root.parent / name).mkdir(parents=True)
    (root.parent / name / "b.md").write_text("B")
    (root / "linked").symlink_to(f"../{name}")
    assert listed() == [("a.md", None), ("linked", "own_folder")]


@attack(
    "corpus", "link chain", "a chain of 60 links, which is more than the system follows", "listed as a dangling link"
)
def test_a_chain_of_links(root: Path, listed: Listed) -> None:
    for number in range(60):
        (root.parent / f"l{number}").symlink_to(f"l{number + 1}")
    (root.parent / "l60").mkdir()
    (root / "chain").symlink_to("../l0")
    assert listed() == [("a.md", None), ("chain", "dangling_link")]


@attack(
    "corpus",
    "endless file",
    "pipes, sockets' places and devices among the texts, also as the description of a saved dataset",
    "listed or refused by name; nothing waits",
)
def test_pipes_among_the_texts(root: Path, listed: Listed) -> None:
    os.mkfifo(root / "pipe")
    (root / "zero.md").symlink_to("/dev/zero")
    assert listed() == [("a.md", None), ("pipe", "not_a_file"), ("zero.md", "not_a_file")]
    os.mkfifo(root / "state.json")
    (root / "dataset_info.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"state\.json|cannot list texts"):
        listed()


@attack(
    "corpus",
    "deep nesting",
    "folders nested deeper than the system's longest path",
    "a configuration error that names the place, cut to a line; `exclude` skips them",
)
def test_folders_without_end(root: Path, listed: Listed) -> None:
    place = os.getcwd()
    try:
        os.chdir(root)
        for _ in range(25):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir(place)
    with pytest.raises(ConfigurationError, match="File name too long") as caught:
        listed()
    assert len(str(caught.value)) < 600
    assert listed(exclude=["d*/**"]) == [("a.md", None)]


@attack(
    "corpus",
    "one bad input",
    "a build with a title of combining marks, a record of brackets, a title of megabytes and a folder linked many times",
    "the build continues; each bad input is one line with its reason in rejected.jsonl",
)
def test_a_build_with_all_of_them(tmp_path: Path, make_text_project: Callable[[Path], Any]) -> None:
    project = make_text_project(tmp_path)
    corpus = tmp_path / "corpus"
    rows = [
        json.dumps({"title": MARKS, "text": PLAIN}),
        "[" * 100_000,
        json.dumps({"title": "t" * 2_000_000, "text": PLAIN}),
    ]
    (corpus / "rows.jsonl").write_text("\n".join(rows))
    (corpus / "real").mkdir()
    (corpus / "real/x.txt").write_text("gura neha foco kola bimo tera vona siku pafe lodi.\n")
    for name in "ab":
        (corpus / name).symlink_to("real")
    with soon(30):
        assert "failed" not in project.build("raw_corpus", "documents", "clean_shards")
    found = {
        artifact: sorted(
            json.loads(line)["reason"]
            for path in (tmp_path / "artifacts/tiny" / artifact).glob("*/rejected.jsonl")
            for line in path.read_text().splitlines()
        )
        for artifact in ("raw_corpus", "documents")
    }
    assert found == {"raw_corpus": ["folder_again"] * 2, "documents": ["invalid_json", "too_long"]}


@attack(
    "domain file", "long names", "a folder's name that is longer than the system's longest", "a configuration error"
)
def test_a_name_that_no_folder_can_have(listed: Listed) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read ddd.*File name too long") as caught:
        listed(local="d" * 5000)
    assert len(str(caught.value)) < 600
