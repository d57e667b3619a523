from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.commands.progress import Reporter, describe


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({}, ""),
        ({"loss": 2.31234}, "loss 2.312"),
        ({"tokens_per_second": 341.4}, "341 tokens/s"),
        ({"loss": 2.0, "peak_memory_bytes": 2_100_000_000.0}, "loss 2 · peak memory 2.1 GB"),
        ({"seconds_left": 130.9}, "2:10 left"),
        ({"seconds_left": 5}, "0:05 left"),
        ({"learning_rate": 0.001, "loss": 2.0}, "learning rate 0.001 · loss 2"),
    ],
)
def test_figures_in_words(figures: dict[str, float], text: str) -> None:
    assert describe(figures) == text


def lines_of(path: Path) -> list[str]:
    """Lines of a log, without their times."""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_go_to_standard_error_and_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs/medical/a.log"
    with Reporter("pt_adapter", log) as reporter:
        reporter.log("[not] markup, a path /a/b and a text that is longer than any terminal is wide " + "x" * 300)
        # on disk while the build still runs
        assert len(lines_of(log)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"[pt_adapter] {lines_of(log)[0]}\n"


def test_a_new_build_starts_a_new_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("first", "second"):
        with Reporter("a", tmp_path / "a.log") as reporter:
            reporter.log(text)
    assert lines_of(tmp_path / "a.log") == ["second"]


def test_without_a_terminal_a_line_now_and_then_and_always_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("domainlm.commands.progress.time.monotonic", lambda: now)
    with Reporter("a", tmp_path / "a.log") as reporter:
        for done in range(1, 101):
            now += 1.0
            reporter.progress(done, 100, {"loss": 1.0})
    assert lines_of(tmp_path / "a.log") == [f"{done} % ({done} of 100) loss 1" for done in (1, 31, 61, 91, 100)]
    assert len(capsys.readouterr().err.splitlines()) == 5


def test_nothing_to_do_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter("a", tmp_path / "a.log") as reporter:
        reporter.progress(0, 0, {})
    assert lines_of(tmp_path / "a.log") == ["0 % (0 of 0) "]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_that_is_taken_down_and_lines_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    def fail() -> None:
        with Reporter("pt_adapter", tmp_path / "a.log") as reporter:
            reporter.progress(50, 100, {"loss": 1.0})
            reporter.progress(100, 100, {"loss": 0.5})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    printed = terminal.getvalue()
    assert "pt_adapter" in printed
    assert "loss 0.5" in printed
    # the cursor is shown again, also after an error
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
    assert lines_of(tmp_path / "a.log") == ["50 % (50 of 100) loss 1", "100 % (100 of 100) loss 0.5"]


def test_without_a_log_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Reporter("a", None) as reporter:
        reporter.log("x")
        reporter.progress(1, 1, {})
    assert list(tmp_path.iterdir()) == []


def test_a_log_file_without_room_ends_nothing(
    capsys: pytest.CaptureFixture[str], small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(16)
    with Reporter("a", disk / "a.log") as reporter:
        reporter.log("first")
        (disk / "filler").write_bytes(b"0" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
        for number in range(300):
            reporter.log(f"line {number} of a log that grows beyond its first page")
        reporter.log("last")
    printed = capsys.readouterr().err.splitlines()
    assert sum("the log file cannot be written" in line for line in printed) == 1
    assert printed[-1] == "[a] last"


def test_a_log_file_that_cannot_be_made_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    with Reporter("a", tmp_path / "logs/a.log") as reporter:
        reporter.log("first")
    assert capsys.readouterr().err.splitlines()[-1] == "[a] first"


def test_a_message_of_several_lines_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter("a", tmp_path / "a.log") as reporter:
        reporter.log("failed: x\x1b[1m\n12:00:00 all is well\n")
    assert capsys.readouterr().err == "[a] failed: x\\x1b[1m\n  12:00:00 all is well\n"
    assert lines_of(tmp_path / "a.log") == ["failed: x\\x1b[1m", "  12:00:00 all is well"]
