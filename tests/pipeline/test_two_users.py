"""Two users of one group share a store and a remote: real users, real umasks, real builds, one of them killed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from material.unavailable import unavailable

pytestmark = pytest.mark.long

Found = TypeVar("Found")
NEEDED = ("useradd", "userdel", "groupadd", "groupdel", "setpriv", "unshare")


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to a path that others may not enter."""
    ways = [*reversed(path.resolve().parents), path.resolve()]
    return next((way for way in ways if not way.stat().st_mode & stat.S_IXOTH), None)


@dataclass(frozen=True)
class User:
    """A user of this machine with a copy of the tiny domain. way_in: shell lines that lay the interpreter open to it."""

    name: str
    umask: str
    tree: Path
    way_in: str
    environment: Mapping[str, str]

    def command(self, *arguments: str) -> list[str]:
        who = f"exec setpriv --reuid={self.name} --regid={self.name} --init-groups"
        inner = f"umask {self.umask}; exec {shlex.join(arguments)}"
        return ["unshare", "--mount", "sh", "-ec", f"{self.way_in}{who} sh -c {shlex.quote(inner)}"]

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.tree,
            env={**self.environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, expect: int = 0, **changes: str) -> str:
        with self.start(*arguments, **changes) as process:
            said, _ = process.communicate()
        assert process.returncode == expect, said
        return said

    def snakemake(self, artifact: str, *config: str) -> str:
        return self.run("snakemake", "--cores", "1", artifact, "--config", "domain=tiny", *config)

    def domainlm(self, *arguments: str, expect: int = 0, **changes: str) -> str:
        return self.run("python", "-m", "domainlm", *arguments, expect=expect, **changes)

    def answer(self, *arguments: str) -> Any:
        said = self.domainlm(*arguments, "--json")
        # progress comes before it, on the same channel here
        return json.loads(said[said.index("{") :])

    def outcomes(self, artifact: str) -> list[str]:
        rows = (self.tree / ".domainlm/builds.jsonl").read_text(encoding="utf-8").splitlines()
        return [row["outcome"] for row in map(json.loads, rows) if row["artifact"] == artifact]


