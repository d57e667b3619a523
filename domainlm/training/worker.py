"""One process of a training: `python -m domainlm.training.worker PIPE ALIVE`.

In: an order through a pipe. Out: figures, or the error, through the same pipe. `launch.py` starts it. The process ends at
once when its parent has ended: then the pipe ALIVE has no writer any more, whatever the parent ended by.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from domainlm.contract import Resources, StageError
from domainlm.models.device import granted_device
from domainlm.training.group import PeerLost, joined
from domainlm.training.launch import Order
from domainlm.training.train import train_in_group


def end_with_parent(alive: int) -> None:
    """End this process when nobody holds the other end of a pipe."""

    def watch() -> None:
        os.read(alive, 1)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def work(pipe: Connection) -> dict[str, Any]:
    """Take the order and train."""
    order: Order = pipe.recv()
    resources = _resources(order, pipe)
    with joined(order.rank, order.size, order.port, granted_device(resources, order.rank)) as group:
        return train_in_group(order.job, resources, group)


def _resources(order: Order, pipe: Connection) -> Resources:
    """The granted resources; logging, progress and choices are the parent's.

    The first process speaks for all.
    """

    def progress(done: int, total: int, figures: Mapping[str, float]) -> None:
        if order.rank == 0:
            pipe.send(("progress", (done, total, dict(figures))))

    def log(line: str) -> None:
        if order.rank == 0:
            pipe.send(("log", line))

    def choose(name: str, measure: Callable[[], str]) -> str:
        pipe.send(("choose", name))
        kind, value = pipe.recv()
        if kind == "measure":
            pipe.send(("measured", measure()))
            kind, value = pipe.recv()
        return str(value)

    return replace(order.resources, progress=progress, log=log, choose=choose)


def main() -> None:
    pipe, alive = Connection(int(sys.argv[1])), int(sys.argv[2])
    end_with_parent(alive)
    # Ctrl-C reaches the whole group of processes: the parent ends, and then this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    failure: tuple[str, Exception]
    try:
        pipe.send(("done", work(pipe)))
        return
    except PeerLost as error:
        failure = "lost", RuntimeError(f"another process of the training went away: {error}")
    except (StageError, MemoryError) as error:
        failure = "told", error
    except OSError as error:
        # a full disk is known by its number
        failure = "told", OSError(error.errno, error.strerror, error.filename)
    except BaseException as error:
        failure = (
            "told",
            RuntimeError("a process of the training failed:\n" + "".join(traceback.format_exception(error))),
        )
    pipe.send(("failed", failure))
    # no exchange with the others ends in order any more
    os._exit(1)


if __name__ == "__main__":
    main()
