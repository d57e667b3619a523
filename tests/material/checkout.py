"""Copies of the repository in which commands run as in a checkout of their own, and where nothing of the caller's leaks in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# what a build needs of the repository; data/ may hold a person's own corpora
TREE = (
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
)
# where DVC looks for the configuration of the user and of the machine
NO_DVC_SETTINGS = {"DVC_GLOBAL_CONFIG_DIR": "/nonexistent", "DVC_SYSTEM_CONFIG_DIR": "/nonexistent"}


def copy_tree(target: Path, names: Iterable[str] = TREE) -> Path:
    """A copy of the repository's files in which commands can be run."""
    for name in names:
        source = REPOSITORY / name
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target / name)
    return target


def tree_environment(tree: Path, changes: Mapping[str, str] = {}) -> dict[str, str]:
    """Environment in which `python -m domainlm`, snakemake and dvc use the tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOMAINLM_")}
    kept |= NO_DVC_SETTINGS
    commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": commands, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", **changes}


def copy_whole(source: Path, target: Path) -> None:
    # one call, so that hardlinks between store, artifacts and DVC's cache stay hardlinks
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
