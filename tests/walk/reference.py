"""What a build from nothing gives: a fork per question, of a process that has imported the code: `python reference.py`.

In: a line with a folder that holds a project's code, configuration and raw files, and nothing that was built. Out: a line with
(folder of artifact -> its manifest's digest and its action key), or the error in words. The stages run one after another in one
process, over an empty store, by the code in that folder, compiled from its source: neither Snakemake nor DVC nor an index of raw
files, a stamp, a record or bytecode of an earlier run has a part in it. Each state of the code has a folder of its own, which it
keeps, and a process that has imported and digested it; this is most of what a question costs.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ahocorasick_rs
import datasketch
import ftfy
import numpy
import phonenumbers
import py3langid
import pyarrow.parquet
import pydantic
import yaml

SHARED = (ahocorasick_rs, datasketch, ftfy, numpy, phonenumbers, py3langid, pyarrow.parquet, pydantic, yaml)
# states of the code that are kept in memory, the latest
MAX_IMPORTED = 12
ARTIFACTS = ("raw_corpus", "documents", "clean_shards", "unique_shards")


def import_code(folder: Path) -> None:
    """Be a process that runs the code in this folder."""
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    os.environ["DOMAINLM_STORE"] = str(folder / "store")
    os.environ["DOMAINLM_REMOTE"] = "none"
    from domainlm.pipeline.code import code_index
    from domainlm.pipeline.table import BY_NAME

    # by the digest of each source, so it says what a fork would find out
    code = code_index(folder)
    for name in ARTIFACTS:
        for module in code.closure([BY_NAME[name].module], has_started=False):
            importlib.import_module(module)
        code.sources([BY_NAME[name].module])
    code.save()


def from_nothing(folder: Path) -> dict[str, Any]:
    from domainlm.builder.history import recorded_build
    from domainlm.contract import Resources
    from domainlm.workflow.prepare import prepare

    found = {}
    for stamp in prepare({"domain": "tiny"}, folder).stamps.values():
        # what only gathers raw_corpus and documents is no part of the target
        if stamp.artifact not in ARTIFACTS or (stamp.artifact in ARTIFACTS[:2] and stamp.shard is None):
            continue
        outcome = recorded_build(folder, stamp, Resources(log=lambda message: None))
        if outcome.outcome != "built":
            raise AssertionError(f"{stamp.folder}: {outcome.outcome} in an empty store")
        manifest = (folder / stamp.folder / "manifest.json").read_bytes()
        found[stamp.folder] = [hashlib.sha256(manifest).hexdigest(), outcome.key]
    return found


def answered(folder: Path) -> dict[str, Any]:
    """The answer of a fork."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            answer: dict[str, Any] = {"artifacts": from_nothing(folder)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writing, "w") as file:
            file.write(json.dumps(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.wait()
    return dict(json.loads(text))


class Imported:
    """A process that has imported the code of one folder."""

    def __init__(self, folder: Path) -> None:
        asking, self.asked = os.pipe()
        self.said, saying = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.asked)
            with os.fdopen(asking) as questions, os.fdopen(saying, "w") as answers:
                error = ""
                try:
                    import_code(folder)
                except Exception as raised:
                    error = f"{type(raised).__name__}: {raised}"
                for _ in questions:
                    answer = {"error": error} if error else answered(folder)
                    print(json.dumps(answer), file=answers, flush=True)
            os._exit(0)
        os.close(asking)
        os.close(saying)
        self.answers = os.fdopen(self.said)

    def ask(self) -> str:
        os.write(self.asked, b"\n")
        return self.answers.readline()

    def close(self) -> None:
        os.close(self.asked)
        self.answers.close()
        # it sees no end of its questions, as those that were forked after it hold the pipe as well
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    imported: dict[str, Imported] = {}
    for line in sys.stdin:
        folder = json.loads(line)
        if folder not in imported:
            if len(imported) == MAX_IMPORTED:
                imported.pop(next(iter(imported))).close()
            imported[folder] = Imported(Path(folder))
        print(imported[folder].ask().strip(), file=answers, flush=True)
    for each in imported.values():
        each.close()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.pop(0)
    serve()
