"""The guard, over dvc.lock files and a DVC cache written by hand; tests/pipeline/test_remote.py has the real ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from domainlm.contract import StageError
from domainlm.store.canonical import sha256_of
from domainlm.store.manifest import Entry, make_manifest
from domainlm.upkeep.hooks import HOOKS, install_hooks, missing_hooks, recorded_hollow, versions_of_hook


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def keep(project: Path, digest: str, data: bytes) -> str:
    path = project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest


def lock(project: Path, *present: str, name: str = "dvc.lock") -> Path:
    """A dvc.lock whose one folder has a manifest of a.txt and b.txt, and of these the files named."""
    manifest = make_manifest([Entry(path, sha256_of(path.encode()), 1) for path in ("a.txt", "b.txt")])
    rows = [{"relpath": "manifest.json", "md5": keep(project, "1" * 32, manifest.to_bytes())}]
    rows += [{"relpath": path, "md5": "2" * 32} for path in present]
    listing = keep(project, f"{len(present)}" * 32 + ".dir", json.dumps(rows).encode())
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    out = f"    - path: artifacts/tiny/documents\n      md5: {listing}\n      nfiles: {len(rows)}\n"
    path.write_text(f"schema: '2.0'\nstages:\n  documents:\n    cmd: snakemake\n    outs:\n{out}")
    return path


def wrong(project: Path) -> list[str]:
    return [check.found for check in recorded_hollow(project) if not check.is_ok]


def test_a_whole_folder_and_no_lock_are_fine(project: Path) -> None:
    assert wrong(project) == []
    lock(project, "a.txt", "b.txt")
    assert wrong(project) == []


@pytest.mark.parametrize("present", [(), ("a.txt",)])
def test_a_folder_that_lacks_files_of_its_manifest_is_named(project: Path, present: tuple[str, ...]) -> None:
    lock(project, *present)
    assert wrong(project) == ["dvc.lock (workspace) records artifacts/tiny/documents without its files"]
    fix = recorded_hollow(project)[0].fix
    assert "domainlm pull documents --domain tiny" in fix
    assert "dvc commit -f dvc.yaml" in fix


def test_the_index_and_the_last_commit_count_as_well_as_the_workspace(project: Path) -> None:
    path = lock(project, name="domains/tiny/dvc.lock")
    subprocess.run(["git", "add", str(path)], cwd=project, check=True)
    lock(project, "a.txt", "b.txt", name="domains/tiny/dvc.lock")
    assert wrong(project) == ["domains/tiny/dvc.lock (index) records artifacts/tiny/documents without its files"]
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, "commit", "-qm", "x"], cwd=project, check=True)
    assert wrong(project) == [
        "domains/tiny/dvc.lock (index and last commit) records artifacts/tiny/documents without its files"
    ]


def test_a_commit_is_judged_by_the_index_and_a_push_by_what_is_pushed(project: Path) -> None:
    subprocess.run(["git", "add", str(lock(project))], cwd=project, check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, "commit", "-qm", "x"], cwd=project, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    pushed = f"refs/heads/a {head.stdout.strip()} refs/heads/b {'0' * 40}\n"
    subprocess.run(["git", "add", str(lock(project, "a.txt", "b.txt"))], cwd=project, check=True)
    # the commit that mends it goes through, the one that holds it does not leave
    assert [check.is_ok for check in recorded_hollow(project, versions_of_hook("pre-commit", ""))] == [True]
    assert [check.is_ok for check in recorded_hollow(project, versions_of_hook("pre-push", pushed))] == [False]
    deleted = f"(delete) {'0' * 40} refs/heads/b {head.stdout.strip()}\n"
    assert [check.is_ok for check in recorded_hollow(project, versions_of_hook("pre-push", deleted))] == [True]


def test_what_dvc_s_cache_does_not_list_is_not_judged(project: Path) -> None:
    lock(project)
    for path in (project / ".dvc/cache/files/md5").rglob("*.dir"):
        path.unlink()
    assert wrong(project) == []


def test_hooks_are_installed_once_and_keep_what_was_there(project: Path) -> None:
    folder = project / ".git/hooks"
    folder.mkdir(exist_ok=True)
    (folder / "pre-push").write_text("#!/bin/sh\necho dvc\n")
    assert missing_hooks(project) == list(HOOKS)
    assert install_hooks(project) == [folder / name for name in HOOKS]
    assert install_hooks(project) == [folder / name for name in HOOKS]
    assert missing_hooks(project) == []
    assert (folder / "pre-push.before-domainlm").read_text() == "#!/bin/sh\necho dvc\n"
    assert all((folder / name).stat().st_mode & 0o111 for name in HOOKS)


def test_a_second_foreign_hook_is_not_overwritten(project: Path) -> None:
    install_hooks(project)
    folder = project / ".git/hooks"
    (folder / "pre-commit.before-domainlm").write_text("one")
    (folder / "pre-commit").write_text("two")
    with pytest.raises(StageError, match="join them into one"):
        install_hooks(project)
    assert ((folder / "pre-commit.before-domainlm").read_text(), (folder / "pre-commit").read_text()) == ("one", "two")


def test_outside_git_there_is_nothing_to_guard(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no git repository"):
        install_hooks(tmp_path)
