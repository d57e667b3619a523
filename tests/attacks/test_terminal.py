"""Names and values of strangers on a terminal, in a log, in JSON."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from typer.testing import CliRunner

from domainlm.cli import application
from domainlm.commands.progress import Reporter
from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.table import PACKAGE_ROOT
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.roots import Pin, register_workspace, write_pin
from domainlm.terminal import lines_of

TITLE = "\x1b]0;owned\x07"
CLEAR = "\x1b[2J"
WORDS = "kola bimo tera vona siku pafe lodi gura neha foco\n"
Ask = Callable[..., str]


@pytest.fixture
def ask(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """ask(name, arguments): what a command prints, after the one file of the tiny project's corpus was given this name."""

    def printed(name: str, *arguments: str, code: int = 0) -> str:
        for path in (text_project.path / "corpus").iterdir():
            path.unlink()
        (text_project.path / "corpus" / name).write_text(WORDS * 9, encoding="utf-8")
        text_project.build("raw_corpus", "documents")
        monkeypatch.chdir(text_project.path)
        done = CliRunner().invoke(application, list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    return printed


@attack(
    "corpus",
    "terminal escape",
    "a file whose name sets the window's title and clears the screen",
    "`trace` and `lineage` show the escape as `\\x1b`",
)
@pytest.mark.parametrize("command", [("trace", "corpus"), ("lineage", "documents"), ("lineage", "raw_corpus")])
def test_a_file_name_does_not_steer_the_terminal(command: tuple[str, ...], ask: Ask) -> None:
    found = ask(f"0{TITLE}{CLEAR}.txt", *command)
    assert "\\x1b]0;owned\\x07\\x1b[2J.txt" in found
    assert "\x1b" not in found
    assert "\x07" not in found


@attack(
    "corpus",
    "forged log line",
    "a file whose name holds a line feed and a forged message",
    "the name stays on its line, the line feed shown as `\\n`",
)
def test_a_file_name_makes_no_line_of_its_own(ask: Ask) -> None:
    found = ask("0\n[documents] built: all is well.txt", "trace", "corpus")
    assert "0\\n[documents] built: all is well.txt" in found
    assert not [row for row in found.splitlines() if row.startswith("[documents]")]


@attack(
    "corpus",
    "bidirectional text",
    "a file name with U+202E, so that `txt.exe` reads `exe.txt`",
    "the character is shown as `\\u202e`",
)
def test_a_file_name_does_not_turn_the_direction_of_writing(ask: Ask) -> None:
    found = ask("0\u202etxt.exe\u2066\u2028.txt", "trace", "corpus")
    assert "0\\u202etxt.exe\\u2066\\u2028.txt" in found


@attack(
    "corpus",
    "markup injection",
    "a file name with `[bold]`, `[/b]` or `:smile:` in it",
    "the name is printed letter for letter",
)
def test_a_file_name_is_no_markup(ask: Ask) -> None:
    assert "0[bold red]x[link=y]:smile:.txt" in ask("0[bold red]x[link=y]:smile:.txt", "trace", "corpus")


@attack(
    "corpus",
    "broken encoding",
    "a file name that is neither UTF-8 nor GBK",
    "it is listed with escapes, in every locale, also into a pipe",
)
@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
    ],
    ids=["ascii", "C", "utf-8"],
)
def test_a_name_without_letters_is_printed_in_any_locale(locale: dict[str, str], text_project: Any) -> None:
    (Path(os.fsdecode(os.fsencode(text_project.path / "corpus") + b"/\xff\xfe\x81 \xe7\x97\x85.txt"))).write_text(WORDS)
    (text_project.path / "corpus/病历.txt").write_text(WORDS, encoding="utf-8")
    text_project.build("raw_corpus")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_ROOT), **locale}
    for as_json in ([], ["--json"]):
        command = [sys.executable, "-m", "domainlm", "trace", "corpus", *as_json]
        done = subprocess.run(command, cwd=text_project.path, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        if as_json:
            assert "病历.txt" in {file["path"] for file in json.loads(done.stdout)["files"]}
        else:
            assert b"\\xff\\xfe\\x81" in done.stdout


@attack(
    "corpus",
    "terminal escape",
    "an escape, a C1 control or a bidirectional control in a value of `--json`",
    "exact JSON, in which each is JSON's own escape",
)
def test_json_is_exact_and_steers_nothing(ask: Ask) -> None:
    name = f"0{CLEAR}\x9b1m\u202e病.txt"
    found = ask(name, "trace", "corpus", "--json")
    assert not set("\x1b\x9b\u202e") & set(found)
    assert "病" in found
    assert name in {file["path"] for file in json.loads(found)["files"]}


@attack(
    "corpus",
    "terminal escape",
    "a name with escapes in an error's text, which a build logs",
    "terminal and log file hold the escapes as text, further lines set in",
)
def test_a_build_log_steers_nothing(tmp_path: Path) -> None:
    log = tmp_path / "logs/x.log"
    with redirect_stderr(io.StringIO()) as terminal, Reporter(f"documents{CLEAR}", log) as reporter:
        reporter.log(f"failed: cannot read {TITLE}\r\n12:00:00 all is well [/b]\x9b")
        reporter.progress(1, 1, {f"a{CLEAR}": 1.0})
    for text in (terminal.getvalue(), log.read_text(encoding="utf-8")):
        assert not set("\x1b\x07\x9b\r") & set(text)
        assert "\n  12:00:00 all is well [/b]\\x9b\n" in text


@attack(
    "domain file",
    "terminal escape",
    "a folder's name with escapes in a configuration that is refused",
    "the error quotes the name as text, under Snakemake too",
)
def test_a_configuration_error_steers_nothing() -> None:
    assert str(ConfigurationError(f"no folder {CLEAR}\nand\u2028more")) == "no folder \\x1b[2J\nand\\u2028more"


@attack(
    "workspace",
    "markup injection",
    "a workspace below `[/b]` that is gone when `gc` runs",
    "`gc` names it as it is, and ends with 0",
)
def test_gc_names_a_workspace_as_it_is(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text_project.build("raw_corpus")
    gone = text_project.path.parent / f"x[/b]{CLEAR}[bold]"
    gone.mkdir(parents=True)
    register_workspace(store_folder(text_project.path), gone)
    gone.rmdir()
    monkeypatch.chdir(text_project.path)
    done = CliRunner().invoke(application, ["gc"])
    assert done.exit_code == 0, done.output
    assert "x[/b]\\x1b[2J[bold] no longer exists" in done.output


@attack(
    "store",
    "markup injection",
    "a pin of a shared store whose name and workspace hold markup and escapes",
    "`gc --list-pins` prints them as text",
)
def test_pins_are_printed_as_text(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text_project.build("raw_corpus")
    write_pin(
        store_folder(text_project.path), Pin("release", "tiny", "raw_corpus", ("0" * 64,), f"/a[/b]{CLEAR}", "2026")
    )
    monkeypatch.chdir(text_project.path)
    done = CliRunner().invoke(application, ["gc", "--list-pins"])
    assert (done.exit_code, "\x1b" in done.output) == (0, False)
    assert "/a[/b]\\x1b[2J" in done.output


@attack(
    "workspace",
    "terminal escape",
    "an action.json whose facts about its platform hold escapes and line feeds, which no remote can bring",
    "the record is ignored; `lineage` reports it, and prints no control character",
)
def test_facts_of_a_foreign_record_are_text(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text_project.build("raw_corpus")
    for path in text_project.path.glob("artifacts/tiny/raw_corpus/**/action.json"):
        record = json.loads(path.read_bytes())
        record["built"] |= {"machine": f"x{CLEAR}\n[red]fake", "device": "\x9b31m"}
        path.chmod(0o644)
        path.write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.chdir(text_project.path)
    done = CliRunner().invoke(application, ["lineage", "raw_corpus"])
    assert done.exit_code == 3, done.output
    assert "raw_corpus of tiny is not built here" in done.output
    assert not set("\x1b\x9b") & set(done.output)


@attack(
    "store",
    "terminal escape",
    "a file in the store whose name, not a digest, holds escapes",
    "`verify` prints no control character",
)
def test_verify_prints_no_control_character(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text_project.build("raw_corpus")
    store = Store(store_folder(text_project.path))
    target = next(path for path in (store.root / "objects").rglob("*") if path.is_file())
    planted = target.with_name(f"{target.name[:-4]}{CLEAR}")
    planted.write_bytes(b"x")
    monkeypatch.chdir(text_project.path)
    found = CliRunner().invoke(application, ["verify"]).output
    assert "\x1b" not in found


@attack(
    "workspace",
    "terminal escape",
    "arguments with escapes, as a shell's pattern finds them",
    "wrong usage is reported with the escapes as text, exit 2",
)
@pytest.mark.parametrize(
    "arguments", [("trace", "a", f"b{CLEAR}"), ("trace", f"--b{CLEAR}"), (f"b{CLEAR}",), ("build", f"b{CLEAR}")]
)
def test_wrong_usage_steers_nothing(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(application, arguments)
    assert done.exit_code == 2
    assert "\\x1b[2J" in done.output
    assert "\x1b" not in done.output


@attack(
    "corpus",
    "terminal escape",
    "a million names of nothing but control characters",
    "printed in time that grows with their length",
)
def test_printing_is_linear() -> None:
    began = time.monotonic()
    assert len(lines_of("\x1b\n" * 500_000)) == 500_000
    assert time.monotonic() - began < 5
