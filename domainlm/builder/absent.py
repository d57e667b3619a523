"""Absent artifacts, and the digests that are known of them.

In: an artifact's folder, its stamp, its action key. Out: whether the folder is absent, and the tree digest that the key
gave before. Somebody may remove an artifact to make room. What was made from it stays up to date, because keys need
digests and no bytes, and a run makes the artifact only if a job reads it or one of its own inputs is made.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.pipeline.stamp import Stamp, read_installed_note
from domainlm.store.local import Store
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME


def is_absent(folder: Path, key: str | None, store: Store) -> bool:
    """Whether a folder has no manifest, and no job lost it."""
    return not (folder / MANIFEST_NAME).exists() and is_removed(folder, key, store)


def is_removed(folder: Path, key: str | None, store: Store) -> bool:
    """Whether a folder without a manifest is absent.

    One whose manifest a job lost while it installed what the store has is not.
    """
    if key is None or not (folder / ACTION_NAME).exists():
        return True
    hit = store.actions.get(key)
    return hit is None or not store.has_all(hit[0])


def digest_elsewhere(project: Path, stamp: Stamp, key: str | None, store: Store) -> str | None:
    """Tree digest that a key gave before.

    It comes from the note of the last install, or from the store's record.
    """
    if key is None:
        return None
    note = read_installed_note(project, stamp)
    if note is not None and note[0] == key:
        return note[1]
    hit = store.actions.get(key)
    return hit[0].tree_digest if hit is not None else None
