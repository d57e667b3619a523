from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domainlm.store.location import dvc_cache_folder, experiment_origin, store_folder

# nothing of this user's or machine's own DVC
ALONE = {"DVC_GLOBAL_CONFIG_DIR": "/nowhere", "DVC_SYSTEM_CONFIG_DIR": "/nowhere"}


def configure(project: Path, name: str, text: str) -> None:
    (project / ".dvc").mkdir(exist_ok=True, parents=True)
    (project / ".dvc" / name).write_text(text)


def test_without_settings_it_lies_beside_dvc_s_own_cache(tmp_path: Path) -> None:
    assert store_folder(tmp_path, ALONE) == tmp_path / ".dvc/domainlm-store"


def test_it_follows_the_cache_folder(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = ../../big/cache\n")
    assert store_folder(tmp_path, ALONE) == tmp_path.parent / "big/domainlm-store"


def test_config_local_wins(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = here\n    type = hardlink\n")
    configure(tmp_path, "config.local", f"[cache]\n    dir = {tmp_path}/there/cache\n")
    assert dvc_cache_folder(tmp_path, ALONE) == tmp_path / "there/cache"


def test_config_local_without_a_folder_does_not_hide_the_other(tmp_path: Path) -> None:
    configure(tmp_path, "config", "[cache]\n    dir = here\n")
    configure(tmp_path, "config.local", "['remote \"r\"']\n    access_key = 100%\n")
    assert dvc_cache_folder(tmp_path, ALONE) == tmp_path / ".dvc/here"


def test_the_variable_overrides(tmp_path: Path) -> None:
    assert store_folder(tmp_path, {**ALONE, "DOMAINLM_STORE": "/elsewhere"}) == Path("/elsewhere")
    assert store_folder(tmp_path, {**ALONE, "DOMAINLM_STORE": "mine"}) == tmp_path / "mine"
    assert store_folder(tmp_path, {**ALONE, "DOMAINLM_STORE": ""}) == tmp_path / ".dvc/domainlm-store"


@pytest.mark.parametrize("level", ["DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"])
def test_the_user_s_and_the_machine_s_settings_count_last(tmp_path: Path, level: str) -> None:
    configure(tmp_path / "home", "config", "[cache]\n    dir = ../cache\n")
    environment = {**ALONE, level: str(tmp_path / "home/.dvc")}
    project = tmp_path / "project"
    assert store_folder(project, environment) == tmp_path / "home/domainlm-store"
    configure(project, "config", "[cache]\n    dir = own\n")
    assert store_folder(project, environment) == project / ".dvc/domainlm-store"


def test_an_experiment_s_workspace_knows_the_project_that_started_it(tmp_path: Path) -> None:
    for workspace in ("standalone/tmp1", "tmp2", "tmp2/below"):
        path = tmp_path / "project/.dvc/tmp/exps" / workspace
        assert experiment_origin(path) == tmp_path / "project"
        assert store_folder(path, {**ALONE, "DOMAINLM_STORE": "mine"}) == tmp_path / "project/mine"
    assert experiment_origin(tmp_path / "project") is None


@pytest.mark.skipif(not (Path(sys.executable).parent / "dvc").exists(), reason="dvc is not installed")
@pytest.mark.parametrize(
    ("folder", "level"), [("", []), ("../shared/cache", []), ("../a, b/cache", ["--local"]), ("~/cache", ["--global"])]
)
def test_dvc_itself_names_the_same_cache(
    tmp_path: Path, folder: str, level: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    dvc = shutil.which("dvc", path=str(Path(sys.executable).parent))
    assert dvc is not None
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=project, check=True)
    if folder:
        subprocess.run([dvc, "cache", "dir", *level, folder, "-q"], cwd=project, check=True)
    found = subprocess.run([dvc, "cache", "dir"], cwd=project, check=True, capture_output=True, text=True)
    assert dvc_cache_folder(project) == Path(project, found.stdout.strip()).resolve()
