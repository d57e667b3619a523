"""An artifact in its folder, as a value.

In: a project and a folder of it. Out: an `Installed`: what the folder should hold, and which action that is the output of. Whether
the folder does hold it is asked elsewhere: `is_hollow`, `is_installed`, `installed_fault`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.install import read_installed
from domainlm.store.manifest import Manifest


@dataclass(frozen=True)
class Installed:
    """An artifact or shard in its folder (relative to the project): its manifest, and the action record beside it."""

    project: Path
    folder: str
    manifest: Manifest
    record: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.project / self.folder

    @property
    def key(self) -> str:
        """The key that the record names, which may be any; `is_record_of` says whether it is the action's."""
        return str(self.record.get("key"))


def installed_in(project: Path, folder: str) -> Installed | None:
    """What lies in a folder, manifest and record of one moment. None where one is being installed."""
    found = read_installed(project / folder)
    return Installed(project, folder, *found) if found is not None else None
