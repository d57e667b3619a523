"""Which linear layers get an adapter.

In: a loaded model, the section's knobs. Out: names for peft, that of a kind of layer found by the modules' names below
the decoder's layers, or StageError that says which names were looked for. Where peft's own choice of all linear layers
merges, it is kept, since the names are part of an adapter's bytes.
"""

from __future__ import annotations

import re
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.models.load import has_experts
from domainlm.models.output_layer import decoder_of
from domainlm.models.quantised import is_quantised

# layers of the feed-forward part of Mixtral's, Qwen's and DeepSeek's kinds, by which peft names experts
OF_EXPERTS = {"gate", "w1", "w2", "w3", "gate_proj", "up_proj", "down_proj"}
# parts of a module's name; what is of attention is not of the feed-forward part (GPT-Neo's attn.attention.k_proj)
KINDS = {
    "attention": ("attn", "attention"),
    "mlp": ("mlp", "ffn", "ff", "feed_forward", "feedforward", "moe", "fc1", "fc2"),
}


def target_names(model: Any, section: Training) -> Any:
    """Names of the layers that get an adapter, or peft's word."""
    chosen = section.target_modules
    if isinstance(chosen, list):
        return chosen
    if chosen in KINDS:
        return _names_of_kind(model, chosen)
    if section.layers is not None or has_experts(model) or any(map(has_own_forward, model.modules())):
        return _mergeable_linear(model)
    return chosen


def chosen_layers(model: Any, section: Training) -> tuple[list[int] | None, str | None]:
    """Indices of the decoder layers that get adapters, and their list's name."""
    if section.layers is None:
        return None, None
    name, layers = _decoder_layers(model)
    count = len(layers)
    wrong = [index for index in section.layers if not -count <= index < count]
    if wrong:
        raise StageError(
            f"layers: {wrong[0]} is no layer of {type(model).__name__}, which has {count}; expected {-count} to {count - 1}"
        )
    return sorted({index % count for index in section.layers}), name.rsplit(".", 1)[-1]


def has_own_forward(module: Any) -> bool:
    """Whether a linear layer computes something else (routers, groups)."""
    import torch

    is_linear = isinstance(module, torch.nn.Linear) and not is_quantised(module)
    return is_linear and type(module).forward is not torch.nn.Linear.forward


def is_transposed(layer: Any) -> bool:
    """Whether a linear layer's weight is [in, out] (Conv1D, of GPT-2)."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(layer, Conv1D)


def _mergeable_linear(model: Any) -> list[str]:
    """Names of the linear layers that take an adapter which merges.

    Of a mixture, peft takes the others for the experts' and adds adapters to their stacked weights, which do not merge.
    """
    import torch

    output = model.get_output_embeddings()
    linear = [
        (name.rsplit(".", 1)[-1], each)
        for name, each in model.named_modules()
        if (isinstance(each, torch.nn.Linear) or is_transposed(each)) and each is not output
    ]
    own = {name for name, each in linear if has_own_forward(each)}
    return sorted({name for name, _ in linear} - own - (OF_EXPERTS if has_experts(model) else set()))


def _decoder_layers(model: Any) -> tuple[str, Any]:
    """Name and list of the decoder's layers: the outermost list of modules."""
    import torch

    decoder = decoder_of(model)
    lists = [(name, each) for name, each in decoder.named_modules() if isinstance(each, torch.nn.ModuleList)]
    if not lists:
        raise StageError(
            f"{type(model).__name__} has no list of layers in its decoder; expected one to choose from: set layers to null and"
            " target_modules to names"
        )
    return min(lists, key=lambda found: (found[0].count("."), -len(found[1])))


def _names_of_kind(model: Any, kind: str) -> list[str]:
    """Names, below a layer, of one kind's adapted layers."""
    import torch

    _, layers = _decoder_layers(model)
    names: dict[str, bool] = {}
    for layer in layers:
        for name, each in layer.named_modules():
            if isinstance(each, torch.nn.Linear) or is_transposed(each):
                names[name] = names.get(name, False) or has_own_forward(each)
    excluded = OF_EXPERTS if has_experts(model) else set()
    found = [
        name
        for name, is_own in sorted(names.items())
        if _kind_of(name) == kind and not is_own and name.rsplit(".", 1)[-1] not in excluded
    ]
    if not found:
        raise StageError(
            f"target_modules: {kind} matches no linear layer of {type(model).__name__} that takes a mergeable adapter; looked for"
            f" {', '.join(KINDS[kind])} among {', '.join(sorted(names)) or 'none'}; expected one: name the layers, or choose"
            " all-linear"
        )
    return found


def _kind_of(name: str) -> str | None:
    # self_attn and mlp_block have the part as a word, crossattention within one
    words = set(re.split(r"[._]", name.lower()))
    for kind, parts in KINDS.items():
        if any(part in words or (len(part) > 3 and part in name.lower()) for part in parts):
            return kind
    return None
