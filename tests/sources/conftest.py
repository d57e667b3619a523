from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainlm.store.local import Store


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes distributions from; it sees no index and no settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder `texts` of five files, one of them hidden, none of them young."""
    files = {"a.md": "A", "b.txt": "B", "deep/c.html": "C", "deep/er/d.weird": "D", ".hidden": "H", ".git/x.md": "X"}
    for name, text in files.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1, 1))
    return tmp_path
