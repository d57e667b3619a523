"""Calls that depend on a stranger's file, in a limited process.

Examples are a chat template and a tokenizer's expressions. In: a function, limits. Out: the function's result, or
`OverLimit` if it takes too much time or memory or ends its process. Property kept: no result depends on a limit,
since the caller names the input and stops. An alarm would not do: a signal is handled between two steps of the
interpreter, and one multiplication of a template, or one search of a regular expression, is a single step. The
process is forked, so that it runs the code that was loaded when the key was checked, and the function need not be
sent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any, Generic, NoReturn, TypeVar

from domainlm.raw.confined import (
    MEMORY_EXIT_CODE,
    WALL_SECONDS_PER_CPU_SECOND,
    close_others,
    end_by_signals,
    keep_parent_objects,
    limit_memory,
)

Result = TypeVar("Result")
MAX_MESSAGE_CHARS = 2000


class OverLimit(Exception):
    """A call exceeded a limit, or ended its process.

    The message is a predicate for a subject to precede.
    """


class CallFailed(Exception):
    """A call raised an error: its type and message."""


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust panicked.

    Its exception has no name that can be imported, and is no Exception.
    """
    return type(error).__name__ == "PanicException"


class Bounded(Generic[Result]):
    """One function whose calls run in one child process.

    The first call starts it. Use it as a context. max_seconds: CPU time of one call. max_memory_mb: the child's
    memory in addition to that of this process.
    """

    def __init__(self, function: Callable[..., Result], max_seconds: float, max_memory_mb: int) -> None:
        self._function = function
        self._max_seconds = max_seconds
        self._max_memory_mb = max_memory_mb
        self._child = 0
        self._pipe: Connection | None = None

    def __enter__(self) -> Bounded[Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def __call__(self, *arguments: Any) -> Result:
        """Raises OverLimit, and CallFailed if the function raises."""
        pipe = self._pipe if self._pipe is not None else self._start()
        try:
            pipe.send(arguments)
            if not pipe.poll(self._max_seconds * WALL_SECONDS_PER_CPU_SECOND):
                self._end()
                raise OverLimit(f"took more than {self._max_seconds:g} seconds")
            is_returned, value = pipe.recv()
        except (EOFError, OSError):
            raise self._why_ended() from None
        if not is_returned:
            raise CallFailed(value)
        result: Result = value
        return result

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            try:
                _serve(theirs, self._function, self._max_seconds, self._max_memory_mb)
            except BaseException as error:
                os._exit(MEMORY_EXIT_CODE if isinstance(error, MemoryError) else 0)
        theirs.close()
        self._child, self._pipe = child, ours
        return ours

    def _end(self) -> int:
        """End the child; its status as os.waitpid gives it."""
        if self._pipe is None:
            return 0
        self._pipe.close()
        self._pipe = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        return os.waitpid(self._child, 0)[1]

    def _why_ended(self) -> OverLimit:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        status = os.waitpid(self._child, 0)[1]
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGPROF:
            return OverLimit(f"took more than {self._max_seconds:g} CPU seconds")
        # the kernel kills what takes the machine's last memory
        if number == signal.SIGKILL or os.WEXITSTATUS(status) == MEMORY_EXIT_CODE:
            return OverLimit(f"took more than {self._max_memory_mb} MB of memory")
        if number == signal.SIGABRT:
            return OverLimit(
                f"ended its process, as libraries do that get no more memory (of {self._max_memory_mb} MB)"
            )
        return OverLimit(f"ended its process{f' by {signal.Signals(number).name}' if number else ''}")


def _serve(pipe: Connection, function: Callable[..., Any], max_seconds: float, max_memory_mb: int) -> NoReturn:
    """Answer calls until the parent closes its end, or ends."""
    end_by_signals()
    keep_parent_objects()
    close_others(pipe.fileno())
    limit_memory(max_memory_mb)
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            os._exit(0)
        signal.setitimer(signal.ITIMER_PROF, max_seconds)
        try:
            answer = (True, function(*arguments))
        except MemoryError:
            # whatever is held is given back with the process
            os._exit(MEMORY_EXIT_CODE)
        except BaseException as error:
            answer = (False, f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARS])
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(answer)
