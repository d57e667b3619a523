from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """A project with the default configuration and no domain."""
    root = tmp_path / "project"
    (root / "config").mkdir(parents=True)
    shutil.copyfile(repository / "config/config.yaml", root / "config/config.yaml")
    return root
