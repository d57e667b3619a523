"""A training in several processes of this machine, started and watched.

In: a training, the number of processes that the profile grants. Out: its figures, or the error of the process that
failed first. Properties: the processes end with this one, however it ends, because each waits for the end of a pipe
that only this one can write to; the first of them logs and shows progress through this one, which also makes the
machine's choices, so that all processes have the same ones. The processes are started anew and not forked: a forked
one cannot use a GPU that its parent has asked, and its threads stand still. Nothing that this module sees of the machine
enters a result.

This is not torchrun, which is one process more to outlive, takes over the signals by which a build returns its lease,
and says of an error that a child failed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from domainlm.contract import Resources, StageError
from domainlm.training.group import HOST
from domainlm.training.job import Job

# also in the stage table: its code is in the keys of the stages that start it
WORKER = "domainlm.training.worker"
# what gloo talks through; processes of one machine need no other
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
# a process whose peer went away says so sooner than the parent learns why
CAUSE_SECONDS = 10.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Worker:
    """One process of a training, and the pipe to it."""

    rank: int
    process: subprocess.Popen[bytes]
    pipe: Connection


@dataclass(frozen=True)
class Order:
    """What a process is told: training, place, resources.

    port: that of the store by which the processes find one another.
    """

    job: Job
    rank: int
    size: int
    port: int
    resources: Resources


@dataclass(frozen=True)
class Failure:
    """How a process failed.

    kind: told (by its error), lost (its peer went away) or ended (without a word).
    """

    rank: int
    kind: str
    error: Exception


def train_in_processes(job: Job, size: int, resources: Resources) -> dict[str, Any]:
    """Train in `size` processes; return the first one's figures."""
    import torch.distributed as dist

    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        # it closes the descriptor itself
        store = dist.TCPStore(  # type: ignore[attr-defined]
            HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=os.dup(listening.fileno())
        )
        alive, kept = os.pipe()
        workers: list[Worker] = []
        try:
            for rank in range(size):
                workers.append(_start(rank, alive))
                # one that has ended already is seen below
                with suppress(ConnectionError):
                    workers[-1].pipe.send(_order(job, rank, size, port, resources))
            return _watch(workers, resources)
        finally:
            # they have nothing to tidy up: what they write beside the output is replaced as a whole
            for worker in workers:
                worker.process.kill()
                worker.process.wait()
                worker.pipe.close()
            os.close(kept)
            os.close(alive)
            del store


def _start(rank: int, alive: int) -> Worker:
    """Start a process that looks for modules where this one does."""
    ours, theirs = Pipe()
    paths = [path or os.getcwd() for path in sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "GLOO_SOCKET_IFNAME": LOOPBACK}
    command = [sys.executable, "-P", "-W", "ignore::FutureWarning", "-m", WORKER, str(theirs.fileno()), str(alive)]
    try:
        # what libraries print must not be taken for this command's output
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=2, env=environment, pass_fds=(theirs.fileno(), alive)
        )
    finally:
        theirs.close()
    return Worker(rank, process, ours)


def _order(job: Job, rank: int, size: int, port: int, resources: Resources) -> Order:
    # these are functions of this process
    own: dict[str, Any] = dict.fromkeys(("progress", "log", "choose"))
    # on GPUs, cores only feed the cards
    threads = resources.threads if resources.gpus else max(1, resources.threads // size)
    return Order(job, rank, size, port, replace(resources, threads=threads, **own))


def _watch(workers: list[Worker], resources: Resources) -> dict[str, Any]:
    """Serve the processes until all are done or one has failed."""
    by_pipe = {worker.pipe: worker for worker in workers}
    done: dict[int, dict[str, Any]] = {}
    failures: list[Failure] = []
    deadline = 0.0
    while by_pipe:
        for pipe in wait(list(by_pipe), POLL_SECONDS):
            assert isinstance(pipe, Connection)
            worker = by_pipe[pipe]
            try:
                kind, value = pipe.recv()
                _serve(worker, kind, value, resources)
            except (EOFError, ConnectionError):
                del by_pipe[pipe]
                if worker.rank not in done and all(failure.rank != worker.rank for failure in failures):
                    failures.append(Failure(worker.rank, "ended", _unexpected_end(worker, len(workers))))
                continue
            if kind == "done":
                done[worker.rank] = value
            elif kind == "failed":
                failures.append(Failure(worker.rank, *value))
        if failures:
            deadline = deadline or time.monotonic() + CAUSE_SECONDS
            cause = min(failures, key=lambda failure: (failure.kind == "lost", failure.kind == "ended", failure.rank))
            if cause.kind != "lost" or time.monotonic() > deadline:
                raise cause.error
    if failures:
        raise failures[0].error
    return done[0]


def _serve(worker: Worker, kind: str, value: Any, resources: Resources) -> None:
    """Answer one message."""
    if kind == "log":
        resources.log(value)
    elif kind == "progress":
        done, total, figures = value
        resources.progress(done, total, figures)
    elif kind == "choose":
        worker.pipe.send(("chosen", resources.choose(value, lambda: _measured(worker))))


def _measured(worker: Worker) -> str:
    """Have a process measure what it asked for."""
    worker.pipe.send(("measure", None))
    return str(worker.pipe.recv()[1])


def _unexpected_end(worker: Worker, size: int) -> StageError:
    """The error of a process that ended without a word."""
    code = worker.process.wait()
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
    cause = (
        f"SIGKILL mostly means that memory ran out, and each of the {size} processes holds the model: grant more (mem_mb), or fewer"
        " processes"
        if code == -signal.SIGKILL
        else "what it wrote last stands above"
    )
    return StageError(
        f"process {worker.rank} of {size} {how} before the training was done; expected it to finish: {cause}"
    )