@pytest.fixture
def group() -> Iterator[str]:
    """A group with two members, NAMEa and NAMEb, each with a first group of its own."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        unavailable(f"only root can add users, with {', '.join(NEEDED)}; missing: {', '.join(missing) or 'root'}")
    name = f"dlm{os.getpid()}"
    try:
        subprocess.run(["groupadd", name], check=True)
        for user in "ab":
            subprocess.run(["useradd", "--no-create-home", "-U", "-G", name, f"{name}{user}"], check=True)
        yield name
    finally:
        for user in "ab":
            subprocess.run(["userdel", f"{name}{user}"], check=False)
        subprocess.run(["groupdel", name], check=False)


@pytest.fixture
def way_in(open_folder: Path) -> str:
    """Lines for a mount namespace of its own in which others may enter the folders of Python and of the packages."""
    lines = []
    for number, needed in enumerate(sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()})):
        closed = closed_folder(needed)
        if closed is not None:
            kept = open_folder / f"way{number}"
            kept.mkdir()
            lines.append(f"mount --bind {needed} {kept}; mount -t tmpfs -o mode=0755 domainlm-test {closed}")
            lines.append(f"mkdir -p {needed}; mount --bind {kept} {needed}")
    script = "; ".join(lines) + "; " if lines else ""
    probe = f"{script}exec setpriv --reuid=65534 --regid=65534 --clear-groups {sys.executable} -c pass"
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", probe], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        unavailable(
            f"other users cannot run {sys.executable}, and it cannot be mounted for them: {done.stderr.strip()}"
        )
    return script


@pytest.fixture
def shared(open_folder: Path, group: str) -> Callable[[str], Path]:
    """shared(name): an empty folder of the group, with the setgid bit."""

    def make(name: str) -> Path:
        folder = open_folder / name
        folder.mkdir()
        shutil.chown(folder, group=group)
        folder.chmod(0o2770)
        return folder

    return make


@pytest.fixture
def make_user(
    open_folder: Path, group: str, way_in: str, fresh_folder: Path, tree_environment: Callable[..., dict[str, str]]
) -> Callable[[str, str, Mapping[str, str]], User]:
    """make_user(letter, umask, variables): a member of the group, with a tree in which nothing is built."""

    def make(letter: str, umask: str, variables: Mapping[str, str]) -> User:
        name = f"{group}{letter}"
        home = open_folder / name
        home.mkdir()
        subprocess.run(["cp", "-a", str(fresh_folder), str(home / "tree")], check=True)
        subprocess.run(["chown", "-R", f"{name}:{name}", str(home)], check=True)
        # looked into by whoever collects the store
        home.chmod(0o755)
        environment = tree_environment(home / "tree", dict(variables))
        return User(name, umask, home / "tree", way_in, {**environment, "HOME": str(home), "TMPDIR": "/tmp"})

    return make


def owners(folder: Path) -> set[str]:
    return {path.owner() for path in folder.rglob("*") if path.is_file()}


def test_two_users_build_what_the_other_has(
    make_user: Callable[[str, str, Mapping[str, str]], User], shared: Callable[[str], Path]
) -> None:
    store, remote = shared("store"), shared("remote")
    variables = {"DOMAINLM_STORE": str(store), "DOMAINLM_REMOTE": "none"}
    alice, bob = make_user("a", "002", variables), make_user("b", "077", variables)

    # each restores what the other built, the second with a umask that closes everything it makes
    alice.snakemake("documents")
    bob.snakemake("clean_shards")
    assert set(bob.outcomes("documents")) == {"restored"}
    alice.snakemake("clean_shards")
    assert set(alice.outcomes("clean_shards")) == {"restored"}
    assert owners(store / "actions") == owners(store / "objects") == {alice.name, bob.name}
    assert_shared(store)

    # one is stopped in mid-build, waited for, and killed: the other goes on at once
    with alice.start("snakemake", "--cores", "1", "unique_shards", "--config", "domain=tiny") as process:
        [lease] = wait_for(lambda: list((store / "leases").glob("*.json")))
        os.killpg(process.pid, signal.SIGSTOP)
        assert lease.owner() == alice.name
        with bob.start("snakemake", "--cores", "1", "unique_shards", "--config", "domain=tiny") as waiting:
            wait_for(lambda: "another build holds" in text_of(bob.tree / "logs/tiny/unique_shards.log"))
            assert waiting.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = waiting.communicate(timeout=120)
        assert waiting.returncode == 0, said
    assert bob.outcomes("unique_shards")[-1] == "built"
    assert list((store / "leases").glob("*.json")) == list((store / "tmp").iterdir()) == []
    # Snakemake's own lock lies in the tree of the killed run
    alice.run("snakemake", "--unlock", "--config", "domain=tiny")
    alice.snakemake("unique_shards")
    assert alice.outcomes("unique_shards")[-1] == "restored"

    # a remote folder: what the one sends the other fetches, and each writes into the other's folders
    with_remote = {"DOMAINLM_REMOTE": str(remote)}
    bob.domainlm("push", "clean_shards", "--domain", "tiny", **with_remote)
    alice.domainlm("push", "--domain", "tiny", **with_remote)
    assert owners(remote) == {alice.name, bob.name}
    assert_shared(remote)
    shutil.rmtree(alice.tree / "artifacts")
    own = {**with_remote, "DOMAINLM_STORE": str(alice.tree.parent / "own_store")}
    alice.domainlm("pull", "clean_shards", "--domain", "tiny", **own)
    assert list((alice.tree / "artifacts/tiny/clean_shards").glob("0000/*.parquet"))

    # sound for both; and the one collects what the other made and nobody needs any more
    for user in (alice, bob):
        assert user.answer("verify")["is_sound"]
    alice.snakemake("clean_shards", "clean_shards={min_chars: 41}")
    alice.snakemake("clean_shards")
    before = sum(path.is_file() for path in (store / "actions").rglob("*"))
    refused = alice.domainlm("gc", "--keep-days", "0", expect=3)
    assert "cannot be read by this user" in refused
    assert str(bob.tree) in refused
    found = bob.answer("gc", "--keep-days", "0")
    assert found["removed"]
    assert sum(path.is_file() for path in (store / "actions").rglob("*")) < before
    for user in (alice, bob):
        assert user.answer("verify")["is_sound"]
        user.snakemake("unique_shards")
        assert user.outcomes("unique_shards")[-1] in ("restored", "up_to_date", "built")


def assert_shared(folder: Path) -> None:
    """Whatever lies below, the group may read, and write where it is a folder; nothing is for others to write."""
    group = folder.group()
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        wanted = 0o2070 if path.is_dir() else 0o040
        # an object may be another link to a file of a workspace, which has its owner's group: 0444 serves all
        assert mode & wanted == wanted or mode & 0o444 == 0o444, (path, oct(mode))
        assert path.group() == group or mode & 0o444 == 0o444, (path, path.group())
        assert not mode & 0o002, (path, oct(mode))


def wait_for(found: Callable[[], Found]) -> Found:
    """What is found as soon as it is something."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("waited for two minutes")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_a_store_of_umask_077_is_named_by_every_command(
    make_user: Callable[[str, str, Mapping[str, str]], User], open_folder: Path
) -> None:
    store = open_folder / "store"
    store.mkdir()
    store.chmod(0o1777)
    variables = {"DOMAINLM_STORE": str(store), "DOMAINLM_REMOTE": "none"}
    alice, bob = make_user("a", "077", variables), make_user("b", "022", variables)
    alice.snakemake("raw_corpus")
    way_out = ("actions", f"owner {alice.name}", "mode 0700", "chmod -R g+rwX", "DOMAINLM_STORE")
    for command in (
        *(["plan", "documents"], ["why", "documents"], ["lineage", "documents"], ["check", "documents"]),
        *(["verify"], ["push"], ["pull"], ["trace", "data/tiny/corpus/page0.md"]),
    ):
        said = bob.domainlm(*command, expect=3)
        assert all(part in said for part in way_out), said
        assert "Traceback" not in said
    said = bob.domainlm("gc", expect=3)
    assert f"owner {alice.name}" in said
    said = bob.domainlm("doctor", expect=1)
    line = next(line for line in said.splitlines() if "store:" in line)
    assert line.startswith("PROBLEM")
    assert all(part in line for part in way_out)
    said = bob.run("snakemake", "--cores", "1", "documents", "--config", "domain=tiny", expect=1)
    assert all(part in said for part in way_out), said
    assert "Traceback" not in said
