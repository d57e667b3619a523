"""A store, and projects that share one remote folder, for attacks by who can write to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from material.projects import ONE_SHARD, write_project
from material.remote_project import Project

from domainlm.store import remote_files
from domainlm.store.local import Store
from domainlm.store.signatures import SIGNING_VARIABLE, TRUSTED_VARIABLE


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Project]:
    """make(name): a project with a store of its own; all share one remote."""

    def made(name: str) -> Project:
        path = write_project(tmp_path / name, {"a.txt": "a text"}, ONE_SHARD)
        return Project(path, tmp_path / "remote")

    (tmp_path / "remote").mkdir(mode=0o700)
    monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "remote"))
    for name in (SIGNING_VARIABLE, TRUSTED_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())
    return made


@pytest.fixture
def full(make: Callable[[str], Project]) -> Project:
    """A project whose first artifact was built and pushed."""
    project = make("full")
    project.build()
    project.push()
    return project


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store(tmp_path / "store")
