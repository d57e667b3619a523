"""A tiny domain in a copy of the repository (material/tiny_domain.py): nothing built, everything built, under DVC's versions.

Also loaded by its path, without pytest, for the names that it takes from there.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from material.checkout import copy_tree, copy_whole
from material.code_memory import know_code
from material.tiny_domain import PIPELINE_FILE, TINY, Tree, words, write_corpus, write_domain
from material.tiny_models import CHAT_TEMPLATE, write_model

__all__ = ["CHAT_TEMPLATE", "PIPELINE_FILE", "TINY", "Tree", "words", "write_corpus", "write_model"]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, Callable[[Path], None]], Path]]:
    """shared_folder(name, make): a folder made once, whichever worker of pytest-xdist comes first."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if base.name.startswith("popen-") else base

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        target = root / name
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (root / f"{name}.made").exists():
                make(target)
                (root / f"{name}.made").touch()
        return target

    return folder


@pytest.fixture(scope="session")
def fresh_folder(shared_folder: Callable[..., Path]) -> Path:
    """The tree, nothing built."""

    def make(folder: Path) -> None:
        copy_tree(folder)
        write_domain(folder)
        tree = Tree(folder)
        tree.run("git", "init", "-q", "-b", "main")
        tree.run("git", "config", "user.name", "Tiny")
        tree.run("git", "config", "user.email", "tiny@example.org")
        tree.run("python", "-m", "domainlm.workflow.dvc", "tiny")
        know_code(folder)

    return shared_folder("fresh", make)


@pytest.fixture(scope="session")
def built_folder(shared_folder: Callable[..., Path], fresh_folder: Path) -> Path:
    """The tree with everything built, by plain `snakemake --cores 1`."""

    def make(folder: Path) -> None:
        copy_whole(fresh_folder, folder)
        Tree(folder).snakemake()

    return shared_folder("built", make)


@pytest.fixture(scope="session")
def versioned_folder(shared_folder: Callable[..., Path], built_folder: Path) -> Path:
    """The built tree after one `dvc repro`, committed."""

    def make(folder: Path) -> None:
        copy_whole(built_folder, folder)
        tree = Tree(folder)
        tree.run("dvc", "repro", "--quiet", PIPELINE_FILE)
        tree.commit("Versioned")

    return shared_folder("versioned", make)


@pytest.fixture(scope="session")
def copy() -> Callable[[Path, Path], None]:
    return copy_whole


@pytest.fixture(scope="session")
def tree_type() -> Callable[[Path], Tree]:
    """tree_type(folder): the folder with the commands that run in it."""
    return Tree


@pytest.fixture
def fresh_tree(fresh_folder: Path, tmp_path: Path) -> Tree:
    """A copy of the fresh tree, the test's own."""
    copy_whole(fresh_folder, tmp_path / "fresh")
    return Tree(tmp_path / "fresh")


@pytest.fixture
def built_tree(built_folder: Path, tmp_path: Path) -> Tree:
    """A copy of the built tree, the test's own."""
    copy_whole(built_folder, tmp_path / "built")
    return Tree(tmp_path / "built")


@pytest.fixture
def versioned_tree(versioned_folder: Path, tmp_path: Path) -> Tree:
    """A copy of the versioned tree, the test's own."""
    copy_whole(versioned_folder, tmp_path / "versioned")
    return Tree(tmp_path / "versioned")


@pytest.fixture
def make_tree(fresh_folder: Path, tmp_path: Path) -> Callable[[str], Tree]:
    """make_tree(name): another copy of the fresh tree, in a folder of this name."""

    def make(name: str) -> Tree:
        copy_whole(fresh_folder, tmp_path / name)
        return Tree(tmp_path / name)

    return make
