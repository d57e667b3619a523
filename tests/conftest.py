"""What every test shares: the repository, an environment in which nothing of the caller's store leaks, small projects, tiny models.

What the fixtures hand out is made by tests/material/.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from material.checkout import NO_DVC_SETTINGS, REPOSITORY, copy_tree, copy_whole, tree_environment
from material.projects import TextProject, write_text_project
from material.tiny_models import write_base, write_tokens
from material.unavailable import unavailable

NOBODY = 65534


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store, remote or keys of the caller; no DVC remote of the machine's user."""
    for name in [name for name in os.environ if name.startswith("DOMAINLM_")]:
        monkeypatch.delenv(name)
    for name, value in NO_DVC_SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session", name="copy_tree")
def _copy_tree() -> Callable[[Path], Path]:
    """copy_tree(target): a copy of the repository's files in which commands can be run."""
    return copy_tree


@pytest.fixture(scope="session", name="tree_environment")
def _tree_environment() -> Callable[..., dict[str, str]]:
    """tree_environment(tree, changes): environment in which `python -m domainlm`, snakemake and dvc use the tree."""
    return tree_environment


@pytest.fixture(scope="session")
def make_text_project() -> Callable[[Path], TextProject]:
    """make_text_project(folder): nothing built, in this folder."""
    return write_text_project


@pytest.fixture
def text_project(tmp_path: Path) -> TextProject:
    """Nothing built."""
    return write_text_project(tmp_path / "text_project")


@pytest.fixture(scope="session")
def _built_text_project(tmp_path_factory: pytest.TempPathFactory) -> TextProject:
    project = write_text_project(tmp_path_factory.mktemp("text") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DOMAINLM_STORE", raising=False)
        project.build()
    return project


@pytest.fixture
def built_text_project(_built_text_project: TextProject, tmp_path: Path) -> TextProject:
    """The text stages built, in a copy of the test's own."""
    copy_whole(_built_text_project.path, tmp_path / "text_project")
    return TextProject(tmp_path / "text_project")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """small_disk(kibibytes): a file system of its own, that small. `mount -o remount,ro` makes it read-only."""
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "domainlm-test", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            unavailable(f"no small file system can be mounted here (needs root): {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], Any]], Any]:
    """as_nobody(function): its JSON result, run by another user in a fork."""

    def run(function: Callable[[], Any]) -> Any:
        if os.geteuid() != 0:
            unavailable("only root can act as another user")
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                try:
                    result = {"result": function()}
                except Exception as error:
                    result = {"error": f"{type(error).__name__}: {error}"}
                with os.fdopen(writer, "w") as file:
                    json.dump(result, file)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            found = json.load(file)
        os.waitpid(pid, 0)
        if "error" in found:
            raise AssertionError(found["error"])
        return found["result"]

    return run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach too; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="domainlm-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[..., Path]:
    """make_base(architecture="llama", dtype="float32", pad="<|im_end|>", **configuration): a base_model folder."""

    def make(architecture: str = "llama", dtype: str = "float32", pad: str = "<|im_end|>", **extra: Any) -> Path:
        folder = tmp_path / f"{architecture}_{dtype}_{len(list(tmp_path.iterdir()))}"
        return write_base(folder, architecture, dtype, pad, **extra)

    return make


@pytest.fixture
def make_tokens(tmp_path: Path) -> Callable[..., Path]:
    """make_tokens(lengths, row_length): a token folder of random documents, the same rows for both splits' files."""

    def make(lengths: list[int], row_length: int = 32, vocabulary: int = 250, last_id: int = 0) -> Path:
        folder = tmp_path / f"tokens_{len(list(tmp_path.iterdir()))}"
        return write_tokens(folder, lengths, row_length, vocabulary, last_id)

    return make
