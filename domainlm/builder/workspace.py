"""A workspace that several processes and several hosts use at once.

In: a project folder. Out: one installer at a time; files that another host wrote, waited for; inputs that are checked to
be the same after a stage as before it; what is to be said once per run. A lease is per action key, so it does not keep
two builds of one artifact from two configurations apart: these meet here.
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
from domainlm.store.install import adopt_installed
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, Manifest, read_manifest
from domainlm.store.objects import Objects, is_untouched

INSTALL_LOCK = ".domainlm/install.lock"


@contextmanager
def installing(project: Path) -> Iterator[None]:
    """Alone in changing what is installed: two installs in one folder would leave the one's manifest on the other's files.

    Taken after the store's guard where both are held. It goes with the process that holds it.
    """
    path = project / INSTALL_LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def adopt(folder: Path, manifest: Manifest, objects: Objects, project: Path) -> list[str]:
    """`adopt_installed`, alone; the paths that are wrong, all of them where another manifest is installed by now."""
    with installing(project):
        # without its manifest: that was taken because something is damaged, and the rest may still be sound
        if read_manifest(folder) not in (None, manifest):
            return [entry.path for entry in manifest.entries] or [MANIFEST_NAME]
        return adopt_installed(folder, manifest, objects)


def bring_to_now(files: Iterable[Path]) -> None:
    """Give files whose time lies ahead of the clock the time that it is.

    No decision rests on these times. But Snakemake fails a job whose inputs are newer than its outputs, and would fail each one
    until a clock that was set back has passed the old times. The system sets the time, as it does when Snakemake touches its outputs.
    """
    for path in files:
        with suppress(OSError):
            if path.stat().st_mtime > time.time():
                os.utime(path)


def installations(build: Build) -> dict[str, tuple[int, int]]:
    """By input, inode and time of its record, which every install writes anew and nothing else touches."""
    found = {}
    for name, folder in build.stamp.inputs.items():
        # opened, because that is what makes a network file system ask for it anew
        with suppress(FileNotFoundError), (build.project / folder / ACTION_NAME).open("rb") as file:
            record = os.fstat(file.fileno())
            found[name] = (record.st_ino, record.st_mtime_ns)
    return found


def check_unchanged(build: Build, before: Mapping[str, tuple[int, int]]) -> None:
    """What a stage has read must be what its key names. Raises StageError naming the input that is another one by now.

    before: `installations` before it was read. An input may have been another one meanwhile and be itself again, with the
    same digest and, since these are links, the same files.
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
    try:
        return all(
            is_untouched(folder / entry.path, entry.sha256, entry.size)
            or sha256_of_file(folder / entry.path) == entry.sha256
            for entry in manifest.entries
        )
    except OSError:
        return False


def say_copies(project: Path, store: Path, copied_bytes: int, log: Callable[[str], None]) -> None:
    """Say that files are copied, not linked; once per run."""
    if copied_bytes:
        say_once(
            project,
            "copies_said",
            f"{copied_bytes} bytes were copied, not linked: {project} and the store {store} are on two file systems, or the "
            "store's files have another owner; this holds for every artifact of this run (docs/how-to/share-the-store.md)",
            log,
        )


def say_once(project: Path, name: str, message: str, log: Callable[[str], None]) -> None:
    """Say something once per run, whichever of its processes comes to it first (`forget_said` begins a run)."""
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
