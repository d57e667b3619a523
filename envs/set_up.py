"""Put the locked packages into the virtual environment that runs this: `.venv/bin/python envs/set_up.py`.

In: the lock files beside it, which build of torch is wanted, pip's own settings. Out: an environment in which torch loads
and the project is installed for editing; or an exit that names what stood in the way and what to do about it.

`torch==2.13.0` is several builds. Which of them an index gives is asked of pip before anything large is downloaded, and
read from what that build says it needs: packages of cuda.lock or none. So plain `torch` on a Linux machine gets the
CUDA packages without which it does not load, one line says before the download how large it is and how the small build
is had, and where pip's settings lead to a CPU wheel nothing of CUDA is downloaded.

Kept: what is installed has the hashes of the lock files (torch itself, and uv's choice of it, by version); torch comes
after the packages that it loads, so a set-up that ended early never leaves a torch that lacks them; a distribution whose
installation was cut short is installed again.

Not `pip install torch` with dependencies: that takes packages which no lock file names, without hashes. Not uv alone: it
reads none of pip's settings (docs/adr/0017). Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
LOCKED = ["--no-deps", "--require-hashes"]
HOW_TO = "docs/how-to/cpu-build.md"
NO_ENSUREPIP = (
    f"the Python of {sys.prefix} has no ensurepip, which brings pip into a virtual environment. On Debian and Ubuntu it is "
    "in the package python3-venv; install that, or name another interpreter: make setup PYTHON=python3.12"
)


class Build(NamedTuple):
    """A build of torch: `2.13.0`, `2.13.0+cpu`; which distributions it needs on this machine."""

    version: str
    needs: frozenset[str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Install the locked packages into the environment of this interpreter."
    )
    parser.add_argument("--torch", default="index", choices=("index", "cpu", "gpu"))
    parser.add_argument("--torch-index", default="", metavar="URL", help="take torch, and only torch, from there")
    wanted = parser.parse_args()
    if sys.prefix == sys.base_prefix:
        sys.exit(
            f"{sys.executable} is not in a virtual environment, and nothing is installed outside of one: make setup"
        )
    forget_what_was_cut_short(Path(sysconfig.get_path("purelib")))
    bring_pip()
    if wanted.torch == "gpu":
        install_for_gpu()
    else:
        install_torch(wanted.torch, wanted.torch_index)
        install("--quiet", *LOCKED, "-r", lock("cpu"))
    install("--quiet", "--no-deps", "--no-build-isolation", "--editable", str(HERE.parent))
    prove_that_torch_loads()


def forget_what_was_cut_short(packages: Path) -> None:
    """Delete the records of distributions whose installation did not end, so that pip installs them again.

    An installer copies a wheel, its METADATA included, makes the commands, and writes last the RECORD that names itself
    in INSTALLER. After a kill between, pip takes the distribution for installed, although its commands may be missing.
    """
    for folder in packages.glob("*.dist-info"):
        record = folder / "RECORD"
        if not (
            record.is_file() and f"{folder.name}/INSTALLER" in record.read_text(encoding="utf-8", errors="replace")
        ):
            shutil.rmtree(folder)


def bring_pip() -> None:
    if installed_version("pip") is None:
        done = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(NO_ENSUREPIP)
        run([sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"], output=subprocess.DEVNULL)
    importlib.invalidate_caches()


def install_torch(wanted: str, index: str) -> None:
    """Install the build that the index gives, with the CUDA packages that it needs; for `cpu`, never a build that needs any."""
    installed = installed_build()
    found = offered_build(index) if index or installed is None else installed
    cuda = locked_names("cuda")
    unlocked = sorted(name for name in found.needs - locked_names("cpu") - cuda if installed_version(name) is None)
    is_small = not found.needs & cuda and not unlocked
    if wanted == "cpu" and not is_small:
        return install_small_build(is_other_there=installed is not None)
    if unlocked:
        sys.exit(
            f"torch {found.version}, which {'TORCH_INDEX' if index else 'pip'} gives, needs {', '.join(unlocked)}, which no lock "
            "file names. "
            f"Expected a CPU build, or the CUDA build of envs/cuda.lock. Choose another: TORCH=cpu, or TORCH_INDEX=URL "
            f"({HOW_TO})"
        )
    arguments = ["--no-deps", *from_index(index), "-r", lock("torch")]
    if installed is not None and installed.version != found.version:
        arguments.insert(0, "--force-reinstall")
    if is_small:
        say(f"torch {found.version} and the locked packages")
        install("--quiet", *arguments)
        return None
    has_all = installed is not None and all(installed_version(name) for name in found.needs & cuda)
    if not has_all:
        say(
            f"torch {found.version} from here is the CUDA build: it downloads {download_size()} and takes almost twice "
            f"that on disk.\n  It runs without a GPU, too. The CPU build is about 0.2 GB: stop here with Ctrl-C and give "
            f"the same command with TORCH=cpu ({HOW_TO})."
        )
    # names and sizes of what is downloaded, where there is anything
    shown = ["--quiet"] if has_all else []
    install(*shown, *LOCKED, "-r", lock("cuda"))
    install(*shown, *arguments)
    return None


def install_small_build(*, is_other_there: bool) -> None:
    """The CPU build, where pip leads to another: uv knows where the PyTorch project keeps it, and takes the version of the lock."""
    say("the CPU build of torch, which uv finds, and the locked packages")
    install("--quiet", *LOCKED, "-r", lock("installer"))
    arguments = ["--torch-backend", "cpu", "--no-deps", "--requirements", lock("torch")]
    if is_other_there:
        arguments += ["--reinstall-package", "torch"]
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *arguments], check=False
    )
    if done.returncode != 0:
        sys.exit(
            "uv did not get the CPU build of torch (above). Where its address cannot be reached, name an index that serves CPU "
            f"builds: TORCH_INDEX=URL ({HOW_TO}), or take the build of pip's index, {download_size()}, by leaving TORCH=cpu out"
        )


def install_for_gpu() -> None:
    """The CUDA build with hashes, and DeepSpeed, which is built here and needs the packages before it."""
    installed = installed_build()
    if installed is not None and sys.platform == "linux" and not installed.needs & locked_names("cuda"):
        sys.exit(
            f"torch {installed.version} in {sys.prefix} is not the CUDA build, and pip would leave it there. Give TORCH=gpu an "
            "environment of its own: VENV=.venv-gpu"
        )
    say(f"the CUDA build of torch, DeepSpeed and the locked packages: {download_size()} and more are downloaded")
    install("--quiet", *LOCKED, "-r", lock("cpu"))
    install(*LOCKED, "--no-build-isolation", "-r", lock("cuda"), "-r", lock("gpu"))


def prove_that_torch_loads() -> None:
    if subprocess.run([sys.executable, "-c", "import torch"], check=False).returncode != 0:
        sys.exit(
            f"torch {installed_version('torch')} in {sys.prefix} does not load (above). Remove that environment and set up "
            f"again, with another build if it is not of this machine: TORCH=cpu, or TORCH_INDEX=URL ({HOW_TO})"
        )


def installed_build() -> Build | None:
    """What is installed, if it is of the locked version."""
    version = installed_version("torch")
    if version is None or locked_torch() not in (version, version.partition("+")[0]):
        return None
    return Build(version, needed_here(importlib.metadata.requires("torch") or []))


def offered_build(index: str) -> Build:
    """The build that pip would install, by its metadata; a wheel is downloaded only where the index has no metadata files."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["--no-deps", *from_index(index), "-r", lock("torch")]
        install("--quiet", "--dry-run", "--ignore-installed", "--report", str(report), *arguments)
        (found,) = json.loads(report.read_text(encoding="utf-8"))["install"]
    return Build(found["metadata"]["version"], needed_here(found["metadata"].get("requires_dist", [])))


