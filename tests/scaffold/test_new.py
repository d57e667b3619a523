from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from material.gguf_files import write_gguf
from material.torture import ENGLISH, SIMPLIFIED, docx, faults, html, pdf, zipped
from rich.console import Console
from safetensors.numpy import save_file
from typer.testing import CliRunner

from domainlm.cli import application
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.config.yaml_text import parsed_yaml
from domainlm.scaffold import domain_file, survey
from domainlm.scaffold.domain_file import yaml_scalar
from domainlm.scaffold.new import Request, Scaffold, plan_domain, render, write_domain
from domainlm.terminal import PlainConsole

GOOD_ROW = {"messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A thing."}]}
Files = dict[str, str | bytes]
LEAFLETS: Files = {
    "asthma.pdf": pdf([ENGLISH]),
    "cough.txt": (SIMPLIFIED * 3).encode("gb18030"),
    "notes.txt": b"",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "web/air.html": html(SIMPLIFIED * 3),
    "web/pollen.html": html(ENGLISH),
}


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """A project with the default configuration and no domain."""
    root = tmp_path / "project"
    (root / "config").mkdir(parents=True)
    shutil.copyfile(repository / "config/config.yaml", root / "config/config.yaml")
    return root


def write(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return folder


def made(project: Path, folder: str = "data/leaflets", name: str = "leaflets", **given: str) -> Scaffold:
    return plan_domain(project, Request(name, folder, **given), lambda done, total, figures: None)


def refused(project: Path, folder: str = "data/leaflets", name: str = "leaflets", **given: str) -> str:
    """The error, after which nothing is written."""
    with pytest.raises(ConfigurationError) as error:
        made(project, folder, name, **given)
    assert not (project / "config/domains").exists()
    return str(error.value)


def shown(scaffold: Scaffold, is_written: bool = False) -> str:
    console: Console = PlainConsole(width=160)
    with console.capture() as capture:
        console.print(render(scaffold, is_written))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def unread(scaffold: Scaffold) -> dict[str, str]:
    return {found.example: found.reason for found in scaffold.survey.unread}


def test_a_folder_of_several_formats(project: Path) -> None:
    write(project / "data/leaflets", LEAFLETS)
    found = made(project)
    assert found.survey.files == 6
    formats = {each.name: (each.files, dict(each.languages), dict(each.charsets)) for each in found.survey.formats}
    assert formats == {
        "html": (2, {"zh": 1, "en": 1}, {"utf-8": 2}),
        "pdf": (1, {"en": 1}, {}),
        "txt": (1, {"zh": 1}, {"gb18030": 1}),
    }
    assert unread(found) == {"notes.txt": "empty", "picture.png": "unknown_format"}
    size = sum(len(data) if isinstance(data, bytes) else len(data.encode()) for data in LEAFLETS.values())
    assert found.survey.size_bytes == size
    assert found.text == (
        "# yaml-language-server: $schema=../schema.json\n"
        f"# 6 files, {size / 1000:.1f} kB: 2 html, 1 pdf, 1 txt; the rest is as in config/config.yaml\n"
        "sources:\n"
        "  leaflets:\n"
        "    role: corpus\n"
        "    local: data/leaflets\n"
        "    licence: unstated  # state it: every document carries it to the report\n"
        "  wikipedia: null  # excluded: replay text of config/config.yaml\n"
        "  scikit_learn_docs: null  # excluded: evaluation text\n"
        "  style: null  # excluded: instruction text\n"
        "corpus_split: {replay_share: 0.0}  # as there is no replay text\n"
    )


def test_what_is_written_is_the_folder_and_a_base_model_and_nothing_else(project: Path) -> None:
    write(project / "data/leaflets", LEAFLETS)
    write_domain(project, made(project, licence="CC BY 4.0: see notes"))
    config = resolve(project, {"domain": "leaflets"})
    assert {name: source.role for name, source in config.sources.items()} == {
        "leaflets": "corpus",
        "smollm2": "base_model",
    }
    assert (config.sources["leaflets"].local, config.sources["leaflets"].licence) == (
        "data/leaflets",
        "CC BY 4.0: see notes",
    )
    assert config.corpus_split.replay_share == 0


def test_the_tutorial_shows_what_is_said_and_written(project: Path, repository: Path) -> None:
    script = repository / "docs/examples/leaflets.py"
    subprocess.run([sys.executable, str(script), str(project / "data/leaflets")], check=True)
    found = made(project, licence="CC-BY-4.0")
    tutorial = (repository / "docs/tutorial.md").read_text(encoding="utf-8")
    assert f"```text\n{shown(found, True)}```\n" in tutorial
    # labels are put in by hand, under the licence
    above, below = found.text.split("    licence: CC-BY-4.0\n")
    assert f"```yaml\n{above}    licence: CC-BY-4.0\n    authority: official\n    labels:\n" in tutorial
    assert f"licence: unstated}}\n{below}```\n" in tutorial


def test_without_inherited_texts_there_is_nothing_to_leave_out(project: Path) -> None:
    text = "sources:\n  mine: {role: base_model, local: model}\ncorpus_split: {replay_share: 0.0}\n"
    (project / "config/config.yaml").write_text(text)
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    assert made(project, licence="CC0-1.0").text.splitlines()[2:] == [
        "sources:",
        *("  leaflets:", "    role: corpus", "    local: data/leaflets", "    licence: CC0-1.0"),
    ]


def test_sources_of_another_layer_are_not_merged_with_the_folder(project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    write_domain(project, made(project, name="wikipedia"))
    sources = resolve(project, {"domain": "wikipedia"}).sources
    assert (list(sources), sources["wikipedia_2"].local) == (["smollm2", "wikipedia_2"], "data/leaflets")


def test_the_same_folder_gives_the_same_text_whatever_the_order(project: Path) -> None:
    write(project / "data/one", LEAFLETS)
    write(project / "data/two", dict(reversed(LEAFLETS.items())))
    one, again, two = (made(project, f"data/{name}") for name in ("one", "one", "two"))
    assert one == again
    assert one.text.replace("data/one", "data/two") == two.text
    assert one.survey == two.survey


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_that_is_there_is_never_replaced(is_link: bool, project: Path) -> None:
    write(project / "data/leaflets", LEAFLETS)
    found = made(project)
    (project / "config/domains").mkdir()
    path = project / "config/domains/leaflets.yaml"
    if is_link:
        path.symlink_to("nowhere")
    else:
        path.write_text("mine", encoding="utf-8")
    for again in (lambda: made(project), lambda: write_domain(project, found)):
        with pytest.raises(ConfigurationError, match=r"config/domains/leaflets\.yaml exists and is not overwritten"):
            again()
    assert path.is_symlink() or path.read_text(encoding="utf-8") == "mine"
    assert not (project / "config/domains/nowhere").exists()


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("Leaf-lets", "data/leaflets", "NAME: 'Leaf-lets' is no name of a domain; expected at most 100 small letters"),
        ("../x", "data/leaflets", "NAME: '../x' is no name of a domain"),
        ("medical", "data/leaflets", "NAME: medical is the default domain"),
        ("leaflets", "data/nothing", "FOLDER: 'data/nothing' does not exist; expected a path relative to"),
        ("leaflets", "", "FOLDER: '' does not exist"),
        ("leaflets", "data/empty", "FOLDER: 'data/empty' holds no file (hidden ones"),
        (
            "leaflets",
            "data/pictures",
            "FOLDER: none of the 1 files of 'data/pictures' would give text: 1 unknown_format",
        ),
        ("leaflets", "data/scans", "FOLDER: none of the 1 files of 'data/scans' would give text: 1 scanned"),
        ("leaflets", ".", "FOLDER: '.' holds the project itself"),
        ("leaflets", "..", "FOLDER: '..' holds the project itself"),
        ("leaflets", "data/round", "sources.leaflets.local: data/round"),
    ],
)
def test_what_no_domain_can_be_made_of(name: str, folder: str, words: str, project: Path) -> None:
    write(
        project / "data",
        {"leaflets/a.txt": ENGLISH, "empty/below/.hidden": "x", "pictures/a.png": b"\x89PNG\r\n\x1a\n"},
    )
    write(project / "data/scans", {"a.pdf": pdf([""] * 3, is_image=True)})
    (project / "data/round").mkdir()
    (project / "data/round/back").symlink_to("../round")
    if folder == "data/round":
        assert "folder_again" in refused(project, folder, name)
    else:
        assert words in refused(project, folder, name)


