"""What every test shares: the repository, and an environment in which nothing of the caller's store or locale leaks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# what a build needs of the repository; data/ may hold a person's own corpora
TREE = [
    "Snakefile",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
    "dvc.yaml",
    "rules",
    "profiles",
    "config",
    "domainlm",
    "envs",
    "data/instruction",
    ".dvc/config",
    ".dvc/.gitignore",
]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(autouse=True)
def _no_store_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMAINLM_STORE", raising=False)


@pytest.fixture(scope="session")
def copy_tree() -> Callable[[Path], Path]:
    """copy_tree(target): a copy of the repository's files in which commands can be run."""

    def copy(target: Path) -> Path:
        for name in TREE:
            source = REPOSITORY / name
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target / name)
        return target

    return copy


@pytest.fixture(scope="session")
def tree_environment() -> Callable[..., dict[str, str]]:
    """tree_environment(tree, changes): environment in which `python -m domainlm`, snakemake and dvc use the tree."""

    def environment(tree: Path, changes: Mapping[str, str] = {}) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DOMAINLM_STORE"}
        commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": commands, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", **changes}

    return environment
