"""The project that a random walk walks through, and what is compared with it.

In: a folder. Out: a `World`: a tiny project, commands that run in it (forks of walk/server.py), what a build from nothing of the same
code, configuration and raw files gives (walk/reference.py, remembered by their digest), and listings of what is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from material.checkout import NO_DVC_SETTINGS, TREE, copy_tree, copy_whole
from walk.project import Settings, write_raw

# what the walk's domain does without
LEFT_OUT = ("dvc.yaml", "data/instruction", ".dvc/.gitignore")
TARGET = "unique_shards"
DOMAIN = "artifacts/tiny"
# what decides about a result: all that a build from nothing is given
DECIDING = ("domainlm", "config", "data", "envs")
# what a look may not change, and what in it may be written by one: digests that are remembered
LOOKED_AT = ("artifacts", "data", "config", ".domainlm", "logs", ".dvc/domainlm-store")
CACHES = (".domainlm/code_index.json", ".domainlm/local_index.json")
WAIT_SECONDS = 60.0
HANG_SECONDS = 240.0


@dataclass(frozen=True)
class Running:
    """A command that was started."""

    pid: int
    output: Path
    process: psutil.Process


class Hang(Exception):
    """A command that did not end; the message is the last that it printed."""


def has_ended(running: Running) -> bool:
    try:
        return running.process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


@dataclass
class World:
    """path: the project, which may be moved. tools: shared by worlds."""

    path: Path
    tools: Tools
    settings: Settings = field(default_factory=Settings)
    # dvc.lock of each version that was committed to DVC
    versions: list[bytes] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    outputs: int = 0
    # whether objects of the store may have been damaged, of which nothing knows until they are read
    has_damage: bool = False

    def write_settings(self) -> None:
        self.settings.write(self.path)

    def variables(self) -> dict[str, str]:
        return {**self.tools.environment, "PYTHONPATH": str(self.path), **self.environment}

    def start(self, *command: str) -> Running:
        self.outputs += 1
        output = self.path.parent / f"output.{self.outputs}"
        request = {"command": command, "folder": str(self.path), "environment": self.variables(), "output": str(output)}
        pid = int(self.tools.server.ask(request))
        return Running(pid, output, psutil.Process(pid))

    def wait(self, running: Running) -> int:
        """Exit code. Raises Hang where a command does not end."""
        if not until(lambda: has_ended(running), HANG_SECONDS):
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            self.tools.server.ask({"wait": running.pid})
            raise Hang(f"{running.output.read_text(encoding='utf-8', errors='replace')[-400:]}")
        return int(self.tools.server.ask({"wait": running.pid}))

    def run(self, *command: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        running = self.start(*command)
        code = self.wait(running)
        text = running.output.read_text(encoding="utf-8", errors="replace")
        running.output.unlink()
        return code, text

    def snakemake(self, *arguments: str) -> tuple[str, ...]:
        return ("snakemake", "--cores", "2", *arguments, TARGET, "--config", "domain=tiny")

    def run_apart(self, *command: str, **changes: str) -> tuple[int, str]:
        """A command in a fresh interpreter."""
        environment = {**self.variables(), **changes}
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def builds(self) -> list[dict[str, Any]]:
        """Rows of builds.jsonl; a row that a kill cut off is left out."""
        found = []
        with suppress(FileNotFoundError):
            for line in (
                (self.path / ".domainlm/builds.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
            ):
                with suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def folders(self) -> list[str]:
        """Folders of what the target is made from, and its own."""
        shards = [f"{index:04d}" for index in range(self.settings.shards)]
        by_shard = [
            f"{DOMAIN}/{name}/{shard}" for name in ("raw_corpus", "documents", "clean_shards") for shard in shards
        ]
        return [*by_shard, f"{DOMAIN}/clean_shards", f"{DOMAIN}/{TARGET}"]

    def listing(self) -> dict[str, tuple[int, ...]]:
        """Path -> size, inode and time of what a look may not change; a folder's own time says that something came and went."""
        found: dict[str, tuple[int, ...]] = {}
        for name in LOOKED_AT:
            for folder, _, files in os.walk(self.path / name):
                for path in (os.path.join(folder, file) for file in files):
                    state = os.lstat(path)
                    found[os.path.relpath(path, self.path)] = (state.st_size, state.st_ino, state.st_mtime_ns)
        return {path: row for path, row in found.items() if path not in CACHES}

    def reference(self) -> dict[str, Any]:
        return self.tools.reference(self.path)


