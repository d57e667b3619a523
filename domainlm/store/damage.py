"""The other names (hardlinks) of a damaged file.

In: files in quarantine, the projects that use the store. Out: the other names of the same inode. An installed
artifact, the store and DVC's cache are hardlinks to one inode, so damage reaches all of them at once. A build repairs
the installed file, by rename. It cannot repair DVC's entry: `dvc checkout` would install it again, so the entry is
removed from DVC's cache (its bytes stay in quarantine), and DVC reports "not in cache" instead of serving it.

The names are found by walking the folders, because a file does not know its names. This happens only after damage.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domainlm.store.location import dvc_cache_folder
from domainlm.store.roots import find_workspaces

ARTIFACTS_FOLDER = "artifacts"
Inode = tuple[int, int]


@dataclass(frozen=True)
class Links:
    """Other names of one damaged inode.

    dvc_cache: removed from DVC's cache. dvc_kept: could not be removed (another owner). unknown: further names that
    were not found.
    """

    installed: tuple[str, ...] = ()
    dvc_cache: tuple[str, ...] = ()
    dvc_kept: tuple[str, ...] = ()
    unknown: int = 0


def projects_of(root: Path, project: Path) -> list[Path]:
    """This project, and all readable workspaces that use the store."""
    return sorted({project.resolve(), *find_workspaces(root).there})


def remove_from_dvc(kept: Iterable[Path], projects: Iterable[Path]) -> dict[Path, Links]:
    """Find the other names of quarantined files; remove those in DVC's caches.

    kept: files in quarantine.
    """
    places = {path: _inode(path.stat()) for path in kept if path.exists()}
    shared = {inode for path, inode in places.items() if path.stat().st_nlink > 1}
    installed: dict[Inode, list[str]] = {inode: [] for inode in places.values()}
    removed: dict[Inode, list[str]] = {inode: [] for inode in places.values()}
    refused: dict[Inode, list[str]] = {inode: [] for inode in places.values()}
    if shared:
        folders = sorted(projects)
        for project in folders:
            for path, inode in _names(project / ARTIFACTS_FOLDER, shared):
                installed[inode].append(str(path))
        for cache in sorted({dvc_cache_folder(project) for project in folders}):
            for path, inode in _names(cache, shared):
                try:
                    path.unlink(missing_ok=True)
                    removed[inode].append(str(path))
                except OSError as error:
                    if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                        raise
                    refused[inode].append(str(path))
    links = {}
    for path, inode in places.items():
        # one name is the quarantine's
        unknown = path.stat().st_nlink - 1 - len(installed[inode]) - len(refused[inode])
        links[path] = Links(
            tuple(sorted(installed[inode])),
            tuple(sorted(removed[inode])),
            tuple(sorted(refused[inode])),
            max(0, unknown),
        )
    return links


def _inode(found: os.stat_result) -> Inode:
    return found.st_dev, found.st_ino


def _names(folder: Path, inodes: set[Inode]) -> Iterator[tuple[Path, Inode]]:
    """Every name below a folder of one of the inodes."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            with suppress(FileNotFoundError):
                inode = _inode(path.lstat())
                if inode in inodes:
                    yield path, inode


def describe_links(links: Links) -> list[str]:
    """A report on a damaged object's other names, with the fix."""
    said = []
    if links.installed:
        said.append(f"installed as {', '.join(links.installed)}: the next run of snakemake there repairs it")
    if links.dvc_cache:
        said.append(
            f"removed from DVC's cache ({', '.join(links.dvc_cache)}), from where dvc checkout would install it; "
            "dvc repro or dvc fetch restores it"
        )
    if links.dvc_kept:
        said.append(
            f"damaged in DVC's cache, where this user may not remove it: {', '.join(links.dvc_kept)}; remove it there"
        )
    if links.unknown:
        said.append(
            f"{links.unknown} further links were not found: they are in workspaces that have built nothing with this store yet, or "
            "that this user may not read"
        )
    return said
