"""A child process for readers, which may fail on a bad file.

A reader may hang, crash or take all memory. In: a function, its arguments, an open file. Out: the results of the
function, as it yields them, then the `Unreadable` that it raises; `time_limit` or `memory_limit` if it takes too
much, `crashed` if it ends the process or raises any other error. The file stays with the caller, which answers for
its bytes. Property kept: a verdict depends on the file alone, so a file that crashed or took all memory in a process
that had read others before is tried again in a new one, and new ones are forked from a template that was forked
before anything was read. There is one long-lived process, not one a file (5 ms each), and no pool (Snakemake's jobs
are the pool). The processes are forked and not spawned, so that they run the code that was loaded when the action key
was checked. The other threads of a build only sleep, and a child touches none of their state.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import reduction
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any, BinaryIO, NoReturn

from domainlm.raw.confined import (
    MEMORY_EXIT_CODE,
    WALL_SECONDS_PER_CPU_SECOND,
    close_others,
    end_by_signals,
    keep_parent_objects,
    limit_memory,
)
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.pieces import Coverage, Piece, Rejection
from domainlm.text.reading.remote_file import RemoteFile

# the size of a batch; the reading process continues while the caller works on it
BATCH_CHARS = 500_000
CHARS_PER_ITEM = 500
FILE_BUFFER_BYTES = 1_000_000
Result = Piece | Rejection | Coverage
Reader = Callable[..., Iterable[Result]]


def _batches(found: Iterable[Result]) -> Iterator[tuple[list[Result], Exception | None]]:
    """A reader's results, in lists; the last with the reader's error.

    The bounds of the lists depend on the reader alone.
    """
    batch: list[Result] = []
    chars = 0
    try:
        for each in found:
            batch.append(each)
            chars += CHARS_PER_ITEM
            if isinstance(each, Piece):
                chars += len(each.text) + len(each.meta)
            elif isinstance(each, Rejection):
                chars += len(each.detail)
            if chars >= BATCH_CHARS:
                yield batch, None
                batch, chars = [], 0
    except MemoryError:
        raise
    except Exception as error:
        yield batch, error
        return
    yield batch, None


def _answer(
    pipe: Connection, max_seconds: float, function: Reader, arguments: Any, size: int | None, skip: int
) -> None:
    """One call: batches, without the first `skip`, and how it ended."""

    def restart_clock() -> None:
        signal.setitimer(signal.ITIMER_PROF, max_seconds)

    restart_clock()
    end: tuple[str, str] | None = None
    try:
        if size is not None:
            raw = RemoteFile(pipe, size, restart_clock)
            arguments = (io.BufferedReader(raw, max(min(size, FILE_BUFFER_BYTES), 1)), *arguments)
        for number, (batch, error) in enumerate(_batches(function(*arguments))):
            if number >= skip and batch:
                pipe.send(("batch", batch))
            if isinstance(error, Unreadable):
                end = error.reason, error.detail
            elif error is not None:
                end = crash_of(error)
            restart_clock()
    except MemoryError:
        # whatever is held is given back with the process
        os._exit(MEMORY_EXIT_CODE)
    signal.setitimer(signal.ITIMER_PROF, 0)
    pipe.send(("end", end))


def crash_of(error: Exception) -> tuple[str, str]:
    """Reason and detail of an unexpected error in a reader.

    The detail is its type, because its message may name lines and versions.
    """
    return "crashed", f"{type(error).__name__} in the reader"


def _serve(pipe: Connection, max_seconds: float, max_memory_mb: int) -> NoReturn:
    """Answer calls until the parent closes its end, or ends."""
    close_others(pipe.fileno())
    limit_memory(max_memory_mb)
    while True:
        _answer(pipe, max_seconds, *pipe.recv())


def _fork_on_demand(control: Connection, max_seconds: float, max_memory_mb: int) -> NoReturn:
    """The template process: forks a process to serve each pipe.

    It reports the number of each process, and then its exit status.
    """
    close_others(control.fileno())
    end_by_signals()
    keep_parent_objects()
    while True:
        descriptor = reduction.recv_handle(control)
        child = os.fork()
        if child == 0:
            try:
                _serve(Connection(descriptor), max_seconds, max_memory_mb)
            except BaseException as error:
                os._exit(MEMORY_EXIT_CODE if isinstance(error, MemoryError) else 0)
        os.close(descriptor)
        control.send(child)
        control.send(os.waitpid(child, 0)[1])


class _Died(Unreadable):
    """The process ended, or had to be ended."""


class ReaderProcess:
    """Calls functions in a child process. Use it as a context.

    max_seconds: of CPU between two steps: bytes of the file that were not read before, or a batch returned.
    max_memory_mb: the child's memory in addition to the template's.
    """

    def __init__(self, max_seconds: float, max_memory_mb: int) -> None:
        self._max_seconds = max_seconds
        self._max_memory_mb = max_memory_mb
        self._template = self._child = 0
        self._control: Connection | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> ReaderProcess:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        template = os.fork()
        if template == 0:
            try:
                _fork_on_demand(theirs, self._max_seconds, self._max_memory_mb)
            except BaseException:
                os._exit(0)
        theirs.close()
        self._template, self._control = template, ours
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        if self._control is not None:
            self._control.close()
            self._control = None
            os.waitpid(self._template, 0)

    def _start(self) -> Connection:
        assert self._control is not None
        ours, theirs = Pipe()
        reduction.send_handle(self._control, theirs.fileno(), self._template)
        theirs.close()
        self._child, self._pipe = self._control.recv(), ours
        return ours

    def _end(self, patience_seconds: float = 0.0) -> int:
        """End the child; return its exit status.

        The status has os.waitpid's form. It is 0 if the child had not ended by itself or there was none.
        """
        if self._pipe is None or self._control is None:
            return 0
        self._pipe.close()
        self._pipe = None
        if self._control.poll(patience_seconds):
            return int(self._control.recv())
        # it waits for the next call, or is in one that never ends; it may end by itself at this moment
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        self._control.recv()
        return 0

    def _why_ended(self) -> _Died:
        """Why a child closed its end of the pipe."""
        status = self._end(patience_seconds=5.0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGPROF:
            return self._time_limit()
        # the kernel kills what takes the machine's last memory
        if number == signal.SIGKILL or os.WEXITSTATUS(status) == MEMORY_EXIT_CODE:
            return _Died("memory_limit", f"more than {self._max_memory_mb} MB (documents.max_memory_mb)")
        if number:
            return _Died("crashed", f"its parser ended the process by {signal.Signals(number).name}")
        return _Died("crashed", "its parser ended the process")

    def _time_limit(self) -> _Died:
        return _Died("time_limit", f"more than {self._max_seconds:g} CPU seconds (documents.max_seconds)")

    def _message(self, pipe: Connection) -> Any:
        try:
            if pipe.poll(self._max_seconds * WALL_SECONDS_PER_CPU_SECOND):
                return pipe.recv()
        except (EOFError, OSError):
            raise self._why_ended() from None
        self._end()
        raise self._time_limit()

    def _call(
        self, file: BinaryIO | None, function: Reader, arguments: tuple[Any, ...], skip: int
    ) -> Iterator[list[Result]]:
        """Batches of one call.

        The child is ended if the call is not brought to its end.
        """
        pipe = self._pipe if self._pipe is not None else self._start()
        is_done = False
        try:
            size = file.seek(0, io.SEEK_END) if file is not None else None
            pipe.send((function, arguments, size, skip))
            while True:
                kind, value = self._message(pipe)
                if kind == "batch":
                    yield value
                elif kind == "end":
                    is_done = True
                    if value is not None:
                        raise Unreadable(*value)
                    return
                else:
                    assert file is not None
                    file.seek(value[0])
                    data = file.read(value[1])
                    try:
                        pipe.send_bytes(data)
                    except OSError:
                        raise self._why_ended() from None
        finally:
            if not is_done:
                self._end()

    def read(self, function: Reader, *arguments: Any, file: BinaryIO | None = None) -> Iterator[Result]:
        """The function's results.

        If there is a file, it is the function's first argument. Raises Unreadable.
        """
        given = 0
        while True:
            is_fresh = self._pipe is None
            try:
                for batch in self._call(file, function, arguments, given):
                    given += 1
                    yield from batch
                return
            except _Died as error:
                if is_fresh or error.reason == "time_limit":
                    raise Unreadable(error.reason, error.detail) from None
