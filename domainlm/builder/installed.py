"""An artifact in its folder, as a value.

In: a project and one of its folders. Out: an `Installed`: the files that the folder should hold, and the action that
produced them. `is_hollow`, `is_installed` and `installed_fault` tell whether the folder does hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store.install import read_installed
from domainlm.store.manifest import Manifest


@dataclass(frozen=True)
class Installed:
    """An installed artifact or shard: its folder, manifest and action record.

    The folder is relative to the project.
    """

    project: Path
    folder: str
    manifest: Manifest
    record: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.project / self.folder

    @property
    def key(self) -> str:
        """The key that the record names.

        It may be any key; `is_record_of` tells whether it is the action's.
        """
        return str(self.record.get("key"))


def installed_in(project: Path, folder: str) -> Installed | None:
    """The installed artifact of a folder, read at one moment.

    Manifest and record belong together. None: an artifact is being installed, or none is there.
    """
    found = read_installed(project / folder)
    return Installed(project, folder, *found) if found is not None else None
