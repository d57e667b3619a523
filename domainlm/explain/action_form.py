"""Whether a former action has the form of a stage's actions.

In: an action out of a workspace's or a store's record, which others may have written. Out: whether it can be compared
field by field. One check here, and none at each of the places that read a row: an action that is broken anywhere is
none that a stage ever had, and is called unreadable as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.pipeline.slices import derived_names

ROWS = ("files", "fetched", "hubs")


def is_readable(action: Mapping[str, Any]) -> bool:
    """Whether inputs, rows of sources and models of an action are whole."""
    inputs, config = action.get("inputs"), action.get("config")
    if not isinstance(inputs, Mapping) or not isinstance(config, Mapping):
        return False
    derived = derived_names(action["artifact"].removesuffix("_shard"))
    return (
        all(isinstance(digest, str) for digest in inputs.values())
        and all(_are_rows(config.get(name)) for name in ROWS)
        and _is_hub(config.get("hub"), config.get("source"))
        and all(_are_models(config[name]) for name in derived if name in config)
    )


def _are_rows(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_row, value)))


def _is_row(row: Any) -> bool:
    if not isinstance(row, Mapping) or not isinstance(row.get("source"), str):
        return False
    # a fetched file has no path before it is there
    is_local = row.get("origin") == "local"
    return not is_local or (isinstance(row.get("path"), str) and isinstance(row.get("size", 0), int))


def _is_hub(hub: Any, labels: Any) -> bool:
    return not hub or (isinstance(hub, Mapping) and isinstance(hub.get("source"), str) and isinstance(labels, Mapping))


def _are_models(value: Any) -> bool:
    """Whether a computed value is a truth, a name, or of models."""
    if isinstance(value, bool | str):
        return True
    models = value if isinstance(value, list) else [value]
    return all(
        isinstance(model, Mapping)
        and isinstance(model.get("name"), str)
        and all(isinstance(model.get(part, 0), str | None) for part in ("checkpoint", "adapter"))
        for model in models
    )
