"""What former digests stood for: the manifest of a former output, the definitions of former code.

In: a manifest, or the definitions behind a code digest. Out: `trees/ab/TREE_DIGEST.json` and `code/ab/CODE_DIGEST.json`, written
once, never part of a key. A key holds digests only; without these two folders a difference could be stated and not
explained, once the former output is gone from the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domainlm.store.canonical import canonical_json, parse_json
from domainlm.store.manifest import Manifest, parse_manifest
from domainlm.store.staging import replace_file

TREES, CODE = "trees", "code"


def _path(root: Path, folder: str, digest: str) -> Path:
    return root / folder / digest[:2] / f"{digest}.json"


def _write_once(path: Path, data: bytes) -> None:
    if not path.exists():
        replace_file(path, data)


def write_tree(root: Path, manifest: Manifest) -> None:
    """Keep a manifest under its tree digest."""
    _write_once(_path(root, TREES, manifest.tree_digest), manifest.to_bytes())


def read_tree(root: Path, tree_digest: str) -> Manifest | None:
    """The manifest of a tree digest, or None where it was not kept or is not what its name says."""
    try:
        manifest = parse_manifest(_path(root, TREES, tree_digest).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if manifest.tree_digest == tree_digest else None


def write_code(root: Path, code_digest: str, definitions: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what a code digest is made of: file -> definition -> digest."""
    _write_once(_path(root, CODE, code_digest), canonical_json(definitions))


def read_code(root: Path, code_digest: str) -> dict[str, dict[str, str]] | None:
    """File -> definition -> digest of a code digest, or None where it was not kept."""
    try:
        found = parse_json(_path(root, CODE, code_digest).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
