"""Contents of former digests: manifests of outputs, definitions of code.

In: a manifest, or the definitions behind a code digest. Out: `trees/ab/TREE_DIGEST.json` and
`code/ab/CODE_DIGEST.json`, written once, never part of a key. A key holds digests only; without these two folders a
difference could be stated but not explained, once the former output is gone from the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domainlm.store.canonical import canonical_json
from domainlm.store.manifest import Manifest, parse_manifest
from domainlm.store.notes import read_note
from domainlm.store.sharing import make_folder
from domainlm.store.staging import replace_file

TREES, CODE = "trees", "code"


def _path(root: Path, folder: str, digest: str) -> Path:
    return root / folder / digest[:2] / f"{digest}.json"


def _write_once(root: Path, path: Path, data: bytes) -> None:
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    # not there, or torn: what a digest stands for is always the same
    make_folder(root, *path.parent.relative_to(root).parts)
    replace_file(path, data)


def write_tree(root: Path, manifest: Manifest) -> None:
    """Keep a manifest under its tree digest."""
    _write_once(root, _path(root, TREES, manifest.tree_digest), manifest.to_bytes())


def read_tree(root: Path, tree_digest: str) -> Manifest | None:
    """The manifest of a tree digest, or None.

    None if it was not kept, or does not match its name.
    """
    try:
        manifest = parse_manifest(_path(root, TREES, tree_digest).read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return manifest if manifest.tree_digest == tree_digest else None


def write_code(root: Path, code_digest: str, definitions: Mapping[str, Mapping[str, str]]) -> None:
    """Keep the parts of a code digest: file -> definition -> digest."""
    _write_once(root, _path(root, CODE, code_digest), canonical_json(definitions))


def read_code(root: Path, code_digest: str) -> dict[str, dict[str, str]] | None:
    """File -> definition -> digest of a code digest; None if unknown."""
    found = read_note(_path(root, CODE, code_digest))
    if found is None or not all(
        isinstance(parts, dict) and all(isinstance(digest, str) for digest in parts.values())
        for parts in found.values()
    ):
        return None
    return found
