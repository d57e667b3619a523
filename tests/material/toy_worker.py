"""A process that talks as a training's does, and trains nothing: `python -m material.toy_worker PIPE ALIVE`.

In: an order whose `job` is a text. Out: what that text asks for. It imports no torch, so that it starts at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing.connection import Connection

from domainlm.contract import StageError
from domainlm.training.worker import end_with_parent


def main() -> None:
    pipe, alive = Connection(int(sys.argv[1])), int(sys.argv[2])
    end_with_parent(alive)
    order = pipe.recv()
    what, rank = str(order.job), order.rank
    if what == "choose":
        pipe.send(("choose", "precision"))
        kind, value = pipe.recv()
        if kind == "measure":
            pipe.send(("measured", f"measured by {rank}"))
            kind, value = pipe.recv()
        pipe.send(("log", f"{rank} of {order.size} has {value}, {order.resources.threads} threads"))
        pipe.send(("progress", (1, 2, {"loss": 0.5})))
        pipe.send(("done", {"rank": rank}))
        return
    if what == "wait":
        time.sleep(600)
    if rank == 0:
        # as in an exchange with a process that went away
        pipe.send(("failed", ("lost", RuntimeError("connection closed by peer"))))
        os._exit(1)
    time.sleep(0.5)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(3)
    if what == "refused":
        pipe.send(("failed", ("told", StageError("row 3 has no label"))))
    if what == "disk":
        pipe.send(("failed", ("told", OSError(28, "No space left on device", "/scratch"))))


if __name__ == "__main__":
    main()
