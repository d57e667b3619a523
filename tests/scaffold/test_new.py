from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from material.new_domains import LEAFLETS, made, refused, shown, unread, write, write_checkpoint
from material.torture import ENGLISH, SIMPLIFIED, html, pdf, zipped
from typer.testing import CliRunner

from domainlm.cli import application
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.scaffold.new import write_domain


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


def test_one_file_or_archive_is_a_source_too(project: Path) -> None:
    write(
        project / "data", {"a.txt": ENGLISH, "pages.zip": zipped({"in/a.html": html(SIMPLIFIED), "in/b.txt": ENGLISH})}
    )
    assert "local: data/a.txt\n" in made(project, "data/a.txt").text
    found = made(project, "data/pages.zip")
    assert {each.name: each.files for each in found.survey.formats} == {"archive": 1, "html": 1, "txt": 1}


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
