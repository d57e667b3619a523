"""`domainlm doctor`: the fitness of this machine for a build.

In: the project folder and the machine. Out: one `Check` per question, each with its fix. Nothing is changed; two
small files are written and removed to test whether links work. It reports in a second the faults that a build would
report after an hour.
"""

from __future__ import annotations

import configparser
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from domainlm.builder.hollow import hollow_folders
from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.stamps import locked_versions
from domainlm.pipeline.table import STAGES
from domainlm.store.location import dvc_cache_folder, dvc_configuration_files, store_folder
from domainlm.store.remote import RemoteError, open_remote
from domainlm.store.remote_location import exposure, is_for_everybody
from domainlm.store.roots import listed
from domainlm.store.sharing import (
    ENTER,
    FOLDERS,
    SPLIT_FOLDERS,
    StoreRefused,
    check_folders,
    group_bits,
    named_refusal,
    refusal,
)
from domainlm.store.signatures import TRUSTED_VARIABLE
from domainlm.upkeep.cards import examine_cards
from domainlm.upkeep.checkpoint_kinds import checkpoint_kinds
from domainlm.upkeep.hooks import Check, git, missing_hooks, recorded_hollow
from domainlm.upkeep.training_advice import training_checks
from domainlm.wording import bytes_in_words

LOWEST_PYTHON = (3, 11)
# what the default domain leaves in a fresh store, twice
FREE_BYTES = 5_000_000_000
NO_ACTION = "0" * 64


def examine(project: Path, domain: str | None = None) -> list[Check]:
    """Every check, in the order of their repair.

    domain: whose trainings are looked at.
    """
    torch = _torch()
    checks = [_python(), *_packages(project), torch, *(examine_cards(project) if torch.is_ok else ())]
    checks += [_cores(), _memory(), _disk(project)]
    store = _store(project)
    checks += [
        store,
        *(_links(project) if store.is_ok else ()),
        _dvc_links_first(project),
        _remote(project),
        _hooks(project),
    ]
    return [*checks, *checkpoint_kinds(project), *training_checks(project, domain), *recorded_hollow(project)]


def _python() -> Check:
    version = sys.version.split()[0]
    wanted = ".".join(map(str, LOWEST_PYTHON))
    if sys.version_info < LOWEST_PYTHON:
        return Check("Python", False, version, f"{wanted} or newer is needed: make setup PYTHON=python{wanted}")
    return Check("Python", True, version)


def _packages(project: Path) -> Iterator[Check]:
    """The stages' libraries against the lock files.

    Their versions are part of every key.
    """
    try:
        locked = locked_versions(project)
    except ConfigurationError as error:
        yield Check("libraries", False, str(error))
        return
    wrong = []
    for name in sorted({name for stage in STAGES for name in stage.distributions}):
        try:
            found = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            found = "nothing"
        if found != locked.get(name):
            wrong.append(f"{name} {found} instead of {locked.get(name)}")
    if wrong:
        yield Check("libraries", False, ", ".join(wrong), "install the locked ones: make setup")
    else:
        yield Check("libraries", True, "as in the lock files")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", False, str(error), "see docs/how-to/cpu-build.md")
    return Check("torch", True, f"{torch.__version__}, CPU {torch.backends.cpu.get_cpu_capability()}")


def _cores() -> Check:
    return Check(
        "cores", True, str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    )


def _memory() -> Check:
    needed = max(stage.memory_mb for stage in STAGES) * 1_000_000
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return Check("memory", True, "the system does not report it")
    found = f"{bytes_in_words(total)}, the default domain's largest stage asks for {bytes_in_words(needed)}"
    return Check("memory", total >= needed, found, "" if total >= needed else "use a larger machine or a smaller model")


def _existing(path: Path) -> Path:
    """The folder, or the one that it will be made in."""
    # os.path: a folder that may not be entered shows nothing of what is below it
    while not os.path.exists(path):
        path = path.parent
    return path


