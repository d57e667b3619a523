"""Repair of a store from the artifacts of a workspace.

In: installed artifacts. Out: objects and records that are sound in the workspace and were missing in the store
(quarantined, collected, removed with it). A build would take them from there as well, but `dvc repro` removes a
stage's folder before it runs the stage, and then the last sound copy is gone and a model is trained again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domainlm.builder.origins import read_origin
from domainlm.builder.workspace import installing
from domainlm.store.actions import is_record_of
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import read_installed
from domainlm.store.local import Store
from domainlm.store.manifest import Entry
from domainlm.store.staging import where_permitted


@dataclass(frozen=True)
class GivenBack:
    """The restored objects and records.

    records: folders, relative to the project, whose record the store lacked.
    """

    objects: int = 0
    bytes: int = 0
    records: tuple[str, ...] = ()

    def in_words(self) -> str | None:
        if not self.objects and not self.records:
            return None
        return (
            f"{self.objects} objects and {len(self.records)} records that the store had lost were restored to it from "
            "installed artifacts"
        )


def give_back(project: Path, folders: Iterable[Path], store: Store) -> GivenBack:
    """Restore the missing parts of installed artifacts to the store.

    A file is hashed first, and a damaged one is skipped. Nothing happens to a store that this user may not write.
    """
    objects, size, records = 0, 0, []
    for folder in folders:
        with store.guard(), installing(project), where_permitted():
            installed = read_installed(folder)
            if installed is None:
                continue
            manifest, record = installed
            for entry in manifest.entries:
                if not store.objects.path(entry.sha256).exists() and _is_sound(folder / entry.path, entry):
                    store.objects.adopt(folder / entry.path, entry.sha256)
                    objects, size = objects + 1, size + entry.size
            key = record.get("key")
            if is_record_of(record, str(key)) and store.actions.find(str(key)) is None and store.has_all(manifest):
                name = folder.relative_to(project).as_posix()
                store.actions.put_wrong_aside(str(key))
                store.actions.put(str(key), manifest, record, read_origin(project, name, str(key)))
                records.append(name)
    return GivenBack(objects, size, tuple(records))


def _is_sound(path: Path, entry: Entry) -> bool:
    try:
        return not path.is_symlink() and path.stat().st_size == entry.size and sha256_of_file(path) == entry.sha256
    except OSError:
        return False
