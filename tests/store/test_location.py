from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domainlm.store.location import dvc_cache_folder, store_folder


def configure(project: Path, name: str, text: str) -> None:
    (project / ".dvc").mkdir(exist_ok=True)
    (project / ".dvc" / name).write_text(text)


def test_without_settings_it_lies_beside_dvc_s_own_cache(tmp_path: Path) -> None:
    assert store_folder(tmp_path, {}) == tmp_path / ".dvc/domainlm-store"


def test_it_follows_the_cache_folder(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = ../../big/cache\n")
    assert store_folder(tmp_path, {}) == tmp_path.parent / "big/domainlm-store"


def test_config_local_wins(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = here\n    type = hardlink\n")
    configure(tmp_path, "config.local", f"[cache]\n    dir = {tmp_path}/there/cache\n")
    assert dvc_cache_folder(tmp_path) == tmp_path / "there/cache"


def test_config_local_without_a_folder_does_not_hide_the_other(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = here\n")
    configure(tmp_path, "config.local", "['remote \"r\"']\n    access_key = 100%\n")
    assert dvc_cache_folder(tmp_path) == tmp_path / ".dvc/here"


def test_the_variable_overrides(tmp_path: Path) -> None:
    assert store_folder(tmp_path, {"DOMAINLM_STORE": "/elsewhere"}) == Path("/elsewhere")
    assert store_folder(tmp_path, {"DOMAINLM_STORE": "mine"}) == tmp_path / "mine"
    assert store_folder(tmp_path, {"DOMAINLM_STORE": ""}) == tmp_path / ".dvc/domainlm-store"


@pytest.mark.skipif(not (Path(sys.executable).parent / "dvc").exists(), reason="dvc is not installed")
@pytest.mark.parametrize("folder", ["", "../shared/cache"])
def test_dvc_itself_names_the_same_cache(tmp_path: Path, folder: str) -> None:
    dvc = shutil.which("dvc", path=str(Path(sys.executable).parent))
    assert dvc is not None
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=project, check=True)
    if folder:
        subprocess.run([dvc, "cache", "dir", folder, "-q"], cwd=project, check=True)
    found = subprocess.run([dvc, "cache", "dir"], cwd=project, check=True, capture_output=True, text=True)
    assert dvc_cache_folder(project) == Path(project, found.stdout.strip()).resolve()
