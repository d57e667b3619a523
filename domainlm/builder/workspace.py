"""A workspace that several processes and several hosts use at once.

In: a project folder. Out: one installer at a time; files that another host wrote, after a wait for them; a check that
inputs are the same after a stage as before it; messages that are printed once per run. A lease is per action key, so it
does not separate two builds of one artifact from two configurations; this module does.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from domainlm.builder.one_build import Build
from domainlm.contract import StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import adopt_installed, extra_files
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.objects import Objects, is_untouched

INSTALL_LOCK = ".domainlm/install.lock"


@contextmanager
def installing(project: Path) -> Iterator[None]:
    """The lock under which one process changes what is installed.

    Two installs in one folder would leave the manifest of one beside the files of the other. The lock is taken after
    the store's guard where both are held. It ends with the process that holds it.
    """
    path = project / INSTALL_LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def adopt(folder: Path, manifest: Manifest, objects: Objects, project: Path) -> list[str]:
    """`adopt_installed` under the lock; returns the paths that are wrong.

    All paths are wrong if another manifest is installed by now. Files that the manifest does not list are removed, as an
    install does: a stage that lists a folder would read them.
    """
    with installing(project):
        # a missing manifest was removed because a file is damaged, and the other files may still be undamaged
        installed = read_manifest(folder)
        if installed not in (None, manifest):
            return [entry.path for entry in manifest.entries] or [MANIFEST_NAME]
        if installed is not None:
            for path in extra_files(folder, manifest):
                path.unlink(missing_ok=True)
        return adopt_installed(folder, manifest, objects)


def bring_to_now(files: Iterable[Path]) -> None:
    """Set files whose time lies in the future to the present time.

    No decision rests on these times. But Snakemake fails a job whose inputs are newer than its outputs, and would fail
    each one until a clock that was set back has passed the old times. The system sets the time, as it does when
    Snakemake touches its outputs.
    """
    for path in files:
        with suppress(OSError):
            if path.stat().st_mtime > time.time():
                os.utime(path)


def installations(build: Build) -> dict[str, tuple[int, int]]:
    """Input -> inode and time of its record.

    Every install writes the record anew, and nothing else touches it.
    """
    found = {}
    for name, folder in build.stamp.inputs.items():
        # opening a file makes a network file system ask for it anew
        with suppress(FileNotFoundError), (build.project / folder / ACTION_NAME).open("rb") as file:
            record = os.fstat(file.fileno())
            found[name] = (record.st_ino, record.st_mtime_ns)
    return found


def check_unchanged(build: Build, before: Mapping[str, tuple[int, int]]) -> None:
    """Check that the inputs are still those that the key names.

    before: `installations` before the stage read them. An input may have been another one in between and be the old one
    again, with the same digest and, since these are links, the same files. Raises StageError, which names the input
    that was replaced.
    """
    after = installations(build)
    for name, folder in build.stamp.inputs.items():
        path = build.project / folder
        manifest = read_manifest(path)
        if (
            manifest is None
            or manifest.tree_digest != build.input_digests[name]
            or before.get(name) != after.get(name)
            or not _has_files(path, manifest)
        ):
            raise changed(folder, build.stamp)


def changed(folder: str, stamp: Stamp) -> StageError:
    return StageError(
        f"input {folder} changed while {stamp.artifact} was built from it (another run in this folder, or an edit), so the "
        "result is dropped; run the same command again when nothing else builds here"
    )


def _has_files(folder: Path, manifest: Manifest) -> bool:
    """Whether the folder holds the manifest's files and no other."""
    try:
        return all(
            is_untouched(folder / entry.path, entry.sha256, entry.size)
            or sha256_of_file(folder / entry.path) == entry.sha256
            for entry in manifest.entries
        ) and not extra_files(folder, manifest)
    except OSError:
        return False


def say_copies(project: Path, store: Path, copied_bytes: int, log: Callable[[str], None]) -> None:
    """Report once per run that files are copied, not linked."""
    if copied_bytes:
        say_once(
            project,
            "copies_said",
            f"{copied_bytes} bytes were copied, not linked: {project} and the store {store} are on two file systems, or the "
            "store's files have another owner; this holds for every artifact of this run (docs/how-to/share-the-store.md)",
            log,
        )


def say_once(project: Path, name: str, message: str, log: Callable[[str], None]) -> None:
    """Log a message once per run, by whichever process is first.

    `forget_said` begins a run.
    """
    path = project / ".domainlm" / name
    path.parent.mkdir(exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return
    log(message)


def forget_said(project: Path) -> None:
    for path in (project / ".domainlm").glob("*_said"):
        path.unlink(missing_ok=True)
