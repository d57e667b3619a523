"""How a build ends: with the process that started it, and tidily when it is told to.

In: the number of the parent. Out: a process that leaves no lease, no temporary folder and no orphan behind it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

PARENT_CHECK_SECONDS = 1.0
# for a build whose parent is gone to give back its lease; in the middle of one update of a big model it gets no further
TIDY_SECONDS = 5.0


def die_with_parent(expected: int | None = None) -> None:
    """End this process when the one that started it ends, so that a killed snakemake leaves no build behind.

    expected: number of that process; without it, whichever is the parent by now (one that ended before is not noticed then).
    Polled: PR_SET_PDEATHSIG is Linux-only and fires when the parent's *thread* ends, and Snakemake starts jobs from a pool of threads.
    """
    parent = os.getppid() if expected is None else expected

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(TIDY_SECONDS)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


class Stopped(SystemExit):
    """Somebody told this process to end; builds.jsonl names it as the reason."""


def end_tidily_on_sigterm() -> None:
    """Unwind on SIGTERM, so that the lease is given back and temporary files go.

    A cluster ends a job that way when it is cancelled, preempted or out of time. Its retry may start on another node, which
    would otherwise wait until the lease's heartbeat is missed. Checkpoints stay.
    """

    def end(number: int, _: FrameType | None) -> None:
        # what unwinds must not be cut short by a second one
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped(128 + number)

    signal.signal(signal.SIGTERM, end)
