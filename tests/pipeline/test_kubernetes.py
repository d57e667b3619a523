"""profiles/kubernetes against a stand-in for the cluster: its API, with pods that are processes of this machine.

The plugin, the profile and the commands of the pods are the real ones; scheduling, images and volumes are not there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from material.unavailable import unavailable

pytestmark = pytest.mark.long


class Cluster(ThreadingHTTPServer):
    """Jobs that were created, and their processes. folder: where pods start, as in an empty volume."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.folder = folder
        self.jobs: dict[str, Any] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job: Any) -> None:
        name = job["metadata"]["name"]
        container = job["spec"]["template"]["spec"]["containers"][0]
        folder = self.folder / name
        folder.mkdir()
        commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with (folder / "log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=folder,
                env={"PATH": commands, "HOME": str(folder), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.jobs[name] = job


class Api(BaseHTTPRequestHandler):
    """As much of the API as the plugin asks for."""

    server: Cluster

    def log_message(self, *_: object) -> None:
        return None

    def answer(self, value: Any, code: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def read(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")

    def do_POST(self) -> None:
        value = self.read()
        if self.path.endswith("/jobs"):
            self.server.start(value)
        self.answer(value, 201)

    def do_GET(self) -> None:
        name = re.search(r"/jobs/([^/]+)/status", self.path)
        if name is None:
            self.answer({"kind": "PodList", "apiVersion": "v1", "items": []})
            return
        code = self.server.processes[name[1]].poll()
        status = {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        self.answer({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": name[1]}, "status": status})

    def do_DELETE(self) -> None:
        self.read()
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if find_spec("snakemake_executor_plugin_kubernetes") is None:
        unavailable("the extra kubernetes is not installed: make extras")
    (tmp_path / "pods").mkdir()
    server = Cluster(tmp_path / "pods")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    for process in server.processes.values():
        process.kill()
        process.wait()
    server.shutdown()
    server.server_close()
    thread.join()


def kubeconfig(server: Cluster) -> str:
    address = f"http://127.0.0.1:{server.server_address[1]}"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def test_a_pod_trains_in_the_shared_folder_with_what_the_profile_asks_for(
    built_tree: Any, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").write_text(kubeconfig(cluster), encoding="utf-8")
    profile = built_tree.path / "profiles/kubernetes/config.yaml"
    for name in ("gpu: 1", "gpu_manufacturer: nvidia", "scale: 0"):
        built_tree.edit(profile.relative_to(built_tree.path), f"# {name}", name)
    # the volume, where this machine has it
    profile.write_text(
        profile.read_text(encoding="utf-8").replace("/project", str(built_tree.path))
        + "\nseconds-between-status-checks: 1\n",
        encoding="utf-8",
    )
    with built_tree.outcomes() as done:
        built_tree.run(
            *("snakemake", "--profile", "profiles/kubernetes", "pt_adapter", "--config", "domain=tiny"),
            "pt_adapter={epochs: 2}",
            KUBECONFIG=str(tmp_path / "kubeconfig"),
        )
    assert done == {"built": {"pt_adapter"}}
    (job,) = cluster.jobs.values()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "domainlm:0.1.0"
    assert {"mountPath": str(built_tree.path), "name": "domainlm"} in container["volumeMounts"]
    assert {"name": "domainlm", "persistentVolumeClaim": {"claimName": "domainlm"}} in pod["volumes"]
    assert container["resources"]["requests"] == {
        "cpu": "7600m",
        "memory": "16000M",
        "ephemeral-storage": "10000M",
        "nvidia.com/gpu": "1",
    }
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    # nothing was copied through a storage, and nothing lies where the pod started
    assert {path.name for path in cluster.folder.glob("*/*")} <= {"log", ".cache"}