def _store(project: Path) -> Check:
    """Whether this user may read the store, and write to it.

    Only folders are examined, as a look at every file would take minutes.
    """
    root = store_folder(project)
    try:
        check_folders(root)
        if not os.path.exists(root):
            return Check("store", True, f"{root} is made by the first build")
        if not os.access(root, os.W_OK):
            return Check(
                "store",
                False,
                f"{root} can be read but not written: its results are restored, and no new ones are recorded",
                "make it writable, or set DOMAINLM_STORE to a store that you may write (docs/how-to/share-the-store.md)",
            )
        for folder in (root / name for name in FOLDERS):
            below = listed(folder) if folder.name in SPLIT_FOLDERS else []
            for path in (path for path in (folder, *below) if path.is_dir()):
                if not os.access(path, ENTER | os.W_OK):
                    return Check("store", False, refusal(root, path))
    except StoreRefused as error:
        return Check("store", False, str(error))
    except PermissionError as error:
        return Check("store", False, str(named_refusal(root, error)))
    return Check("store", True, f"{root}, shared with its group" if group_bits(root) else str(root))


def _disk(project: Path) -> Check:
    store = store_folder(project)
    free = shutil.disk_usage(_existing(store)).free
    found = f"{bytes_in_words(free)} free at the store {store}"
    fix = f"a build needs {bytes_in_words(FREE_BYTES)}: domainlm gc, or move the store (docs/how-to/share-the-store.md)"
    return Check("disk", free >= FREE_BYTES, found, "" if free >= FREE_BYTES else fix)


def _links(project: Path) -> Iterator[Check]:
    """Whether store, workspace and DVC's cache can share one copy."""
    store = _existing(store_folder(project))
    for name, folder in (("workspace", project), ("DVC's cache", _existing(dvc_cache_folder(project)))):
        try:
            with tempfile.NamedTemporaryFile(dir=store) as file, tempfile.TemporaryDirectory(dir=folder) as other:
                os.link(file.name, Path(other) / "link")
            yield Check("links", True, f"store and {name} share one copy of the bytes")
        except OSError as error:
            yield Check(
                "links",
                False,
                f"no hardlink from the store {store} to {name} {folder} ({error.strerror})",
                "every artifact is copied; put both on one file system: dvc cache dir --local FOLDER",
            )


def _dvc_links_first(project: Path) -> Check:
    for file in dvc_configuration_files(project):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(file, encoding="utf-8")
        if parser.has_option("cache", "type"):
            kinds = parser.get("cache", "type").strip("\"'")
            if kinds.split(",")[0].strip() == "hardlink":
                return Check("DVC", True, f"cache.type = {kinds}")
            return Check("DVC", False, f"cache.type = {kinds} ({file})", "run: dvc config cache.type hardlink,copy")
    return Check(
        "DVC",
        False,
        "cache.type is not set, so DVC makes copies instead of hardlinks",
        "run: dvc config cache.type hardlink,copy",
    )


def _remote(project: Path) -> Check:
    try:
        remote = open_remote(project)
        if remote is None:
            return Check("remote", True, "none (docs/how-to/remote-cache.md)")
        remote.files.read(f"actions/{NO_ACTION[:2]}/{NO_ACTION}.json")
    except RemoteError as error:
        return Check("remote", False, str(error))
    words, fix = f"{remote.location} answers", ""
    if remote.location.ignored:
        words += f"; not used, as credentials come from the environment: {', '.join(remote.location.ignored)}"
    others = exposure(remote.location) if remote.trusted_keys is None else None
    if others is not None:
        words += f"; its records are accepted unsigned, so {others} can change what is installed from there"
        fix = f"sign what is pushed and set {TRUSTED_VARIABLE} (docs/how-to/remote-cache.md)"
    # a team's own bucket may do without signatures; a folder for everybody may not
    return Check("remote", not (others and is_for_everybody(remote.location)), words, fix)


def _hooks(project: Path) -> Check:
    missing = missing_hooks(project)
    if not missing:
        in_git = git(project, "rev-parse", "--git-dir") is not None
        return Check("git hooks", True, "installed" if in_git else "not needed: no git repository")
    if not _has_remote(project) and not hollow_folders(project):
        return Check("git hooks", True, "not needed: without a remote nothing is hollow")
    found = f"{' and '.join(missing)} missing; nothing prevents a version from recording a hollow artifact"
    return Check("git hooks", False, found, "run: domainlm doctor --install-hooks")


def _has_remote(project: Path) -> bool:
    try:
        return open_remote(project) is not None
    except RemoteError:
        return True
