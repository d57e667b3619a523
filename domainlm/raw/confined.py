"""Confinement of a child process that works on a stranger's input.

In: the one file that it keeps, a limit. Out: this process, confined for the rest of its life: it holds no files of
its parent's, has a memory limit, spends no time on its parent's objects, and signals end it. Readers of files
(`text/reading/isolation.py`) and calls of templates and tokenizers (`tokens/bounded.py`) run in such processes. Who
forks them, their answers and how their end is read differ; the confinement is the same.
"""

from __future__ import annotations

import gc
import os
import resource
import signal

# nothing here waits, so a busy machine must not come near it
WALL_SECONDS_PER_CPU_SECOND = 20.0
# of a process that ends itself because it got no more memory
MEMORY_EXIT_CODE = 66


def end_by_signals() -> None:
    """Let signals end this process in the middle of a C function.

    A Python handler would not run there. Ctrl-C reaches the whole group: the parent ends, and then this process.
    """
    for number in (signal.SIGPROF, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def close_others(kept: int) -> None:
    """Close all files but one, and the standard ones.

    Locks and pipes of the build must not outlive it here.
    """
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def keep_parent_objects() -> None:
    """Let no collection here walk through the parent's objects.

    A collection would copy their pages and take CPU seconds that the limits would count against a stranger's input.
    """
    gc.freeze()


def limit_memory(max_memory_mb: int) -> None:
    """Limit this process's additional memory; end it silently, without a core."""
    # the last words of libraries are dropped; the end of the process is reported
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    limit = _data_bytes() + max_memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _data_bytes() -> int:
    """Private writable memory of this process, which RLIMIT_DATA counts.

    It is 0 if the system does not report it.
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0
