from __future__ import annotations

import io
import json
import sys

import pytest
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from domainlm.terminal import PlainConsole, json_text, line, lines_of, say, show


def drawn(answer: object, **options: object) -> str:
    stream = io.StringIO()
    PlainConsole(file=stream, width=80, **options).print(answer)
    return stream.getvalue()


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/b]", ":smile:", "a[1]", "\\[x]", "病历 😀"])
def test_a_text_is_drawn_letter_by_letter(text: str) -> None:
    assert drawn(text) == f"{text}\n"
    assert text in drawn(Tree(text))


def test_what_steers_is_escaped_wherever_it_stands() -> None:
    table = Table(title="a\x1b[1m")
    table.add_row("b\x1b[2m", "c\x1b[3m", line("d\r", ("e\n", "bold")))
    found = drawn(Group(table, Tree(Text("f\x1b[4m", "red")), "g\x1b[5m"))
    for part in ("a\\x1b[1m", "b\\x1b[2m", "c\\x1b[3m", "d\\re\\n", "f\\x1b[4m", "g\\x1b[5m"):
        assert part in found
    assert "\x1b" not in found


def test_styles_are_drawn_on_a_terminal() -> None:
    assert drawn(line(("x", "bold")), force_terminal=True, color_system="standard") == "\x1b[1mx\x1b[0m\n"


def test_a_line_is_safe_in_any_console() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(line("a\x1b[1m\nb", (" [red]c", "bold")))
    assert stream.getvalue() == "a\\x1b[1m\\nb [red]c\n"


@pytest.mark.parametrize(
    ("message", "lines"),
    [("", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\n\nb\x1b\r\n", ["a", "  ", "  b\\x1b\\r"])],
)
def test_further_lines_are_set_in(message: str, lines: list[str]) -> None:
    assert lines_of(message) == lines


def test_what_is_said_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b\nb")
    assert capsys.readouterr() == ("", "a\\x1b\n  b\n")


def test_what_is_shown_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    show(["a\nb", "[/b]"])
    show({"b": "é\x9b", "a": 1})
    assert capsys.readouterr().out == 'a\\nb\n[/b]\n{\n "a": 1,\n "b": "é\\u009b"\n}\n'


@pytest.mark.parametrize("text", ["\x1b\x00\x7f\x9b", "\u202e\u2028", "\udcff", "\U000e0041", "病😀", 'a"\\\n\t'])
@pytest.mark.parametrize("is_unicode", [True, False])
def test_json_is_exact(text: str, is_unicode: bool) -> None:
    found = json_text({"a": [text]}, is_unicode)
    assert json.loads(found) == {"a": [text]}
    assert found.encode("utf-8" if is_unicode else "ascii").decode().replace("\n", "").isprintable()


def test_standard_output_without_the_letter_holds_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    show({"a": "病"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"a": "病"}  # type: ignore[attr-defined]
