"""A stamp: the description of one build, with its paths.

In: the file that a run's main process wrote (`domainlm/pipeline/stamps.py`). Out: a `Stamp`, the action that it asks
for, and the note of what was installed. A build only reads a stamp, so this module is separate from the one that makes
them: a build loads neither the configuration models nor the listing of sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.store.actions import make_action
from domainlm.store.canonical import canonical_json
from domainlm.store.late_files import read_late
from domainlm.store.notes import has_kinds, parse_note, read_note
from domainlm.store.staging import replace_file


@dataclass(frozen=True)
class Stamp:
    """One build, ready to run.

    Paths are relative to the project. shard: its number as text, or None for a whole artifact. roots (source -> local
    file or folder): the places of raw bytes; they are not part of the action key, their digests are.
    """

    domain: str
    artifact: str
    shard: str | None
    folder: str
    inputs: dict[str, str]
    code_digest: str
    config: dict[str, Any]
    distributions: dict[str, str]
    roots: dict[str, str] = field(default_factory=dict)
    is_gather: bool = False
    uses_torch: bool = False


def parse_stamp(data: bytes) -> Stamp | None:
    """The stamp that a file holds.

    None: the file is torn, or of another version of this package.
    """
    try:
        return Stamp(**(parse_note(data) or {}))
    except TypeError:
        return None


def action_of(stamp: Stamp, input_digests: Mapping[str, str]) -> dict[str, Any]:
    """The action that a stamp asks for.

    input_digests: input name -> tree digest of the installed artifact.
    """
    name = f"{stamp.artifact}{'_shard' if stamp.shard is not None else ''}"
    return make_action(name, stamp.code_digest, stamp.config, input_digests, stamp.distributions)


def _installed_note(project: Path, stamp: Stamp) -> Path:
    name = f"{stamp.artifact}{f'.{stamp.shard}' if stamp.shard else ''}"
    return project / ".domainlm" / "installed" / stamp.domain / name


def read_installed_note(project: Path, stamp: Stamp) -> tuple[str, str] | None:
    """Key and tree digest that the last build installed here.

    The folder may hold another artifact by now. None: there is no note.
    """
    row = read_note(_installed_note(project, stamp)) or {}
    return (row["key"], row["tree_digest"]) if has_kinds(row, ("key", "tree_digest")) else None


def note_installed(project: Path, stamp: Stamp, key: str, tree_digest: str) -> None:
    """Note the tree digest that a key gave.

    Artifacts that were made from it stay up to date when its own files are removed to make room.
    """
    if read_installed_note(project, stamp) != (key, tree_digest):
        replace_file(_installed_note(project, stamp), canonical_json({"key": key, "tree_digest": tree_digest}))


def read_stamp(path: Path) -> Stamp:
    """The stamp of a file.

    Raises StageError where the file does not exist or cannot be read.
    """
    data = read_late(path)
    stamp = parse_stamp(data) if data is not None else None
    if stamp is None:
        wrong = "does not exist" if data is None else "is torn, or of another version"
        raise StageError(f"stamp {path} {wrong}; run snakemake, which writes it")
    return stamp
