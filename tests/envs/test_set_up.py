"""`make setup` with real pip and small wheels made here: which build of torch comes with what, and that a cut is mended."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wheels import locked, write_wheel

from domainlm.pipeline.table import PACKAGE_ROOT

CUDA = ("nvidia-cublas>=13; extra == 'never'", "nvidia-cublas==13.1", "triton==3.7")
# a system that this is not, as Linux is for a Mac, to which the same requirements are told
ELSEWHERE = tuple(f"{name}; platform_system == 'Elsewhere'" for name in ("nvidia-cublas==13.1", "triton==3.7"))
BACKEND = """
from wheels import write_wheel
def build_editable(folder, config_settings=None, metadata_directory=None):
    return write_wheel(folder, "project", "1.0", {}).name
def get_requires_for_build_editable(config_settings=None):
    return []
"""
# uv as far as set-up calls it: what it is told is kept, and the build is taken from a folder that pip is not told of
UV = """
import os, subprocess, sys
open(os.environ["UV_WAS_TOLD"], "w").write("\\n".join(sys.argv[1:]))
if "UV_FOLDER" not in os.environ:
    sys.exit("error: no such host")
command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall"]
sys.exit(subprocess.run([*command, "--find-links", os.environ["UV_FOLDER"], "torch==2.13.0"]).returncode)
"""


class Project:
    """A project with lock files of its own and the real Makefile and script, in a folder with a blank in its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a folder"
        self.wheels = folder / "wheels"
        self.told = folder / "told"
        (self.folder / "envs").mkdir(parents=True)
        self.wheels.mkdir()
        for name in ("Makefile", "envs/set_up.py"):
            shutil.copy(PACKAGE_ROOT / name, self.folder / name)
        backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        (self.folder / "pyproject.toml").write_text(backend + '[project]\nname = "project"\nversion = "1.0"\n')
        (self.folder / "backend.py").write_text(BACKEND)
        shutil.copy(PACKAGE_ROOT / "tests/wheels.py", self.folder / "wheels.py")
        plain = write_wheel(
            self.wheels, "plain", "1.0", {"plain.py": "def main():\n    print('it runs')\n"}, command="plain"
        )
        cublas = write_wheel(self.wheels, "nvidia-cublas", "13.1", {"nvidia_cublas.py": ""})
        triton = write_wheel(self.wheels, "triton", "3.7", {"triton.py": ""})
        uv = write_wheel(self.wheels, "uv", "1.0", {"uv/__init__.py": "", "uv/__main__.py": UV})
        deepspeed = write_wheel(self.wheels, "deepspeed", "1.0", {"deepspeed.py": ""})
        self.lock("cpu", locked(plain))
        self.lock("torch", "torch==2.13.0\n")
        self.lock("cuda", f"# Download: {platform.machine()} 2.7 GB.\n" + locked(cublas) + locked(triton))
        self.lock("installer", locked(uv))
        self.lock("gpu", locked(deepspeed))

    def lock(self, name: str, text: str) -> None:
        (self.folder / f"envs/{name}.lock").write_text(text)

    def offer(self, version: str, requires: tuple[str, ...], folder: Path | None = None) -> Path:
        """Put a build of torch where pip looks; it loads if what it needs is there."""
        imports = "import nvidia_cublas, triton\n" if requires == CUDA else ""
        return write_wheel(
            folder or self.wheels, "torch", version, {"torch.py": imports}, ("plain", "mkl; extra == 'mkl'", *requires)
        )

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "PYTHON"))}
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return kept | settings | {"UV_WAS_TOLD": str(self.told), "PIP_NO_CACHE_DIR": "1"} | more

    def command(self, *variables: str) -> list[str]:
        return ["make", "setup", f"PYTHON={sys.executable}", *variables]

    def set_up(self, *variables: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*variables),
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, code: str) -> str:
        python = self.folder / ".venv/bin/python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout

    def installed(self) -> dict[str, str]:
        code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
        found = (one.split("==") for one in self.run(code).split())
        return {name: version for name, version in found if name not in ("pip", "setuptools")}

    def packages(self) -> Path:
        return next((self.folder / ".venv/lib").glob("python*")) / "site-packages"


