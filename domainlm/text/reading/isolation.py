"""A process of its own for parsers that may hang, crash or take all memory on a bad file.

In: a function and its arguments. Out: what it returns or the `Unreadable` it raises; `time_limit` or `memory_limit` where
it takes too much, `crashed` where it ends the process or raises anything else. The next call then runs in a new process.
Property kept: a file's verdict depends on the file alone, so what was a crash or took all memory in a process that had
read others before is tried once more in a new one. One long-lived process and not one a file (5 ms each), not a pool
(Snakemake's jobs are the pool). Forked and not spawned: the code that runs is the code that was loaded when the action key
was checked, whatever is edited meanwhile. The other threads of a build only sleep (its lease's heartbeat, the watch on its
parent), and a child touches nothing of theirs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any, NoReturn

from domainlm.text.reading.pieces import Rejection, Section, Unreadable

# a parser that waits and uses no processor: nothing here should, so a busy machine must not come near it
WALL_SECONDS_PER_CPU_SECOND = 20.0
MEMORY_EXIT_CODE = 66


def _data_bytes() -> int:
    """Private writable memory of this process, which RLIMIT_DATA counts; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def _answer(function: Callable[..., list[Section | Rejection]], arguments: tuple[Any, ...]) -> Any:
    try:
        return function(*arguments)
    except Unreadable as error:
        return error.reason, error.detail
    except MemoryError:
        # whatever is held is given back with the process
        os._exit(MEMORY_EXIT_CODE)
    except Exception as error:
        # its message may name lines and library versions: the type is what stays the same
        return "crashed", f"{type(error).__name__} in the reader"


def _serve(pipe: Connection, function: Callable[..., Any], max_seconds: float, max_memory_mb: int) -> NoReturn:
    """Answer calls until the parent closes its end, or ends."""
    descriptor = pipe.fileno()
    # locks and pipes of the build must not outlive it here
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
    # the default action ends the process in the middle of a C function, where a Python handler would not be run
    for number in (signal.SIGPROF, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C reaches the whole group: the parent ends, and then this
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit = _data_bytes() + max_memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        arguments = pipe.recv()
        signal.setitimer(signal.ITIMER_PROF, max_seconds)
        answer = _answer(function, arguments)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(answer)
        del arguments, answer


class ReaderProcess:
    """Calls a function in a child process. max_seconds: of CPU a call. max_memory_mb: what the child may take in addition."""

    def __init__(
        self, function: Callable[..., list[Section | Rejection]], max_seconds: float, max_memory_mb: int
    ) -> None:
        self._function = function
        self._max_seconds = max_seconds
        self._max_memory_mb = max_memory_mb
        self._child = 0
        self._calls = 0
        self._pipe: Connection | None = None

    def __enter__(self) -> ReaderProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                _serve(theirs, self._function, self._max_seconds, self._max_memory_mb)
            except BaseException as error:
                os._exit(MEMORY_EXIT_CODE if isinstance(error, MemoryError) else 0)
        theirs.close()
        self._child, self._calls, self._pipe = child, 0, ours
        return ours

    def _end(self, patience_seconds: float = 0.0) -> int:
        """End the child; its exit status as os.waitpid gives it, 0 where it had not ended by itself or there was none."""
        if self._pipe is None:
            return 0
        self._pipe.close()
        self._pipe = None
        deadline = time.monotonic() + patience_seconds
        found, status = os.waitpid(self._child, os.WNOHANG)
        while not found and time.monotonic() < deadline:
            time.sleep(0.001)
            found, status = os.waitpid(self._child, os.WNOHANG)
        if not found:
            # it waits for the next call, or is in one that never ends
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
        return status

    def _why_ended(self) -> Unreadable:
        """What a child that closed its end of the pipe died of."""
        status = self._end(patience_seconds=5.0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            return self._time_limit()
        if os.WIFSIGNALED(status):
            return Unreadable("crashed", f"its parser ended the process by {signal.Signals(os.WTERMSIG(status)).name}")
        if os.WEXITSTATUS(status) == MEMORY_EXIT_CODE:
            return Unreadable("memory_limit", f"more than {self._max_memory_mb} MB (documents.max_memory_mb)")
        return Unreadable("crashed", "its parser ended the process")

    def _time_limit(self) -> Unreadable:
        return Unreadable("time_limit", f"more than {self._max_seconds:g} CPU seconds (documents.max_seconds)")

    def _called(self, arguments: tuple[Any, ...]) -> Any:
        pipe = self._pipe if self._pipe is not None else self._start()
        self._calls += 1
        try:
            pipe.send(arguments)
            if pipe.poll(self._max_seconds * WALL_SECONDS_PER_CPU_SECOND):
                return pipe.recv()
        except (EOFError, OSError):
            raise self._why_ended() from None
        self._end()
        raise self._time_limit()

    def read(self, *arguments: Any) -> list[Section | Rejection]:
        """The function's result. Raises Unreadable."""
        try:
            answer = self._called(arguments)
        except Unreadable as error:
            if self._calls == 1 or error.reason == "time_limit":
                raise
            answer = self._called(arguments)
        if isinstance(answer, tuple):
            raise Unreadable(*answer)
        found: list[Section | Rejection] = answer
        return found
