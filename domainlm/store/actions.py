"""The action cache: action key -> manifest of the output.

In: an action (what an artifact is computed from). Out: its key, and the record of the first output seen for it. The
first record stays: a second, different output for one key is kept beside it as an alternative, never in its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.store.canonical import canonical_json, pretty_json, sha256_of
from domainlm.store.manifest import Manifest, make_manifest, parse_manifest

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
        try:
            record = json.loads(self.path(key).read_bytes())
            return parse_manifest(json.dumps(record["manifest"]).encode()), record["action_record"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, manifest: Manifest, action_record: Mapping[str, Any]) -> Manifest:
        """Record an output; return the manifest that counts for the key (the first one)."""
        existing = self.get(key)
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if existing is not None:
            first = existing[0]
            if first.tree_digest == manifest.tree_digest:
                return first
            target = target.with_name(f"{key}.alternative.{manifest.tree_digest[:16]}.json")
        data = pretty_json({"manifest": json.loads(manifest.to_bytes()), "action_record": dict(action_record)})
        staged = target.with_name(f"{target.name}.{os.getpid()}")
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, target)
        return existing[0] if existing is not None else make_manifest(manifest.entries)