@pytest.fixture(scope="module")
def pip_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip and nothing else, copied for each test: pip in a new one takes seconds."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def project(tmp_path: Path, pip_only: Path) -> Project:
    made = Project(tmp_path)
    shutil.copytree(pip_only, made.folder / ".venv", symlinks=True)
    return made


ALL = {"plain": "1.0", "project": "1.0"}
CUDA_THERE = {"nvidia-cublas": "13.1", "triton": "3.7"}


def test_a_cpu_build_comes_alone_and_the_second_time_nothing_runs(project: Project) -> None:
    project.offer("2.13.0+cpu", ())
    for name in ("nvidia_cublas-13.1", "triton-3.7"):
        (project.wheels / f"{name}-py3-none-any.whl").unlink()
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert "CUDA" not in done.stdout + done.stderr
    assert project.installed() == ALL | {"torch": "2.13.0+cpu"}
    assert subprocess.run([project.folder / ".venv/bin/plain"], capture_output=True, check=True).stdout == b"it runs\n"
    again = project.set_up()
    assert "Nothing to be done" in again.stdout


def test_a_new_environment_is_made_with_pip(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.offer("2.13.0+cpu", ())
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | {"torch": "2.13.0+cpu"}


def test_the_cuda_build_comes_with_its_packages_and_the_size_is_said_once_before(project: Project) -> None:
    project.offer("2.13.0", CUDA)
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | CUDA_THERE | {"torch": "2.13.0"}
    said, _, after = done.stdout.partition("downloads 2.7 GB")
    assert "TORCH=cpu" in after
    assert "nvidia" not in said
    assert "GB" in after
    assert "2.7 GB" not in after


def test_on_a_system_that_needs_none_of_them_nothing_of_cuda_is_installed(project: Project) -> None:
    project.offer("2.13.0", ELSEWHERE)
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert "GB" not in done.stdout
    assert project.installed() == ALL | {"torch": "2.13.0"}


def test_the_cuda_packages_are_held_to_their_hashes(project: Project) -> None:
    project.offer("2.13.0", CUDA)
    write_wheel(project.wheels, "triton", "3.7", {"triton.py": "changed = True\n"})
    done = project.set_up()
    assert done.returncode != 0
    assert "DO NOT MATCH" in done.stderr
    assert "torch" not in project.installed()


def test_a_torch_that_lacks_its_packages_is_given_them(project: Project) -> None:
    """As every set-up before this one left it on Linux."""
    project.offer("2.13.0", CUDA)
    command = [project.folder / ".venv/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "torch"]
    subprocess.run(command, env=project.environment(), check=True)
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | CUDA_THERE | {"torch": "2.13.0"}


def test_a_build_for_which_nothing_is_locked_is_refused_by_name(project: Project) -> None:
    project.offer("2.13.0+cu126", ("nvidia-cublas-cu12==12.6",))
    done = project.set_up()
    assert done.returncode != 0
    assert "2.13.0+cu126" in done.stderr
    assert "nvidia-cublas-cu12" in done.stderr
    assert "TORCH=cpu" in done.stderr
    assert "torch" not in project.installed()


def test_the_index_of_torch_is_asked_for_torch_only_and_replaces_another_build(
    project: Project, tmp_path: Path
) -> None:
    project.offer("2.13.0", CUDA)
    assert project.set_up().returncode == 0
    index = tmp_path / "an index"
    (index / "torch").mkdir(parents=True)
    wheel = project.offer("2.13.0+cpu", (), index / "torch")
    (index / "torch/index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    (project.folder / ".venv/.ready-index").unlink()
    shutil.copytree(project.wheels, tmp_path / "rest", ignore=shutil.ignore_patterns("torch*"))
    settings = {"PIP_FIND_LINKS": str(tmp_path / "rest"), "PIP_NO_INDEX": "0"}
    done = project.set_up(f"TORCH_INDEX={index.as_uri()}", **settings)
    assert done.returncode == 0, done.stderr
    assert project.installed()["torch"] == "2.13.0+cpu"


def test_the_small_build_is_what_pip_leads_to_where_that_is_small(project: Project) -> None:
    project.offer("2.13.0+cpu", ())
    done = project.set_up("TORCH=cpu")
    assert done.returncode == 0, done.stderr
    assert not project.told.exists()
    assert project.installed() == ALL | {"torch": "2.13.0+cpu"}


def test_the_small_build_comes_by_uv_where_pip_leads_to_the_large_one(project: Project, tmp_path: Path) -> None:
    project.offer("2.13.0", CUDA)
    (tmp_path / "elsewhere").mkdir()
    project.offer("2.13.0+cpu", (), tmp_path / "elsewhere")
    done = project.set_up("TORCH=cpu", UV_FOLDER=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | {"torch": "2.13.0+cpu", "uv": "1.0"}
    told = project.told.read_text().splitlines()
    assert told[told.index("--torch-backend") :][:2] == ["--torch-backend", "cpu"]
    assert "--reinstall-package" not in told
    assert "GB" not in done.stdout


def test_the_small_build_replaces_the_large_one(project: Project, tmp_path: Path) -> None:
    project.offer("2.13.0", CUDA)
    assert project.set_up().returncode == 0
    (tmp_path / "elsewhere").mkdir()
    project.offer("2.13.0+cpu", (), tmp_path / "elsewhere")
    done = project.set_up("TORCH=cpu", UV_FOLDER=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert project.installed()["torch"] == "2.13.0+cpu"
    assert project.told.read_text().split("\n")[-2:] == ["--reinstall-package", "torch"]


def test_where_uv_reaches_nothing_the_other_ways_are_named(project: Project) -> None:
    project.offer("2.13.0", CUDA)
    done = project.set_up("TORCH=cpu")
    assert done.returncode != 0
    assert "TORCH_INDEX=URL" in done.stderr
    assert "2.7 GB" in done.stderr
    assert not (project.folder / ".venv/.ready-cpu").exists()


def test_the_gpu_set_up_does_not_take_a_cpu_build_for_what_it_needs(project: Project) -> None:
    cpu_build = project.offer("2.13.0+cpu", ())
    assert project.set_up().returncode == 0
    done = project.set_up("TORCH=gpu")
    if sys.platform == "linux":
        assert done.returncode != 0
        assert "VENV=.venv-gpu" in done.stderr
    shutil.rmtree(project.packages() / "torch-2.13.0+cpu.dist-info")
    cpu_build.unlink()
    build = project.offer("2.13.0", CUDA)
    project.lock("gpu", (project.folder / "envs/gpu.lock").read_text() + locked(build))
    done = project.set_up("TORCH=gpu")
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | CUDA_THERE | {"torch": "2.13.0", "deepspeed": "1.0"}


def test_a_distribution_whose_installation_was_cut_short_is_installed_again(project: Project) -> None:
    """pip writes METADATA early, commands later, and the whole RECORD last."""
    project.offer("2.13.0+cpu", ())
    assert project.set_up().returncode == 0
    record = project.packages() / "plain-1.0.dist-info/RECORD"
    record.write_text("".join(line for line in record.open() if "INSTALLER" not in line and "bin/" not in line))
    (project.folder / ".venv/bin/plain").unlink()
    (project.folder / ".venv/.ready-index").unlink()
    assert project.set_up().returncode == 0
    assert subprocess.run([project.folder / ".venv/bin/plain"], capture_output=True, check=True).stdout == b"it runs\n"


@pytest.mark.long
def test_a_set_up_that_was_killed_again_and_again_ends_whole(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.offer("2.13.0", CUDA)
    for seconds in (0.1, 0.6, 1.5, 3.0, 2.0, 4.0):
        running = subprocess.Popen(
            project.command(),
            cwd=project.folder,
            env=project.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert project.installed() == ALL | CUDA_THERE | {"torch": "2.13.0"}
    assert subprocess.run([project.folder / ".venv/bin/plain"], capture_output=True, check=True).stdout == b"it runs\n"


def test_nothing_is_installed_outside_of_an_environment(project: Project) -> None:
    command = [str(Path(sys.base_prefix) / "bin/python3"), str(project.folder / "envs/set_up.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=project.environment(), check=False)
    assert done.returncode != 0
    assert "not in a virtual environment" in done.stderr


def test_the_real_locks_ask_for_cuda_on_linux_only_and_say_how_much() -> None:
    text = (PACKAGE_ROOT / "envs/cuda.lock").read_text(encoding="utf-8")
    first, *rest = text.splitlines()
    assert all(f"{processor} " in first for processor in ("x86_64", "aarch64"))
    assert first.count(" GB") == 2
    for line in rest:
        if not line.startswith(" "):
            assert "sys_platform == 'linux'" in line
