"""The end of a build's process: with its parent, tidily on SIGTERM.

In: the number of the parent. Out: a process that leaves no lease, no temporary folder and no orphan behind.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

PARENT_CHECK_SECONDS = 1.0
# time for a build whose parent is gone to return its lease; in the middle of one update of a big model it gets no further
TIDY_SECONDS = 5.0


def die_with_parent(expected: int | None = None) -> None:
    """End this process when its parent ends.

    A killed Snakemake leaves no build behind in this way. expected: number of the parent; if it is None, the present
    parent counts (an earlier one that ended before is not noticed).
    """
    parent = os.getppid() if expected is None else expected

    # polled, because PR_SET_PDEATHSIG is Linux-only and fires when the parent's *thread* ends, and Snakemake starts jobs from a
    # pool of threads
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(TIDY_SECONDS)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


class Stopped(SystemExit):
    """This process received SIGTERM; builds.jsonl records it as the reason."""


def end_tidily_on_sigterm() -> None:
    """Unwind on SIGTERM: return the lease and remove temporary files.

    A cluster sends SIGTERM to a job that is cancelled, preempted or out of time. The job's retry may start on another
    node, which would otherwise wait until the lease's heartbeat is missed. Checkpoints stay.
    """

    def end(number: int, _: FrameType | None) -> None:
        # a second signal must not cut the unwinding short
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped(128 + number)

    signal.signal(signal.SIGTERM, end)
