"""The action cache: action key -> manifest of the output.

In: an action (what an artifact is computed from). Out: its key, and the record of the first output seen for it. The
first record stays: a second, different output for one key is kept beside it as an alternative, never in its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from domainlm.store.canonical import canonical_json, pretty_json, sha256_of
from domainlm.store.manifest import Manifest, make_manifest, parse_manifest
from domainlm.store.sharing import make_folder
from domainlm.store.staging import staged_path, where_permitted, write_whole
from domainlm.store.trees import write_tree

SCHEMA_VERSION = 1


def make_action(
    artifact: str,
    code_digest: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    distributions: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that an output may depend on. inputs: input name -> tree digest."""
    return {
        "schema": SCHEMA_VERSION,
        "artifact": artifact,
        "code": code_digest,
        "config": dict(config),
        "inputs": dict(inputs),
        "distributions": dict(distributions),
    }


def action_key(action: Mapping[str, Any]) -> str:
    return sha256_of(canonical_json(action))


class ActionCache:
    """The records of one store, one JSON file per key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        return self.root / "actions" / key[:2] / f"{key}.json"

    def get(self, key: str) -> tuple[Manifest, dict[str, Any]] | None:
        """Manifest and action record for a key, or None. A torn record counts as none."""
        return _read(self.path(key))

    def alternatives(self, key: str) -> list[tuple[Manifest, dict[str, Any]]]:
        """Other outputs that were seen for a key, with their action records, in a fixed order."""
        found = []
        for path in sorted(self.path(key).parent.glob(f"{key}.alternative.*.json")):
            record = _read(path)
            if record is not None:
                found.append(record)
        return found

    def put(self, key: str, manifest: Manifest, action_record: Mapping[str, Any]) -> Manifest:
        """Record an output; return the manifest that counts for the key (the first one)."""
        write_tree(self.root, manifest)
        existing = self.get(key)
        target = self.path(key)
        make_folder(self.root, "actions", key[:2])
        if existing is not None:
            first = existing[0]
            if first.tree_digest == manifest.tree_digest:
                return first
            target = target.with_name(f"{key}.alternative.{manifest.tree_digest[:16]}.json")
        data = pretty_json({"manifest": json.loads(manifest.to_bytes()), "action_record": dict(action_record)})
        with staged_path(self.root, key[:16]) as staged:
            write_whole(target, data, staged)
        return existing[0] if existing is not None else make_manifest(manifest.entries)

    def mark_used(self, key: str) -> None:
        """Set a record's time to now: a collection takes what was not used for long. Another owner's stays as it is."""
        with suppress(FileNotFoundError), where_permitted():
            os.utime(self.path(key))


def _read(path: Path) -> tuple[Manifest, dict[str, Any]] | None:
    try:
        record = json.loads(path.read_bytes())
        return parse_manifest(json.dumps(record["manifest"]).encode()), record["action_record"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