def test_a_pipe_is_no_folder(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert "expected a file or folder" in refused(project, "pipe")


def test_a_licence_is_one_line_of_text(project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    for licence in ("", " ", "CC0\n", "\udcff"):
        assert f"--licence: {licence!r}; expected a line of text" in refused(project, licence=licence)


def test_a_folder_whose_name_is_not_utf_8(project: Path) -> None:
    folder = os.fsencode(project) + b"/data/" + "文件".encode("gbk")
    os.makedirs(folder)
    with open(folder + b"/a.txt", "wb") as file:
        file.write(ENGLISH.encode())
    assert "is not UTF-8, which no configuration can name; rename the folder, or link to it" in refused(
        project, os.fsdecode(b"data/" + "文件".encode("gbk"))
    )
    os.symlink(folder, project / "data/link")
    assert "local: data/link" in made(project, "data/link").text


def test_names_in_the_folder_that_are_not_utf_8(project: Path) -> None:
    folder = write(project / "data/leaflets", {"a.txt": ENGLISH})
    with open(os.fsencode(folder) + b"/" + "名字".encode("gbk") + b".txt", "wb") as file:
        file.write(b"")
    found = made(project)
    assert unread(found) == {"名字.txt": "empty"}
    assert "names of files that are not UTF-8, and are read as GBK: 1" in found.notes


def test_names_that_would_steer_a_terminal_are_shown_escaped(project: Path) -> None:
    folder = "data/red\x1b[31m\u202e"
    write(project / folder, {"a.txt": ENGLISH, "bad\x1b[2J.png": b"\x89PNG\r\n\x1a\n"})
    found = made(project, folder)
    assert "\\x1b[2J.png" in shown(found)
    assert found.text.isascii()
    for text in (shown(found), found.text):
        assert "\x1b" not in text
        assert "\u202e" not in text
    write_domain(project, found)
    assert resolve(project, {"domain": "leaflets"}).sources["leaflets"].local == folder


@pytest.mark.parametrize(
    "text",
    [
        *(
            "data/leaflets",
            "/srv/a-b_c.d",
            "资料/指南",
            "a b",
            "a: b",
            "#x",
            "- x",
            "{a}",
            "007",
            "1e3",
            "true",
            "null",
            "~",
            "",
        ),
        *(
            'say "no"',
            "back\\slash",
            "line\nfeed",
            "\t",
            "\x7f\x85\u2028\ufeff\ufffe",
            "😀",
            "🏳\u200d🌈",
            "é",
            "*a",
            "a,b",
            "[x",
        ),
    ],
)
def test_a_value_reads_back_as_itself(text: str) -> None:
    assert parsed_yaml(f"a: {yaml_scalar(text)}  # b\nc: {{d: {yaml_scalar(text)}, e: 1}}\n") == {
        "a": text,
        "c": {"d": text, "e": 1},
    }


def test_a_folder_outside_the_project_is_named_by_its_absolute_path(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = write(tmp_path / "papers", {"a.txt": ENGLISH})
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (str(outside), "../papers", "~/papers"):
        found = made(project, given)
        assert f"local: {outside}\n" in found.text
        assert any(f"{outside} lies outside the project" in note for note in found.notes)
    (project / "data").mkdir()
    (project / "data/link").symlink_to(outside)
    for given in ("data/link", str(project / "data/link"), "data/../data/link/"):
        assert "local: data/link\n" in made(project, given).text


def test_a_folder_beside_the_project_whose_name_begins_like_it_is_outside(project: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "project_texts", {"a.txt": ENGLISH})
    assert f"local: {outside}\n" in made(project, str(outside)).text


def test_one_file_or_archive_is_a_source_too(project: Path) -> None:
    write(
        project / "data", {"a.txt": ENGLISH, "pages.zip": zipped({"in/a.html": html(SIMPLIFIED), "in/b.txt": ENGLISH})}
    )
    assert "local: data/a.txt\n" in made(project, "data/a.txt").text
    found = made(project, "data/pages.zip")
    assert {each.name: each.files for each in found.survey.formats} == {"archive": 1, "html": 1, "txt": 1}


def test_a_folder_in_chinese(project: Path) -> None:
    write(project / "data/zh", {f"{number}.txt": (SIMPLIFIED * 3).encode("gb18030") for number in range(9)})
    lines = made(project, "data/zh").text.splitlines()
    assert "language: zh  # main language of the corpus" in lines
    assert any(line.startswith("sft_tokens: {system_prompt: ") for line in lines)
    assert any("smollm2" in note and "zh" in note for note in made(project, "data/zh").notes)
    # of ten files one in English leaves it, of five no more: there each document is asked about in its own language
    write(project / "data/zh", {"a.txt": ENGLISH})
    assert "language: zh" in made(project, "data/zh").text
    write(project / "data/zh", {"b.txt": ENGLISH})
    assert "language:" not in made(project, "data/zh").text.replace("yaml-language-server:", "")


def test_a_project_in_chinese_needs_no_line_for_it(project: Path) -> None:
    path = project / "config/config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("language: en", "language: zh", 1), encoding="utf-8")
    write(project / "data/zh", {"a.txt": SIMPLIFIED * 3})
    text = made(project, "data/zh").text
    assert "language: zh" not in text
    assert "system_prompt" not in text


def test_a_large_folder_gets_more_shards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "data/leaflets", {f"{number}.txt": ENGLISH for number in range(10)})
    assert "shards" not in made(project).text
    monkeypatch.setattr(domain_file, "SHARD_BYTES", 2 * len(ENGLISH))
    assert "raw_corpus: {shards: 5}" in made(project).text
    monkeypatch.setattr(domain_file, "MAX_SHARDS", 3)
    assert "raw_corpus: {shards: 3}" in made(project).text


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


def write_checkpoint(folder: Path) -> None:
    """What the checks before any library look at: a configuration, a tokenizer's file, whole weights."""
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1}
    write(folder, {"config.json": json.dumps(config), "tokenizer.json": "{}"})
    save_file({"a.weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")


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


def test_what_is_not_read_is_what_a_build_would_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the torture folder's faults that is small, by the verdict that its row expects of a build."""
    table = {
        name: (data, expected)
        for name, (data, expected) in faults().items()
        if len(data) < 1_000_000 and name != "faults/deep.html"
    }
    monkeypatch.setattr(survey, "MAX_READ", len(table))
    for name, (data, expected) in table.items():
        folder = project / "data/one"
        write(folder, {"sound.txt": ENGLISH, Path(name).name: data})
        reasons = {found.reason for found in made(project, "data/one").survey.unread}
        shutil.rmtree(folder)
        # a file of which something is read is not among them
        assert reasons or "text" in expected.split(), name
        assert reasons <= {*expected.split(), "no_document"}, name


def test_archives_are_looked_into(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members: dict[str, Any] = {f"{number}.txt": SIMPLIFIED.encode("gb18030") * 3 for number in range(5)}
    damaged = bytearray(zipped({"a.txt": ENGLISH}))
    damaged[60] ^= 0xFF
    write(
        project / "data/leaflets",
        {"a.zip": zipped({**members, "../out.txt": "x"}), "b.txt": ENGLISH, "c.zip": bytes(damaged)},
    )
    found = made(project)
    counts = {each.name: each.files for each in found.survey.formats}
    assert counts["archive"] == 2
    assert next(each for each in found.survey.formats if each.name == "txt").languages == {"en": 1, "zh": 5}
    assert {reason for reason in unread(found).values()} == {"path_escape", "damaged_member"}
    monkeypatch.setattr(survey, "MAX_MEMBERS", 3)
    assert made(project).survey.unlooked == 1
    monkeypatch.setattr(survey, "MAX_ARCHIVES", 0)
    found = made(project)
    assert (found.survey.unlooked, {each.name: each.files for each in found.survey.formats}) == (
        2,
        {"archive": 2, "txt": 1},
    )


def test_a_member_that_is_damaged_at_its_end(project: Path) -> None:
    data = bytearray(zipped({"a.txt": ENGLISH * 100}, zipfile.ZIP_STORED))
    data[len(ENGLISH) * 99] ^= 0x01
    write(project / "data/leaflets", {"a.zip": bytes(data), "b.txt": ENGLISH})
    assert unread(made(project)) == {"a.zip/a.txt": "damaged_member"}


def test_an_archive_that_is_too_large_to_look_into_is_none_that_is_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "data/leaflets", {"a.zip": zipped({"a.txt": ENGLISH * 50, "b.txt": ENGLISH * 50})})
    monkeypatch.setattr(survey, "MAX_UNPACKED_BYTES", len(ENGLISH) * 60)
    found = made(project).survey
    assert (found.unread, found.unlooked) == ((), 1)
    monkeypatch.setattr(survey, "MAX_ARCHIVE_BYTES", 10)
    assert made(project).survey.unlooked == 1


def test_of_many_files_a_sample_is_read_and_the_rest_told_by_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: Files = {f"{number // 10}/{number}.txt": SIMPLIFIED * 3 if number > 9 else ENGLISH for number in range(40)}
    write(project / "data/leaflets", {**files, "more.zip": zipped({"a.txt": ENGLISH}), "README": ENGLISH})
    monkeypatch.setattr(survey, "MAX_READ", 5)
    found = made(project)
    assert (found.survey.tried, found.survey.read, found.survey.text_files) == (5, 5, 41)
    assert "languages and character sets are those of a sample, 5 of 41 files" in found.notes
    # of all folders, not of the first one
    assert "zh" in found.survey.language_shares()
    monkeypatch.setattr(survey, "MAX_LOOKED_AT", 0)
    found = made(project)
    assert {each.name: (each.files, each.tried) for each in found.survey.formats} == {"txt": (40, 0), "archive": (1, 0)}
    assert (found.survey.by_name, found.survey.unlooked) == (42, 1)
    assert unread(found) == {"README": "unknown_format"}
    assert "detected by their names alone: 42 of 42 files" in found.notes


def test_one_set_of_nearly_all_files_reads_the_short_ones(project: Path) -> None:
    """As a build does: two characters that could be of several sets are of the folder's."""
    files: Files = {f"{number}.txt": (SIMPLIFIED * 3).encode("gb18030") for number in range(28)}
    short: Files = {"a.txt": "阿胶".encode("gb18030"), "b.txt": "川芎".encode("gb18030")}
    alone = made(project, write(project / "data/short", short).relative_to(project).as_posix()).survey
    assert [dict(each.charsets) for each in alone.formats] == [{"cp949": 1}]
    assert [each.reason for each in alone.unread] == ["charset_uncertain"]
    write(project / "data/leaflets", {**files, **short})
    found = made(project).survey
    assert [dict(each.charsets) for each in found.formats] == [{"gb18030": 30}]
    assert found.unread == ()


def test_links_and_files_that_may_not_be_read(
    open_folder: Path, repository: Path, as_nobody: Callable[..., Any]
) -> None:
    (open_folder / "config").mkdir()
    shutil.copyfile(repository / "config/config.yaml", open_folder / "config/config.yaml")
    folder = write(open_folder / "data", {"a.txt": ENGLISH, "closed.txt": ENGLISH})
    (folder / "closed.txt").chmod(0)
    (folder / "dangling.txt").symlink_to("nowhere")
    (folder / "round").symlink_to(".")
    found = as_nobody(lambda: unread(made(open_folder, "data")))
    assert found == {"closed.txt": "unreadable", "dangling.txt": "dangling_link", "round": "folder_again"}
    folder.chmod(0o700)
    assert "cannot list data" in as_nobody(lambda: refused(open_folder, "data"))


def test_a_reader_that_takes_too_long_tells_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build gives it more time, so it is not among what is not read."""
    monkeypatch.setattr(survey, "MAX_READ_SECONDS", 0.2)
    write(project / "data/leaflets", {"a.docx": docx(ENGLISH), "slow.html": "<div>" * 200_000 + ENGLISH})
    found = made(project).survey
    assert (found.tried, found.read, found.unread) == (2, 1, ())


def test_the_command_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "data/leaflets", LEAFLETS)
    monkeypatch.chdir(project)
    done = CliRunner().invoke(application, ["new", "leaflets", "data/leaflets", "--dry-run", "--json"])
    planned = json.loads(done.stdout)
    assert (done.exit_code, planned["is_written"], planned["survey"]["files"]) == (0, False, 6)
    assert not (project / "config/domains").exists()
    done = CliRunner().invoke(application, ["new", "leaflets", "data/leaflets", "--dry-run"])
    assert "config/domains/leaflets.yaml would be written:" in done.stdout
    done = CliRunner().invoke(application, ["new", "leaflets", "data/leaflets", "--licence", "CC0-1.0"])
    assert done.exit_code == 0
    text = (project / "config/domains/leaflets.yaml").read_text(encoding="utf-8")
    assert text == planned["yaml"].replace("unstated  # state it: every document carries it to the report", "CC0-1.0")
    assert "next: snakemake --cores all unique_shards --config domain=leaflets" in done.stdout
    done = CliRunner().invoke(application, ["new", "leaflets", "data/leaflets"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("config/domains/leaflets.yaml exists and is not overwritten")
    assert sorted(path.name for path in project.iterdir()) == ["config", "data"]


def test_torch_is_not_loaded(project: Path) -> None:
    write(project / "data/leaflets", LEAFLETS)
    write_checkpoint(project / "models/mine")
    code = (
        "import sys\nfrom domainlm.cli import application\n"
        "try: application(['new', 'leaflets', 'data/leaflets', '--base', 'models/mine', '--json'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
