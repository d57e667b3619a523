"""The tiny domain on a real SLURM cluster: one controller and two nodes on this machine, started and ended here.

Each node is a slurmd in a namespace of its own for the host's name, so that leases, notes and temporary folders see two hosts that
share a file system, as on a cluster.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from material.checkout import tree_environment
from material.unavailable import unavailable
from safetensors import safe_open

from domainlm.store.lease import STALE_SECONDS, is_alive, process_start

pytestmark = pytest.mark.long
# the one place where the plugin's jobs look: it drops SLURM_CONF from their environment
CONFIGURATION = Path("/etc/slurm/slurm.conf")
MARK = "# written by domainlm's tests, process"
COMMANDS = "munged slurmctld slurmd sbatch srun squeue scancel scontrol unshare setpriv"
NODES = ("node1", "node2")
MAX_SECONDS = 480.0


def configuration(folder: Path, ports: list[int]) -> str:
    """More cores and memory than this machine has: what is tested is what is asked for."""
    settings = {
        "ClusterName": "domainlm",
        "SlurmctldHost": f"{socket.gethostname()}(127.0.0.1)",
        "SlurmctldPort": ports[0],
        "SlurmUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder}/munge.socket",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/%n",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/%n.pid",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory,CR_LLN",
        "SlurmdParameters": "config_overrides",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=100000,bf_interval=1",
        "GresTypes": "gpu",
    }
    nodes = ",".join(NODES)
    lines = [
        f"{MARK} {os.getpid()} {process_start(os.getpid())}",
        *(f"{key}={value}" for key, value in settings.items()),
    ]
    lines += [
        f"NodeName={nodes} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]} CPUs=8 RealMemory=64000 Gres=gpu:1",
        f"PartitionName=cpu Nodes={nodes} Default=YES State=UP",
        f"PartitionName=gpu Nodes={nodes} State=UP",
    ]
    return "\n".join(lines) + "\n"


def obstacle() -> str:
    """What keeps this machine from running the cluster; empty where nothing does."""
    absent = [command for command in COMMANDS.split() if shutil.which(command) is None]
    if absent:
        return f"SLURM is not installed here (no {', '.join(absent)}): apt-get install slurm-wlm munge"
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "the extra slurm is not installed: make extras"
    if os.geteuid() != 0:
        return f"not root: the daemons' configuration has to be {CONFIGURATION}"
    if CONFIGURATION.exists():
        mark, _, process = CONFIGURATION.read_text(encoding="utf-8").partition("\n")[0].rpartition("process ")
        if f"{mark}process" != MARK:
            return f"{CONFIGURATION} is there and not of these tests: this machine belongs to a cluster"
        pid, start = process.split()
        if is_alive(int(pid), start):
            return f"another run of these tests (process {pid}) has its cluster up"
    return ""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
    return found


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs() -> list[dict[str, str]]:
    """Every job that the controller remembers, as scontrol names its facts."""
    lines = ask("scontrol", "--oneliner", "show", "jobs").splitlines()
    rows = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if line.startswith("JobId=")]
    return [{**row, "rule": row.get("Comment", "").removeprefix("rule_").partition("_wildcards")[0]} for row in rows]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    reason = obstacle()
    if reason:
        unavailable(reason)
    folder = tmp_path_factory.mktemp("slurm")
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    text = configuration(folder, free_ports(3))
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    (folder / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu File=/dev/null\n", encoding="utf-8")
    (folder / "state").mkdir()
    files = [
        f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("socket", "pid-file", "log-file", "seed-file")
    ]
    daemons = {
        # forced: it wants a socket that every user reaches, and pytest keeps its folders to one
        "munged": ["munged", "--foreground", "--force", f"--key-file={key}", *files],
        "slurmctld": ["slurmctld", "-D", "-f", f"{folder}/slurm.conf"],
        **{
            node: ["unshare", "--uts", "sh", "-c", f"hostname {node}; exec slurmd -D -N {node} -f {folder}/slurm.conf"]
            for node in NODES
        },
    }
    running: list[subprocess.Popen[bytes]] = []
    CONFIGURATION.write_text(text, encoding="utf-8")
    try:
        for name, command in daemons.items():
            with (folder / f"{name}.out").open("wb") as out:
                # a killed test run leaves no daemon behind
                command = ["setpriv", "--pdeathsig", "KILL", *command]
                running.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
            if name == "munged":
                wait_for((folder / "munge.socket").exists, 10, "munged's socket")
        wait_for(
            lambda: ask("sinfo", "--noheader", "--partition=cpu", "--format=%T %D") == "idle 2\n", 20, "two idle nodes"
        )
        yield
        ask("scancel", "--user=root")
        wait_for(lambda: not ask("squeue", "--noheader"), 30, "an empty queue")
    finally:
        CONFIGURATION.unlink()
        for daemon in reversed(running):
            daemon.terminate()
        for daemon in running:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def prepare_profile(tree: Any, first_check_seconds: int) -> None:
    """What a person edits, and times that suit a run of seconds.

    The second check of a job comes first_check_seconds + 10 after the first, the third another 10 later still.
    """
    name = "profiles/slurm/config.yaml"
    tree.edit(name, "status-checks: 10", f"status-checks: {first_check_seconds}")
    tree.edit(name, "# slurm_partition: gpu", "slurm_partition: gpu")
    tree.edit(name, "# gres: gpu:1", "gres: gpu:1")
    # after every update
    tree.edit(name, "checkpoint_seconds: 300", "checkpoint_seconds: 0")
    tree.edit(name, "pt_adapter: 8", "pt_adapter: 2")


@contextmanager
def on_the_cluster(
    tree: Any, *targets: str, config: tuple[str, ...] = (), expect: int = 0
) -> Iterator[Callable[[], str]]:
    """The documented command, running within the block and waited for at its end. Yields what returns its output so far."""
    command = ["snakemake", "--profile", "profiles/slurm", *targets, "--config", "domain=tiny", *config]
    log = tree.path / "snakemake.out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=tree.path, env=tree_environment(tree.path), stdout=out, stderr=subprocess.STDOUT
        )

    def output() -> str:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return log.read_text(encoding="utf-8")

    try:
        yield output
        assert process.wait(timeout=MAX_SECONDS) == expect, log.read_text(encoding="utf-8")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()


def had_two_nodes_at_once(rows: list[dict[str, str]]) -> bool:
    return any(
        one["NodeList"] != other["NodeList"]
        and one["StartTime"] < other["EndTime"]
        and other["StartTime"] < one["EndTime"]
        for one in rows
        for other in rows
    )


@pytest.mark.usefixtures("cluster")
def test_sharded_rules_run_on_both_nodes_at_once_and_give_the_bytes_of_a_local_run(
    fresh_tree: Any, built_folder: Path, tree_type: Callable[[Path], Any]
) -> None:
    prepare_profile(fresh_tree, 1)
    with on_the_cluster(fresh_tree, "clean_shards", "base_model"):
        pass  # waited for at the end of the block
    found, expected = fresh_tree.digests(), tree_type(built_folder).digests()
    assert set(found) >= {"clean_shards", "base_model"}
    assert found == {name: expected[name] for name in found}
    rows = fresh_tree.builds()
    assert {row["outcome"] for row in rows} == {"built"}
    assert {row["host"] for row in rows} == set(NODES)
    ended = [row for row in jobs() if row["WorkDir"] == str(fresh_tree.path)]
    assert {row["rule"] for row in ended} == {
        *("raw_corpus_shard", "documents_shard", "clean_shards_shard", "clean_shards", "base_model")
    }
    assert had_two_nodes_at_once(ended)


def steps_done(checkpoint: Path) -> int:
    with safe_open(checkpoint, framework="pt") as file:
        return int(json.loads(file.metadata()["progress"])["steps_done"])


@pytest.mark.usefixtures("cluster")
def test_a_training_that_is_cancelled_resumes_on_the_other_node_and_ends_in_the_bytes_of_an_undisturbed_run(
    built_tree: Any,
    built_folder: Path,
    tmp_path: Path,
    copy: Callable[[Path, Path], None],
    tree_type: Callable[[Path], Any],
) -> None:
    config = ("pt_adapter={epochs: 8}",)
    copy(built_folder, tmp_path / "undisturbed")
    undisturbed = tree_type(tmp_path / "undisturbed")
    prepare_profile(built_tree, 4)
    store = built_tree.path / ".dvc/domainlm-store"
    with on_the_cluster(built_tree, "merged_model", config=config) as output:

        def found() -> Any:
            output()
            return next((path for path in store.glob("scratch/*/*.safetensors") if steps_done(path) >= 10), None)

        checkpoint: Path = wait_for(found, MAX_SECONDS, "the tenth update")
        lease = store / f"leases/{checkpoint.parent.name}.json"
        first = next(row for row in jobs() if row["rule"] == "pt_adapter" and row["JobState"] == "RUNNING")
        # as when a node is taken away: its job ends, and nothing starts on it any more
        ask("scontrol", "update", f"NodeName={first['NodeList']}", "State=DRAIN", "Reason=test")
        ask("scancel", first["JobId"])
        # long before the heartbeat counts as missed
        wait_for(lambda: not lease.exists(), STALE_SECONDS / 2, "the lease given back")
        done = steps_done(checkpoint)
        assert done >= 10
    ask("scontrol", "update", f"NodeName={first['NodeList']}", "State=RESUME")
    attempts = [row for row in built_tree.builds() if row["artifact"] == "pt_adapter"][-2:]
    assert [row["outcome"] for row in attempts] == ["failed", "built"]
    assert {row["host"] for row in attempts} == set(NODES)
    assert attempts[-1]["threads"] == 2
    log = (built_tree.path / "logs/tiny/pt_adapter.log").read_text(encoding="utf-8")
    resumed = re.search(r"continuing after update (\d+) of (\d+)", log)
    assert resumed is not None, log
    assert done == int(resumed[1]) < int(resumed[2])
    undisturbed.snakemake("merged_model", config=config)
    assert built_tree.digests()["pt_adapter"] != tree_type(built_folder).digests()["pt_adapter"]
    assert built_tree.digests() == undisturbed.digests()
    with built_tree.outcomes() as done_again:
        built_tree.snakemake("merged_model", config=config)
    assert done_again == {}
    ended = [row for row in jobs() if row["WorkDir"] == str(built_tree.path)]
    assert sorted(row["rule"] for row in ended) == ["merged_model", "pt_adapter", "pt_adapter"]
    asked = {
        row["rule"]: [row.get(name) for name in ("Partition", "CPUs/Task", "MinMemoryNode", "TimeLimit", "TresPerNode")]
        for row in ended
    }
    assert asked["pt_adapter"] == ["gpu", "2", "16000M", "1-00:00:00", "gres:gpu:1"]


@pytest.mark.usefixtures("cluster")
def test_a_job_that_failed_on_a_node_hides_no_change(built_tree: Any) -> None:
    prepare_profile(built_tree, 1)
    built_tree.edit("profiles/slurm/config.yaml", "retries: 3", "retries: 0")
    # the engine is in no key
    planted = '        (project / "fault").exists() and __import__("os").abort()\n        return _build('
    built_tree.edit("domainlm/builder/build.py", "        return _build(", planted)
    built_tree.edit("config/domains/tiny.yaml", "max_train_tokens: 4000", "max_train_tokens: 2000")
    (built_tree.path / "fault").touch()
    with on_the_cluster(built_tree, "corpus_split", expect=1):
        pass
    (built_tree.path / "fault").unlink()
    with on_the_cluster(built_tree, "corpus_split"):
        pass
    record = json.loads((built_tree.artifact("corpus_split") / "action.json").read_bytes())
    assert record["action"]["config"]["section"]["max_train_tokens"] == 2000
    assert built_tree.builds()[-1]["host"] in NODES
