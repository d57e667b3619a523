"""One build as a value: what is requested, from which store, how.

In: a stamp, and the manifests of its inputs as they lie in the workspace. Out: a `Build`, whose action and key are
computed once. Every function that builds, looks up or records takes this one value, so nothing can be looked up under
one key and recorded under another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.builder.hollow import is_lost
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.pipeline.table import BY_NAME, Stage
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.late_files import LATE_SECONDS, read_late
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME


@dataclass(frozen=True)
class Build:
    """One requested artifact or shard, with its action and key.

    action: of the stamp and its inputs' digests. is_requested: whether its bytes are wanted; where they are not, a
    remote's record is enough (hollow). may_run: whether the stage is run on a miss (`pull` only fetches what exists).
    """

    project: Path
    stamp: Stamp
    action: dict[str, Any]
    key: str
    store: Store
    resources: Resources
    is_requested: bool = True
    may_run: bool = True

    @property
    def folder(self) -> str:
        """Its folder, relative to the project."""
        return self.stamp.folder

    @property
    def path(self) -> Path:
        return self.project / self.stamp.folder

    @property
    def stage(self) -> Stage:
        return BY_NAME[self.stamp.artifact]

    @property
    def input_digests(self) -> dict[str, str]:
        """Input name -> the tree digest that enters the key."""
        found: dict[str, str] = self.action["inputs"]
        return found

    @property
    def log(self) -> Callable[[str], None]:
        return self.resources.log


def make_build(
    project: Path,
    stamp: Stamp,
    store: Store,
    resources: Resources,
    *,
    is_requested: bool = True,
    may_run: bool = True,
) -> Build:
    """The build of a stamp from the artifacts that are installed now.

    An artifact whose bytes were needed when the remote had only its record is always wanted with its bytes. Raises
    StageError where an input is not built.
    """
    action = action_of(stamp, _input_digests(project, stamp))
    key = action_key(action)
    is_requested = is_requested or is_lost(project, stamp.folder, key)
    return Build(project, stamp, action, key, store, resources, is_requested, may_run)


def _input_digests(project: Path, stamp: Stamp) -> dict[str, str]:
    """Input name -> tree digest.

    A file that another host has just written may become visible late, so this waits before it raises StageError.
    """
    end = time.monotonic() + LATE_SECONDS
    digests = {}
    for name, folder in stamp.inputs.items():
        data = read_late(project / folder / MANIFEST_NAME, end - time.monotonic())
        if data is None:
            raise StageError(
                f"input {folder} of {stamp.artifact} is not built (looked for {LATE_SECONDS:.0f} s); "
                f"run: snakemake --cores all {stamp.artifact}"
            )
        digests[name] = sha256_of(data)
    return digests
