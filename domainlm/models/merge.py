"""Merging an adapter into its base, tensor by tensor.

In: base and adapter folders. Out: a checkpoint folder. Sums are computed in float64 and rounded to float32, then once to
the stored precision. What the adapter does not change is copied; at any time memory holds the adapter, and a block of
rows of one weight. That the result is base + adapter is certified apart (`domainlm.models.certificate`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.contract import StageError
from domainlm.models.changes import Change, changes, is_same
from domainlm.models.streaming import empty_adapted_model
from domainlm.models.tensor_files import (
    SHARD_BYTES,
    PlannedTensor,
    StoredTensor,
    create_checkpoint,
    read_rows,
    write_rows,
)
from domainlm.models.weights import Group, Weights, as_stored, name_in_checkpoint, open_weights, read_group, stored_name
from domainlm.tokens.tokenizer import TOKENIZER_FILES

if TYPE_CHECKING:
    import torch

COPIED = ("generation_config.json", "tokens.json", *TOKENIZER_FILES)
# numbers of one block of rows: 32 MiB in float64
BLOCK_NUMBERS = 1 << 22


def merged_dtype(base: Path, dtype: str) -> str:
    """The precision to store a merged model in.

    auto: float16 if the base is, else bfloat16.
    """
    if dtype != "auto":
        return dtype
    stored = json.loads((base / "config.json").read_text(encoding="utf-8")).get("dtype")
    return "float16" if stored == "float16" else "bfloat16"


def merge(base: Path, adapter: Path | None, dtype: str, out: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write base + adapter as one checkpoint.

    It has the base's tokenizer and generation settings. adapter: None where a training changed the checkpoint itself. Files
    hold at most shard_bytes, or one tensor.
    """
    import torch

    weights = open_weights(base)
    found = {} if adapter is None else changes(empty_adapted_model(base, adapter))
    with torch.no_grad():
        is_untied = write_changed(weights, found, dtype, out, shard_bytes)
    config = weights.model.config
    config.dtype = dtype
    config.architectures = [type(weights.model).__name__]
    if is_untied:
        config.tie_word_embeddings = False
    config.save_pretrained(out)
    weights.model.generation_config.save_pretrained(out)
    for name in COPIED:
        if (base / name).exists():
            shutil.copyfile(base / name, out / name)


def write_changed(
    weights: Weights, found: Mapping[str, Change], dtype: str, out: Path, shard_bytes: int = SHARD_BYTES
) -> bool:
    """Write a checkpoint's weights with these changes, by parameter.

    Returns whether weights that were one are two from now on.
    """
    _check_shapes(weights, found)
    by_parameter, apart = _of_tied_weights(weights, found)
    planned = {
        name: PlannedTensor(dtype if _is_floating(each) else each.dtype, each.shape)
        for name, each in weights.stored.items()
    }
    extra = {name_in_checkpoint(weights, name): name for name in apart}
    for name, parameter in extra.items():
        planned[name] = PlannedTensor(dtype, weights.stored[_tensor_of(weights, parameter)].shape)
    places = create_checkpoint(out, planned, shard_bytes)
    by_group: dict[Group, dict[str, Change]] = {}
    for name, change in by_parameter.items():
        by_group.setdefault(weights.groups[name], {})[name] = change
    rearranged = {group: each for group, each in by_group.items() if group.is_rearranged}
    plain = {group.tensors[0]: change for group, each in by_group.items() for change in each.values()}
    for group, of_group in rearranged.items():
        _write_group(weights, group, of_group, places)
    done = {name for group in rearranged for name in group.tensors}
    for name, stored in weights.stored.items():
        if name not in done:
            _write(stored, plain.get(name), places[name])
    for name, parameter in extra.items():
        _write(weights.stored[_tensor_of(weights, parameter)], apart[parameter], places[name])
    return bool(extra)


def _of_tied_weights(
    weights: Weights, found: Mapping[str, Change]
) -> tuple[dict[str, Change], dict[str, Change | None]]:
    """Changes of what the checkpoint holds, and of weights that cease to be another one.

    Tied weights stay tied if all of them change in the same way.
    """
    by_parameter = {name: change for name, change in found.items() if name not in weights.tied}
    apart: dict[str, Change | None] = {}
    for name, owner in weights.tied.items():
        own, others = found.get(name), by_parameter.get(owner)
        if not (own is others or (own is not None and others is not None and is_same(own, others))):
            apart[name] = own
    return by_parameter, apart


def _write(stored: StoredTensor, change: Change | None, place: StoredTensor) -> None:
    """Write one tensor, changed or copied, in blocks of rows."""
    # a single number is a row
    count = stored.shape[0] if stored.shape else 1
    step = count
    if change is None or change.is_by_rows:
        step = max(1, BLOCK_NUMBERS // max(prod(stored.shape[1:]), 1))
    for start in range(0, count, max(step, 1)):
        rows = read_rows(stored, start, min(start + step, count))
        write_rows(place, start, _as(rows if change is None else change.changed(rows, start), place))


def _write_group(
    weights: Weights, group: Group, of_group: Mapping[str, Change], places: Mapping[str, StoredTensor]
) -> None:
    """Write the tensors of a group whose numbers are rearranged.

    The whole group is in memory, such as the experts of one layer.
    """
    parameters = read_group(weights, group)
    for name, change in of_group.items():
        parameters[name] = change.changed(parameters[name], 0)
    for name, tensor in as_stored(weights, group, parameters).items():
        write_rows(places[name], 0, _as(tensor, places[name]))


def _check_shapes(weights: Weights, found: Mapping[str, Change]) -> None:
    for name, change in found.items():
        if stored_name(weights, name) not in weights.groups:
            raise StageError(
                f"the adapter changes {name}, which base_model does not hold; expected an adapter of this base: build"
                " pt_adapter again"
            )
        shape = tuple(weights.model.get_parameter_or_buffer(name).shape)
        if change.kind == "trained whole" and tuple(change.tensors[0].shape) != shape:
            raise StageError(
                f"the adapter's {name} is {list(change.tensors[0].shape)}, and base_model's is {list(shape)}; expected equal"
                " shapes: build pt_adapter again on this base"
            )


def _tensor_of(weights: Weights, parameter: str) -> str:
    return weights.groups[stored_name(weights, parameter)].tensors[0]


def _as(tensor: torch.Tensor, place: StoredTensor) -> torch.Tensor:
    import torch

    return tensor.to(getattr(torch, place.dtype))


def _is_floating(stored: StoredTensor) -> bool:
    import torch

    return bool(getattr(torch, stored.dtype).is_floating_point)