def needed_here(requirements: list[str]) -> frozenset[str]:
    """Names of the distributions that these ask for on this platform, without extras. pip brings what reads the conditions."""
    read = importlib.import_module("pip._vendor.packaging.requirements").Requirement
    found = [read(text) for text in requirements]
    return frozenset(normal_name(one.name) for one in found if one.marker is None or one.marker.evaluate({"extra": ""}))


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lock(name: str) -> str:
    return str(HERE / f"{name}.lock")


def locked_names(name: str) -> frozenset[str]:
    text = Path(lock(name)).read_text(encoding="utf-8")
    return frozenset(normal_name(found) for found in re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, flags=re.MULTILINE))


def locked_torch() -> str:
    found = re.search(r"^torch==(\S+)", Path(lock("torch")).read_text(encoding="utf-8"), flags=re.MULTILINE)
    if found is None:
        sys.exit(f"{lock('torch')} names no version of torch; expected a line torch==VERSION: make locks")
    return found[1]


def download_size() -> str:
    """As the first line of cuda.lock says for this processor."""
    found = re.search(rf"\b{platform.machine()} ([\d.]+ GB)", Path(lock("cuda")).read_text(encoding="utf-8"))
    return found[1] if found else "several GB"


def from_index(index: str) -> list[str]:
    return ["--index-url", index] if index else []


def install(*arguments: str) -> None:
    run([*PIP, "install", *arguments])


def run(command: list[str], output: int | None = None) -> None:
    done = subprocess.run(command, stdout=output, check=False)
    if done.returncode != 0:
        # not the arguments: an index may have a login in its address
        sys.exit(
            f"set-up stopped: exit code {done.returncode} of python {' '.join(command[1:3])}, whose message stands above. "
            "The same command goes on from here"
        )


def say(text: str) -> None:
    print(f"setting up {os.path.relpath(sys.prefix)}: {text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("set-up was interrupted. The same command goes on from here")
