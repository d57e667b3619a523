from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domainlm.store import remote_files
from domainlm.upkeep import doctor
from domainlm.upkeep.doctor import examine
from domainlm.upkeep.hooks import Check


@pytest.fixture
def project(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on a machine on which everything is as it should be."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    shutil.copyfile(repository / ".dvc/config", root / ".dvc/config")
    shutil.copytree(repository / "envs", root / "envs")
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())
    monkeypatch.setattr(doctor, "FREE_BYTES", 1)
    monkeypatch.setattr(doctor, "_memory", lambda: Check("memory", True, "enough"))
    monkeypatch.setattr(doctor, "examine_cards", lambda project: [Check("GPU", True, "none")])
    return root


def problems(project: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(project) if not check.is_ok}


def test_a_fit_machine_has_no_problem_and_nothing_is_left_behind(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert problems(project) == {}
    names = [check.name for check in examine(project)]
    assert names == [
        *("Python", "libraries", "torch", "GPU", "cores", "memory", "disk", "store", "links", "links"),
        *("DVC", "remote", "git hooks", "hollow artifacts"),
    ]
    assert sorted(project.rglob("*")) == before


def test_another_version_than_the_locked_one(project: Path) -> None:
    path = project / "envs/cpu.lock"
    path.write_text(path.read_text().replace("numpy==", "numpy==0."))
    found = problems(project)
    assert list(found) == ["libraries"]
    assert "numpy" in found["libraries"].found


def test_an_old_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOWEST_PYTHON", (9, 9))
    assert list(problems(project)) == ["Python"]


def test_a_full_disk(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    found = problems(project)
    assert list(found) == ["disk"]
    assert "domainlm gc" in found["disk"].fix


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system to try")
def test_a_store_on_another_file_system(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if Path(folder).stat().st_dev == project.stat().st_dev:
            pytest.skip("/dev/shm is no file system of its own")
        monkeypatch.setenv("DOMAINLM_STORE", folder)
        found = [check for check in examine(project) if not check.is_ok]
    assert [check.name for check in found] == ["links", "links"]
    assert "dvc cache dir" in found[0].fix


@pytest.mark.parametrize("kinds", ["reflink,hardlink,copy", None])
def test_dvc_that_does_not_link_first(project: Path, kinds: str | None) -> None:
    text = (project / ".dvc/config").read_text()
    line = '    type = "hardlink,copy"\n'
    assert line in text
    (project / ".dvc/config").write_text(text.replace(line, f"    type = {kinds}\n" if kinds else ""))
    found = problems(project)
    assert list(found) == ["DVC"]
    assert "dvc config cache.type hardlink,copy" in found["DVC"].fix


def test_a_remote_that_does_not_answer_and_hooks_that_are_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "remote"))
    assert list(problems(project)) == ["remote"]
    (tmp_path / "remote").mkdir()
    assert problems(project) == {}
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    found = problems(project)
    assert list(found) == ["git hooks"]
    assert found["git hooks"].fix == "run: domainlm doctor --install-hooks"


def test_secrets_in_dvc_s_files_are_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    with (project / ".dvc/config").open("a") as file:
        file.write(f"['remote \"x\"']\n    url = {tmp_path}/share\n    password = hidden-value\n")
    text = (project / ".dvc/config").read_text()
    (project / ".dvc/config").write_text(text.replace("[core]\n", "[core]\n    remote = x\n"))
    check = next(check for check in examine(project) if check.name == "remote")
    assert check.is_ok
    assert "password" in check.found
    assert "hidden-value" not in check.line()


def test_a_problem_is_the_exit_code(project: Path, tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "domainlm", "doctor", "--hollow"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "ok"), done.stderr


@pytest.mark.parametrize(
    ("closed", "mode", "found"),
    [
        ("", 0o700, "the store"),
        ("actions", 0o700, "mode 0700"),
        ("objects/ab", 0o700, "objects/ab"),
        ("objects/ab", 0o755, "objects/ab"),
        ("", 0o755, "no new ones are recorded"),
    ],
)
def test_a_store_that_is_another_s(
    open_folder: Path, as_nobody: Callable[[Callable[[], Any]], Any], closed: str, mode: int, found: str
) -> None:
    root = open_folder / ".dvc/domainlm-store"
    for name in ("objects/ab", "actions"):
        (root / name).mkdir(parents=True)
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)
    (root / closed).chmod(mode)
    check = as_nobody(lambda: doctor._store(open_folder).as_json())
    assert check["is_ok"] is False
    assert found in check["found"]


def test_a_store_that_a_group_shares_is_named_so(project: Path) -> None:
    (project / ".dvc/domainlm-store").mkdir()
    (project / ".dvc/domainlm-store").chmod(0o2770)
    [check] = [check for check in examine(project) if check.name == "store"]
    assert check.is_ok
    assert check.found.endswith("shared with its group")
