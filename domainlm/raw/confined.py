"""What a child process is held to that works on a stranger's input: no files of its parent's, a limit of memory, an end by signals.

In: the one file that it keeps, a limit. Out: this process, confined for the rest of its life. Readers of files
(`text/reading/isolation.py`) and calls of templates and tokenizers (`tokens/bounded.py`) are served in such processes; who forks them,
what they answer and how their end is read differs, what they are held to does not.
"""

from __future__ import annotations

import os
import resource
import signal

# nothing here waits, so a busy machine must not come near it
WALL_SECONDS_PER_CPU_SECOND = 20.0
# of a process that ends itself because it got no more memory
MEMORY_EXIT_CODE = 66


def end_by_signals() -> None:
    """Let signals end this process in the middle of a C function, where a Python handler would not be run.

    Ctrl-C reaches the whole group: the parent ends, and then this.
    """
    for number in (signal.SIGPROF, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def close_others(kept: int) -> None:
    """Close all files but one, and the standard ones: locks and pipes of the build must not outlive it here."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def limit_memory(max_memory_mb: int) -> None:
    """Let this process take so much in addition to what it holds, say nothing when it ends, and leave no core."""
    # what libraries say before they end the process: its end is what is told
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    limit = _data_bytes() + max_memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _data_bytes() -> int:
    """Private writable memory of this process, which RLIMIT_DATA counts; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0
