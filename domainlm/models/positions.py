"""The rows that a model's positions allow.

In: a checkpoint's config.json, the length of a row. Out: nothing, or StageError. Beyond its positions a model was not
trained, or has no row in a table; and where the rotation depends on the longest document of a row (longrope, dynamic),
a document beyond the original length changes its neighbours: packed in a row, they would be computed otherwise than
alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.contract import StageError

POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
# rotations that transformers computes from the longest position of a batch
BY_LENGTH = ("longrope", "su", "dynamic")


def check_row_length(base: Path, sequence_length: int, key: str) -> None:
    """Raise StageError for rows longer than the model's positions; key: the knob."""
    limit = max_row_tokens(json.loads((base / "config.json").read_text(encoding="utf-8")))
    if limit is not None and sequence_length > limit[0]:
        raise StageError(
            f"{key} is {sequence_length}, and the base model has {limit[0]} positions ({limit[1]} in config.json); expected rows"
            f" that are no longer: set {key} to {limit[0]} or less, or choose another model in sources.<base_model>"
        )


def max_row_tokens(config: Mapping[str, Any]) -> tuple[int, str] | None:
    """The most tokens of a row, and what says so; or None."""
    text = config.get("text_config")
    config = text if isinstance(text, Mapping) else config
    # -1 is none
    found = [(config[name], name) for name in POSITIONS if isinstance(config.get(name), int) and config[name] > 0]
    for rope in _rotations(config):
        kind = rope.get("rope_type", rope.get("type"))
        if kind in BY_LENGTH:
            name = "original_max_position_embeddings"
            original = rope.get(name, config.get(name))
            found += (
                [(original, f"{name}, as {kind} counts the longest document,")] if isinstance(original, int) else []
            )
    return min(found, default=None)


def _rotations(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("rope_scaling", "rope_parameters"):
        found = values.get(key)
        if isinstance(found, Mapping):
            # some have one for each kind of layer
            yield from (found, *(each for each in found.values() if isinstance(each, Mapping)))
