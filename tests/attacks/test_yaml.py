"""A domain file that a stranger wrote: what it means, what it costs, where its names lead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from material.attack import attack

from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.config.sources import Source
from domainlm.raw.segments import is_glob_of
from domainlm.sources.rows import label_table_of

BASE = """\
domain: medical
sources:
  texts: {role: corpus, local: texts}
  model: {role: base_model, local: model}
corpus_split: {replay_share: 0.0}
"""
Refused = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config/domains").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text(BASE)
    return tmp_path


@pytest.fixture
def refused(project: Path) -> Refused:
    """refused(text): the message that refuses a domain file of this text, short and within seconds."""

    def message(text: str | bytes, **overrides: object) -> str:
        (project / "config/domains/evil.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        began = time.process_time()
        with pytest.raises(ConfigurationError) as caught:
            resolve(project, {"domain": "evil", **overrides})
        assert time.process_time() - began < 4
        assert len(str(caught.value)) < 8000
        return str(caught.value)

    return message


@attack(
    "domain file",
    "billion laughs",
    "aliases of aliases, ten levels of nine",
    "refused with line and column once the values written out pass two million characters",
)
def test_aliases_of_aliases_are_counted_as_written_out(refused: Refused) -> None:
    text = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 11))
    assert refused(text + "seed: *a10\n").startswith("config/domains/evil.yaml, line 6, column ")


@attack("domain file", "billion laughs", "one long text and a thousand aliases of it", "refused with line and column")
def test_aliases_of_a_long_text_count_its_characters(refused: Refused) -> None:
    assert "aliases written out" in refused("a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 1000 + "]\n")


@attack("domain file", "billion laughs", "an anchor that holds its own alias", "refused with line and column")
def test_a_value_that_holds_itself(refused: Refused) -> None:
    assert "line 1, column 14: alias *a lies within what it names" in refused("seed: &a [x, *a]\n")


@attack(
    "domain file",
    "deep nesting",
    "5,000 lists within lists, in brackets or by dashes",
    "refused at level 101, no stack overflows",
)
@pytest.mark.parametrize("text", ["sources: " + "[" * 5000 + "]" * 5000, "sources:\n" + "- " * 5000, "{a: " * 5000])
def test_deep_nesting(refused: Refused, text: str) -> None:
    assert "nested deeper than 100" in refused(text)


@attack(
    "domain file", "oversized input", "a file of five megabytes, or a key of half a megabyte", "refused with the limit"
)
@pytest.mark.parametrize("text", ["# " + "x" * 5_000_000, '? "' + "k" * 500_000 + '"\n: 1\n', "k" * 500_000 + ": 1\n"])
def test_long_files_and_keys(refused: Refused, text: str) -> None:
    assert refused(text).startswith("config/domains/evil.yaml")


@attack(
    "domain file",
    "oversized input",
    "a number of 5,000 digits",
    "refused with line and column, no error of Python's own",
)
def test_a_number_of_thousands_of_digits(refused: Refused) -> None:
    assert "line 1, column 7: a number of 5000 characters" in refused("seed: " + "9" * 5000)


@attack(
    "domain file",
    "object construction",
    "tags of Python objects, of binary data, of sets",
    "every tag is refused with line and column; nothing is constructed",
)
@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [id]", "!!binary aGk=", "!!set {a}", "!env HOME"])
def test_tags_construct_nothing(refused: Refused, tag: str) -> None:
    assert "line 1, column 7: tag " in refused(f"seed: {tag}\n")


@attack(
    "domain file",
    "parser differential",
    "017, no, 1:30, 1_000, 0b1, a date: values that YAML 1.1 and 1.2 read differently",
    "read as YAML 1.2's core schema says",
)
def test_values_mean_what_yaml_1_2_says(project: Path, refused: Refused) -> None:
    (project / "config/domains/plain.yaml").write_text("seed: 017\n")
    assert resolve(project, {"domain": "plain"}).seed == 17
    for text in ("1:30", "1_000", "0b1", "2024-01-01", "no"):
        assert f"(found '{text}')" in refused(f"seed: {text}\n")


@attack(
    "domain file",
    "parser differential",
    "a key that occurs twice, a merge key, a second document, another version of YAML",
    "refused with the line of the second one",
)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed: 1\nlanguage: en\nseed: 2\n", "line 3, column 1"),
        ("a: &a {seed: 1}\n<<: *a\n", "line 2, column 1"),
        ("seed: 1\n---\nseed: 2\n", "line 2, column 1"),
        ("%YAML 1.1\n---\nseed: 1\n", "line 1, column 1"),
    ],
)
def test_what_two_readers_could_read_differently(refused: Refused, text: str, place: str) -> None:
    assert refused(text).startswith(f"config/domains/evil.yaml, {place}: ")


@attack(
    "domain file",
    "terminal escape",
    "control characters, NUL, half a surrogate pair, UTF-16",
    "refused; the message names them by number and holds none",
)
@pytest.mark.parametrize(
    "data", [b"seed: \x1b[31m1", b"seed: \0", b"seed: \xed\xa0\x80", "seed: 1".encode("utf-16"), b"\xff"]
)
def test_control_characters(refused: Refused, data: bytes) -> None:
    assert refused(data).isprintable()


@attack("domain file", "not a number", "NaN or infinity for a threshold or a rate", "refused, by key")
@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999"])
def test_numbers_are_finite(refused: Refused, value: str) -> None:
    assert "unique_shards.threshold" in refused(f"unique_shards: {{threshold: {value}}}\n")


@attack(
    "domain file",
    "path traversal",
    "a domain named ../../x, /etc/x, a/b, or with a line end, in --config or `extends`",
    "refused before a path is made of it",
)
@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "..", "a b", "a\\n", "\\e[2J", "x" * 300])
def test_a_domain_s_name_is_no_path(project: Path, refused: Refused, name: str) -> None:
    assert "is no name of a domain" in refused(f'extends: "{name}"\n')
    with pytest.raises(ConfigurationError, match="is no name of a domain"):
        resolve(project, {"domain": f'"{name}"'})


@attack(
    "domain file",
    "oversized input",
    "a book, or a hundred thousand unknown keys, in the place of a value",
    "the message quotes a hundred characters a value and twenty errors",
)
def test_a_message_stays_short(refused: Refused) -> None:
    assert refused(f"seed: {'x' * 500_000}\n").count("x") < 200
    assert refused("".join(f"k{number}: [1]\n" for number in range(3000))).endswith("and 2980 more errors")


@attack(
    "domain file",
    "endless file",
    "a word list or label table that is a pipe, a device or a folder",
    "refused, by key; nothing waits or fills the memory",
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_list_that_never_ends(project: Path, refused: Refused, kind: str) -> None:
    place = project / "list.csv"
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](place)
    assert "word_lists.w.file" in refused("clean_shards: {word_lists: {w: {file: list.csv}}}")
    with pytest.raises(ConfigurationError, match=r"sources\.x\.label_table"):
        label_table_of(project, "x", Source.model_validate({"role": "corpus", "local": "a", "label_table": "list.csv"}))


@attack(
    "domain file",
    "regular expression bomb",
    "an include pattern of twenty stars against long file names",
    "globs match in linear time",
)
def test_patterns_of_many_stars() -> None:
    began = time.process_time()
    assert not is_glob_of("*a" * 20 + "b", "a" * 255)
    assert not is_glob_of("**/" * 20 + "b", "a/" * 2000)
    assert is_glob_of("**a" * 20, "a/" * 2000 + "a")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('seed: "\\UFFFFFFFF"\n', "line 1, column 10"),
        ('seed: "\\U00110000"\n', "line 1, column 10"),
        (f"%YAML 1.{'9' * 5000}\n---\nseed: 1\n", "line 1, column 9"),
        ('seed: "\\0"\n', "line 1, column 7"),
        ('a: [b, "\\ud800"]\n', "line 1, column 8"),
        ('"a\\0": 1\n', "line 1, column 1"),
    ],
)
@attack(
    "domain file",
    "escapes of no character",
    "an escape beyond Unicode, of half a character or of NUL; a directive with a version of 5,000 digits",
    "refused with line and column, before a path or a key is made of it",
)
def test_escapes_of_what_is_no_character(refused: Refused, text: str, place: str) -> None:
    assert refused(text).startswith(f"config/domains/evil.yaml, {place}: ")
