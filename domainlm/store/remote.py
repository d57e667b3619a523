"""A remote cache: the action cache and the objects of a store, in a folder, S3, SSH or read-only HTTP.

In: a location. Out: records by action key, objects by digest, each checked on arrival.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from domainlm.store.manifest import Entry, Manifest
from domainlm.store.objects import Objects

REMOTE_VARIABLE = "DOMAINLM_REMOTE"


class RemoteError(Exception):
    """The remote cannot be reached, or holds what cannot be trusted: the message names it and the way round it."""


class Remote:
    """One remote."""

    def action(self, key: str) -> tuple[Manifest, dict[str, Any]] | None:
        """Manifest and action record of a key, or None. Raises RemoteError."""
        raise NotImplementedError

    def fetch(self, entries: Iterable[Entry], objects: Objects, log: Callable[[str], None]) -> int:
        """Put the objects that the remote has into the store, each checked; return the bytes moved. Raises RemoteError."""
        raise NotImplementedError


def open_remote(project: Path, environment: Mapping[str, str] = os.environ) -> Remote | None:
    """The configured remote, or None."""
    return None
