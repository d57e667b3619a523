"""The weights of a checkpoint by the names of the model's parameters.

In: a checkpoint folder. Out: the model without memory for its weights, and its parameters, read when they are asked
for. A checkpoint's names and numbers need not be the model's: transformers renames tensors on loading, and stacks those
of experts. Its own table says which (`core_model_loading`), and its own loader rearranges them, group by group, so that
this module knows of no architecture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.load import attention, check_loaded
from domainlm.models.tensor_files import StoredTensor, blocks, read_rows, read_tensor, stored_tensors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Group:
    """Tensors of a checkpoint that make parameters together.

    Most are one tensor that is one parameter. is_rearranged: whether the numbers are not simply those of the tensor.
    """

    tensors: tuple[str, ...]
    parameters: tuple[str, ...]
    is_rearranged: bool


@dataclass(frozen=True)
class Weights:
    """A checkpoint's weights.

    model: the bare model, empty, in float32. groups: by parameter. tied: names of parameters that are another one.
    conversions: transformers' table, which notes what of it was used.
    """

    folder: Path
    model: Any
    stored: dict[str, StoredTensor]
    groups: dict[str, Group]
    tied: dict[str, str]
    conversions: list[Any]


def empty_model(folder: Path) -> Any:
    """A checkpoint's model, in float32, its parameters on the meta device.

    Buffers are real: those that no checkpoint holds, such as rotations, are computed on construction.
    """
    import torch
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    known: Any = AutoModelForCausalLM
    with init_empty_weights(include_buffers=False):
        model: Any = known.from_config(
            config, dtype=torch.float32, attn_implementation=attention(folder), trust_remote_code=False
        )
    model.requires_grad_(False)
    return model.eval()


def open_weights(folder: Path) -> Weights:
    """The weights of a checkpoint, none of them read.

    Raises StageError if one is missing.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model, stored = empty_model(folder), stored_tensors(folder)
    conversions = get_model_conversion_mapping(model)
    groups = _groups(model, stored, conversions)
    tied = _tied(model, groups)
    ignored = [re.compile(each) for each in model._keys_to_ignore_on_load_missing or ()]
    missing = model.state_dict().keys() - groups.keys() - tied.keys()
    check_loaded(model, {"missing_keys": {name for name in missing if not any(each.search(name) for each in ignored)}})
    return Weights(folder, model, stored, groups, tied, conversions)


def stored_name(weights: Weights, parameter: str) -> str:
    """The parameter that a checkpoint holds for this one."""
    return weights.tied.get(parameter, parameter)


