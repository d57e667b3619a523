"""Former versions of artifacts: their records, by tree digest.

In: the workspace, the store, builds.jsonl. Out: manifest and action record of an artifact's version by its tree
digest, and the action of the previous build. A tree digest alone does not lead to the action that gave it (several
may), so the rows of builds.jsonl provide the key from which this workspace got it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.builder.hollow import is_hollow
from domainlm.pipeline.places import BUILDS_FILE, artifact_folder
from domainlm.store.install import read_record
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest, read_manifest
from domainlm.store.notes import has_kinds, has_shard, parse_note
from domainlm.store.trees import read_tree


@dataclass(frozen=True)
class Version:
    """The records of one version of an artifact or shard.

    None stands for the whole artifact.
    """

    shard: str | None
    manifest: Manifest | None
    record: Mapping[str, Any] | None
    is_hollow: bool = False

    @property
    def action(self) -> Mapping[str, Any] | None:
        return self.record["action"] if self.record is not None else None


def read_builds(project: Path) -> list[dict[str, Any]]:
    """Rows of builds.jsonl, oldest first.

    A line that is torn, binary, or of another kind is skipped.
    """
    path = project / BUILDS_FILE
    # split as bytes: text has line ends of its own (U+2028) that may stand in a row
    rows = map(parse_note, path.read_bytes().split(b"\n") if path.exists() else [])
    return [row for row in rows if row is not None and _is_build_row(row)]


def _is_build_row(row: Mapping[str, Any]) -> bool:
    """Whether a row names its artifact and outcome.

    A failed build has no key and no digest.
    """
    texts = ["domain", "artifact", "outcome", "why", "time", *(name for name in ("key", "tree_digest") if name in row)]
    return has_kinds(row, texts) and has_shard(row) and ("key" in row or "tree_digest" not in row)


class Former:
    """Records of installed artifacts, and of this workspace's earlier builds."""

    def __init__(self, project: Path, store: Store) -> None:
        self.project = project
        self.store = store
        self.rows = read_builds(project)
        self._keys = {
            (row["domain"], row["artifact"], row["shard"], row["tree_digest"]): row["key"]
            for row in self.rows
            if "tree_digest" in row
        }

    def find(self, domain: str, artifact: str, shard: str | None, tree_digest: str | None) -> Version:
        """The version with this content (None: the installed one).

        It has no record if none is kept.
        """
        folder = artifact_folder(domain, artifact, shard)
        manifest, record = read_manifest(self.project / folder), read_record(self.project / folder)
        if manifest is not None and record is not None and tree_digest in (None, manifest.tree_digest):
            return Version(shard, manifest, record, is_hollow(self.project, folder, record["key"]))
        if tree_digest is None:
            return Version(shard, None, None)
        key = self._keys.get((domain, artifact, shard, tree_digest))
        hit = self.store.actions.get(key) if key is not None else None
        if hit is None or hit[0].tree_digest != tree_digest:
            return Version(shard, read_tree(self.store.root, tree_digest), None)
        return Version(shard, *hit)

    def before(self, domain: str, artifact: str, shard: str | None, key: str) -> Mapping[str, Any] | None:
        """The action of the last build of another key, or None.

        None if there was no such build, or its record is not kept.
        """
        for row in reversed(self.rows):
            if (row["domain"], row["artifact"], row["shard"]) == (domain, artifact, shard) and row.get(
                "key", key
            ) != key:
                hit = self.store.actions.get(row["key"])
                return hit[1]["action"] if hit is not None else None
        return None
