"""The guard: no hollow artifact in a version.

In: a project's dvc.lock files, as they are in the workspace, in git's index and in commits. Out: a `Check` for each
recorded folder whose listing lacks files of its own manifest: `dvc commit -f` silently records a hollow artifact in
this way. DVC's records are judged, not the present workspace, because filling the folder later does not repair the
version. It also installs git hooks that refuse such a commit or push.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from domainlm.contract import StageError
from domainlm.store.location import dvc_cache_folder
from domainlm.store.manifest import MANIFEST_NAME, parse_manifest

HOOKS = ("pre-commit", "pre-push")
MARK = "# domainlm doctor --install-hooks"
KEPT_SUFFIX = ".before-domainlm"
HOOK = """\
#!/bin/sh
{mark}: no hollow artifact in a version (docs/how-to/remote-cache.md)
given=$([ "{name}" = pre-push ] && cat)
printf '%s\\n' "$given" | {python} -m domainlm doctor --hollow --hook {name} || exit 1
kept="$0{suffix}"
if [ -x "$kept" ]; then
    printf '%s\\n' "$given" | "$kept" "$@"
fi
"""
NO_COMMIT = "0" * 40
Version = tuple[str, str | None]


@dataclass(frozen=True)
class Check:
    """One finding. fix: the remedy if it is not ok.

    is_warning: nothing is wrong, and a person should look at it.
    """

    name: str
    is_ok: bool
    found: str
    fix: str = ""
    is_warning: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        state = "PROBLEM" if not self.is_ok else "warning" if self.is_warning else "ok     "
        return f"{state}  {self.name}: {self.found}{f'; {self.fix}' if self.fix else ''}"


def git(project: Path, *arguments: str) -> bytes | None:
    """The output of a git command; None if it failed.

    It also fails if git is not installed.
    """
    try:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=project, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


# what is said of a version, and what git calls it before a path; the workspace is not git's
WORKSPACE: Version = ("workspace", None)
INDEX: Version = ("index", "")
LAST_COMMIT: Version = ("last commit", "HEAD")


def versions_of_hook(hook: str, given: str) -> list[Version]:
    """The versions that a hook examines.

    A commit examines the index, a push the commits that git names on the hook's input.
    """
    if hook == "pre-commit":
        return [INDEX]
    commits = [line.split()[1] for line in given.splitlines() if len(line.split()) == 4]
    return [(f"commit {commit[:12]}", commit) for commit in commits if commit != NO_COMMIT]


def recorded_hollow(project: Path, versions: Iterable[Version] = (WORKSPACE, INDEX, LAST_COMMIT)) -> list[Check]:
    """A failed check for every hollow folder in a dvc.lock.

    If there is none, it is one check that passed.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for version, name, text in _lock_files(project, versions):
        for path, digest in _folders(text):
            listing = _listing(project, digest)
            missing = _missing(project, listing) if listing is not None else []
            if missing:
                found.setdefault((name, path), []).append(version)
    checks = []
    for (name, path), places in sorted(found.items()):
        where = " and ".join(places)
        domain, artifact = path.split("/")[-2:]
        file = name.removesuffix(".lock")
        fix = f"fill it and record it again: domainlm pull {artifact} --domain {domain} && dvc commit -f {file}.yaml"
        checks.append(Check("hollow artifact", False, f"{name} ({where}) records {path} without its files", fix))
    return checks or [Check("hollow artifacts", True, "no dvc.lock records one")]


def _lock_files(project: Path, versions: Iterable[Version]) -> Iterator[tuple[str, str, str]]:
    """(version, path, text) of every dvc.lock in these versions."""
    names = ["dvc.lock", *sorted(f"domains/{path.name}/dvc.lock" for path in (project / "domains").glob("*"))]
    for said, revision in versions:
        for name in names:
            if revision is None:
                file = project / name
                data = file.read_bytes() if file.is_file() else None
            else:
                # "./": relative to this folder, which need not be the repository's top
                data = git(project, "show", f"{revision}:./{name}")
            if data is not None:
                yield said, name, data.decode("utf-8", "replace")


def _folders(text: str) -> Iterator[tuple[str, str]]:
    """(path, digest) of every folder among the outputs of a dvc.lock."""
    try:
        stages = (yaml.safe_load(text) or {}).get("stages", {})
    except yaml.YAMLError:
        # in the middle of a merge: DVC itself will say so
        return
    for stage in stages.values():
        for out in stage.get("outs", []):
            if str(out.get("md5", "")).endswith(".dir"):
                yield out["path"], out["md5"]


def _object(project: Path, digest: str) -> bytes | None:
    try:
        return (dvc_cache_folder(project) / "files/md5" / digest[:2] / digest[2:]).read_bytes()
    except OSError:
        return None


def _listing(project: Path, digest: str) -> dict[str, str] | None:
    """Files of a folder as DVC recorded it, path -> digest.

    None if its listing is not in DVC's cache here.
    """
    data = _object(project, digest)
    return {row["relpath"]: row["md5"] for row in json.loads(data)} if data is not None else None


def _missing(project: Path, listing: dict[str, str]) -> list[str]:
    """Files in a recorded folder's own manifest that the folder lacks."""
    data = _object(project, listing.get(MANIFEST_NAME, ""))
    if data is None:
        return []
    try:
        manifest = parse_manifest(data)
    except (ValueError, KeyError, TypeError):
        return []
    return [entry.path for entry in manifest.entries if entry.path not in listing]


def hooks_folder(project: Path) -> Path | None:
    """Folder of git's hooks, or None outside a git repository."""
    found = git(project, "rev-parse", "--git-path", "hooks")
    return project / found.decode().strip() if found is not None else None


def missing_hooks(project: Path) -> list[str]:
    folder = hooks_folder(project)
    if folder is None:
        return []
    return [name for name in HOOKS if not _is_ours(folder / name)]


def _is_ours(path: Path) -> bool:
    return path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")


def install_hooks(project: Path) -> list[Path]:
    """Install the hooks.

    An existing hook (DVC's own, for example) is kept and runs after ours. Raises StageError.
    """
    folder = hooks_folder(project)
    if folder is None:
        raise StageError(f"{project} is in no git repository, so there is nothing to guard; run: git init")
    folder.mkdir(parents=True, exist_ok=True)
    installed = []
    for name in HOOKS:
        path, kept = folder / name, folder / f"{name}{KEPT_SUFFIX}"
        if path.exists() and not _is_ours(path):
            if kept.exists():
                raise StageError(
                    f"{path} and {kept} are both other tools' hooks; join them into one and run this again"
                )
            path.rename(kept)
        text = HOOK.format(mark=MARK, name=name, python=shlex.quote(sys.executable), suffix=KEPT_SUFFIX)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        installed.append(path)
    return installed