def read_parameters(weights: Weights, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Parameters and stored buffers by name, in float32 (integers as they are)."""
    groups = {weights.groups[stored_name(weights, name)] for name in names}
    found: dict[str, torch.Tensor] = {}
    for group in sorted(groups, key=lambda each: each.tensors):
        found |= read_group(weights, group)
    return {name: found[stored_name(weights, name)] for name in names}


def read_group(weights: Weights, group: Group) -> dict[str, torch.Tensor]:
    """All parameters that a group makes, in float32."""
    if group.is_rearranged:
        tensors = {name: read_tensor(weights.stored[name]) for name in group.tensors}
        return _load(weights.model, tensors, weights.conversions, "cpu")
    return {group.parameters[0]: _read_float(weights.stored[group.tensors[0]])}


def as_stored(weights: Weights, group: Group, parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A group's tensors in the checkpoint's form, from all its parameters.

    Raises StageError where transformers cannot write what it reads.
    """
    from transformers.core_model_loading import revert_weight_conversion

    weights.model._weight_conversions = [each for each in weights.conversions if each.was_used()]
    found: dict[str, torch.Tensor] = revert_weight_conversion(weights.model, parameters)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    expected = {name: weights.stored[name].shape for name in group.tensors}
    if shapes != expected:
        raise StageError(
            f"{', '.join(sorted(parameters))} would be written as {', '.join(sorted(shapes))}, and base_model has"
            f" {', '.join(sorted(expected))}; expected the same tensors: adapt other modules (pt_adapter.target_modules)"
        )
    return found


def name_in_checkpoint(weights: Weights, parameter: str) -> str:
    """The name under which a parameter would be stored."""
    from transformers.core_model_loading import revert_weight_conversion

    weights.model._weight_conversions = [each for each in weights.conversions if each.was_used()]
    value = weights.model.get_parameter(parameter)
    (name,) = revert_weight_conversion(weights.model, {parameter: value})
    return str(name)


def _read_float(stored: StoredTensor) -> torch.Tensor:
    """A tensor in float32, or as it is without floats.

    The stored numbers are in memory for a block of rows only.
    """
    import torch

    if not stored.shape or not getattr(torch, stored.dtype).is_floating_point:
        tensor = read_tensor(stored)
        return tensor.float() if tensor.is_floating_point() else tensor
    result = torch.empty(stored.shape, dtype=torch.float32)
    for start, stop in blocks(stored.shape):
        result[start:stop] = read_rows(stored, start, stop)
    return result


def _groups(model: Any, stored: dict[str, StoredTensor], conversions: list[Any]) -> dict[str, Group]:
    """Groups by parameter.

    A tensor that makes none, which transformers ignores, is in none.
    """
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    renamings = [each for each in conversions if isinstance(each, WeightRenaming)]
    converters = [each for each in conversions if isinstance(each, WeightConverter)]
    expected = model.state_dict()
    prefix = model.base_model_prefix
    made: dict[str, list[str]] = {}
    rearranged: set[str] = set()
    for key in stored:
        name, pattern = rename_source_key(key, renamings, converters, prefix, expected)
        if name not in expected and key in expected:
            # the loader's own second try
            name, pattern = rename_source_key(key, [], [], prefix, expected)
        if name in expected:
            made.setdefault(name, []).append(key)
            rearranged |= {name} if pattern is not None else set()
    found: dict[str, Group] = {}
    for name, keys in made.items():
        if name in rearranged:
            names = tuple(_load(model, _without_numbers(stored, keys), conversions, "meta"))
            group = Group(tuple(keys), names, True)
        elif len(keys) == 1 and stored[keys[0]].shape == tuple(expected[name].shape):
            group = Group((keys[0],), (name,), False)
        else:
            raise StageError(
                f"{name} is [{', '.join(map(str, expected[name].shape))}], and is stored as"
                f" {', '.join(f'{key} {list(stored[key].shape)}' for key in keys)}; expected one tensor of that shape: build"
                " base_model again"
            )
        found |= dict.fromkeys(group.parameters, group)
    return found


def _without_numbers(stored: dict[str, StoredTensor], keys: Iterable[str]) -> dict[str, torch.Tensor]:
    import torch

    return {key: torch.empty(stored[key].shape, dtype=getattr(torch, stored[key].dtype), device="meta") for key in keys}


def _load(model: Any, tensors: dict[str, torch.Tensor], conversions: list[Any], device: str) -> dict[str, torch.Tensor]:
    """The parameters that transformers' loader makes of some tensors.

    The model is left as it was, empty.
    """
    import torch
    from transformers.core_model_loading import convert_and_load_state_dict_in_model
    from transformers.modeling_utils import LoadStateDictConfig

    before = dict(model.named_parameters())
    settings = LoadStateDictConfig(dtype=torch.float32, weight_mapping=conversions, device_map={"": device})
    convert_and_load_state_dict_in_model(model, tensors, settings)
    made = {name: each for name, each in model.named_parameters() if each is not before.get(name)}
    for name in made:
        path, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(path), attribute, before[name])
    return {name: each.detach() for name, each in made.items()}


def _tied(model: Any, groups: dict[str, Group]) -> dict[str, str]:
    """Parameters that are another one, by name.

    The checkpoint may hold either of the two.
    """
    found: dict[str, str] = {}
    for target, source in model.all_tied_weights_keys.items():
        if target not in groups and source in groups:
            found[target] = source
        elif source not in groups and target in groups:
            found[source] = target
    return found