class Asked:
    """A process that answers lines with lines."""

    def __init__(self, script: str, environment: dict[str, str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name(script))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Tools:
    """What worlds share: the two servers, the answers so far, a built project to begin at. root: an empty folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DOMAINLM_", "PYTHON", "DVC_"))
        }
        commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        nowhere = {**NO_DVC_SETTINGS, "DVC_NO_ANALYTICS": "1"}
        own = {"PATH": commands, "HF_HUB_OFFLINE": "1", "DOMAINLM_REMOTE": "none", "OMP_NUM_THREADS": "1"}
        self.environment = {**kept, **nowhere, **own}
        self.server = Asked("server.py", self.environment)
        self.builder = Asked("reference.py", self.environment)
        self.answers: dict[str, dict[str, Any]] = {}
        self.worlds = 0
        self.base = root / "base"
        self._make_base()

    def close(self) -> None:
        self.server.close()
        self.builder.close()

    def _make_base(self) -> None:
        copy_tree(self.base, [name for name in TREE if name not in LEFT_OUT])
        write_raw(self.base)
        world = World(self.base, self)
        world.write_settings()
        for command in (("git", "init", "-q"), (sys.executable, "-m", "domainlm.workflow.dvc", "tiny")):
            code, text = world.run_apart(*command)
            assert code == 0, text
        code, text = world.run(*world.snakemake())
        assert code == 0, text

    def world(self) -> World:
        """A copy of the built project."""
        self.worlds += 1
        folder = self.root / f"world{self.worlds}"
        folder.mkdir()
        copy_whole(self.base, folder / "project")
        return World(folder / "project", self)

    def remove(self, world: World) -> None:
        # what was killed may still write a line
        shutil.rmtree(world.path.parent, ignore_errors=True)

    def reference(self, project: Path) -> dict[str, Any]:
        """What a build from nothing of this code, configuration and raw files gives, in another folder over an empty store."""
        code, everything = hashlib.sha256(), hashlib.sha256()
        files = deciding_files(project)
        for path in files:
            state = f"{path.relative_to(project)} {path.is_symlink()} {path.stat().st_size}\0"
            said = state.encode() + path.read_bytes()
            everything.update(said)
            if path.is_relative_to(project / "domainlm"):
                code.update(said)
        key = everything.hexdigest()
        if key not in self.answers:
            folder = self.root / "from_nothing" / code.hexdigest()[:16]
            for name in os.listdir(folder) if folder.exists() else []:
                if name not in ("domainlm", ".domainlm"):
                    remove_tree(folder / name)
            for name in (
                "stamps",
                "installed",
                "requested",
                "hollow",
                "local_index.json",
                "builds.jsonl",
                "install.lock",
            ):
                remove_tree(folder / ".domainlm" / name)
            for path in files:
                target = folder / path.relative_to(project)
                if not (target.exists() and target.is_relative_to(folder / "domainlm")):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target, follow_symlinks=True)
            self.answers[key] = self.builder.ask(str(folder))
        return self.answers[key]


def remove_tree(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def deciding_files(project: Path) -> list[Path]:
    found = (path for name in DECIDING for path in (project / name).rglob("*"))
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def until(is_so: Any, seconds: float = WAIT_SECONDS) -> bool:
    """Wait until something is so; whether it is."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
