"""Figures of a whole artifact from those of its shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def summed(values: Iterable[Any]) -> Any:
    """The figures of all shards: numbers added, mappings added key by key."""
    total: Any = None
    for value in values:
        if total is None:
            total = {key: summed([item]) for key, item in value.items()} if isinstance(value, Mapping) else value
        elif isinstance(value, Mapping):
            for key, item in value.items():
                total[key] = summed([total[key], item]) if key in total else summed([item])
        else:
            total = total + value
    return total
