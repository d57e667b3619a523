"""Progress for a person, on a terminal and in a log.

In: `progress(done, total, figures)` calls of a stage, and its log lines. Out: on a terminal, a live bar with the
figures; elsewhere, a line every 30 seconds, and always the last one. Everything but the bar is also written to the
build's log file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from domainlm.store.secrets import without_secrets
from domainlm.terminal import console, lines_of
from domainlm.wording import bytes_in_words, printable

LINE_EVERY_SECONDS = 30.0


def describe(figures: Mapping[str, float]) -> str:
    """'loss 2.31 · 341 tokens/s · 2:10 left' from named figures.

    The names end in units.
    """
    parts = []
    for name, value in figures.items():
        if name == "seconds_left":
            parts.append(f"{int(value) // 60}:{int(value) % 60:02d} left")
        elif name.endswith("_per_second"):
            parts.append(f"{value:.0f} {name.removesuffix('_per_second')}/s")
        elif name.endswith("_bytes"):
            parts.append(f"{name.removesuffix('_bytes').replace('_', ' ')} {bytes_in_words(int(value))}")
        else:
            parts.append(f"{name.replace('_', ' ')} {value:.4g}")
    return " · ".join(parts)


class Reporter:
    """Prints one build's progress and log lines.

    It is a context manager, because a live bar must be removed at the end.
    """

    def __init__(self, name: str, log_file: Path | None) -> None:
        self.name = printable(name)
        self._file: TextIO | None = None
        self._console = console(is_error=True)
        self._bar: Progress | None = None
        self._last_line = -LINE_EVERY_SECONDS
        if log_file is not None:
            try:
                log_file.parent.mkdir(parents=True, exist_ok=True)
                self._file = log_file.open("w", encoding="utf-8")
            except OSError as error:
                self._go_on_without_file(error)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._file is not None:
            self._file.close()

    def _write(self, message: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write("\n".join(lines_of(f"{time.strftime('%H:%M:%S')} {message}")) + "\n")
            self._file.flush()
        except OSError as error:
            self._go_on_without_file(error)

    def _go_on_without_file(self, error: OSError) -> None:
        """Continue on the terminal alone.

        An unwritable log ends no build and hides no error of one.
        """
        if self._file is not None:
            # closing writes what is left, which fails again
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._print(f"the log file cannot be written ({error}); further lines are printed here only")

    def _print(self, message: str) -> None:
        # above the bar, where there is one
        for each in lines_of(f"[{self.name}] {message}"):
            self._console.print(each)

    def log(self, message: str) -> None:
        # errors and traces of libraries pass here too; they may quote an address with a password, or an environment variable
        message = without_secrets(message)
        self._print(message)
        self._write(message)

    def progress(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        text = printable(describe(figures))
        if sys.stderr.isatty():
            if self._bar is None:
                columns = (
                    TextColumn("{task.description}", markup=False),
                    BarColumn(),
                    TaskProgressColumn(),
                    TextColumn("{task.fields[figures]}", markup=False),
                )
                self._bar = Progress(*columns, console=self._console, transient=True)
                self._bar.add_task(self.name, total=total, figures=text)
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, figures=text)
        if done < total and time.monotonic() - self._last_line < LINE_EVERY_SECONDS:
            return
        self._last_line = time.monotonic()
        line = f"{100 * done // max(total, 1)} % ({done} of {total}) {text}"
        if not sys.stderr.isatty():
            self.log(line)
        else:
            self._write(line)
