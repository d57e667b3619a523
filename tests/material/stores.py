"""A key, and a collection of a store in which everything unneeded goes."""

from __future__ import annotations

from pathlib import Path

from domainlm.store.collect import Limits, collect
from domainlm.store.local import Store
from domainlm.upkeep.workspace_needs import find_roots

KEY = "a" * 64


def silent(_: str) -> None:
    return None


def collected(store: Store, project: Path) -> None:
    collect(store, lambda: find_roots(store, project), lambda action: [], Limits(0.0), False, silent)
