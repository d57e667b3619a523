"""Starts `snakemake` and `python -m domainlm` as forks of a process that has imported what they share: `python server.py`.

In: one JSON line per request (start: a module with its arguments, folder, environment, file for what it prints; wait: a process).
Out: one JSON line per answer (a process id; an exit code). What is saved is the import of Snakemake and of libraries, half of a
second of every command of a walk of thousands. Nothing of the project is imported here: each fork takes it from the folder that
it is started in, as a fresh interpreter would, stale bytecode included. Each is the leader of a session of its own, so that
signals reach it and what it started, and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import signal
import sys
from typing import Any

import pydantic
import rich.table
import smart_open
import snakemake.cli
import snakemake.executors.local
import snakemake.scheduling.job_scheduler
import snakemake.scheduling.milp
import snakemake.workflow
import typer
import yaml

SHARED = (pydantic, rich.table, smart_open, snakemake, typer, yaml)


def become(request: dict[str, Any]) -> None:
    """Be the command that is asked for, in a fork. Ends as the interpreter of the command would: SystemExit."""
    os.setsid()
    # what was started in the background by a shell ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [path for path in request["environment"].get("PYTHONPATH", "").split(os.pathsep) if path]
    module, *arguments = request["command"]
    sys.argv = [module, *arguments]
    if module == "snakemake":
        snakemake.cli.main(arguments)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    # imports the plugins, too; what it says of profiles is nobody's here
    with contextlib.redirect_stderr(io.StringIO()):
        snakemake.cli.parse_args(["--dry-run"])
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)), file=answers, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os.close(answers.fileno())
            become(request)
            sys.exit(0)
        print(json.dumps(pid), file=answers, flush=True)


if __name__ == "__main__":
    # the folder of this file holds modules of the same names as others'
    sys.path.pop(0)
    serve()
