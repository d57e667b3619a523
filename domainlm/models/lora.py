"""LoRA adapters: peft's layers and files, with a fused forward pass.

In: a frozen model. Out: the same model with fp32 adapters, and an adapter folder that plain peft loads. peft's
forward casts its input to fp32 for autocast to cast it back, and adds and scales the adapter's output in separate
passes. Here one autograd function multiplies in the base's precision, which has the same effect as autocast, adds
inside the matrix product, and keeps the values that the backward pass needs. Everything else (initialisation, names,
files) is peft's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.models import dora, embeddings, pissa, token_rows
from domainlm.models.adapter_name import ADAPTER
from domainlm.models.dropout import dropped, is_dropping
from domainlm.models.masters import master_of
from domainlm.models.quantised import is_quantised
from domainlm.models.targets import chosen_layers, has_own_forward, is_transposed, target_names

if TYPE_CHECKING:
    import torch


def new_adapter(model: Any, section: Training, seed: int, added_tokens: Sequence[int] = ()) -> Any:
    """A peft model with fresh adapters: B is zero, A is random.

    A is drawn by `seed` outside the global random state. PiSSA's are the principal part of each weight instead.
    added_tokens: those of the base model, one after the other.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    modules = target_names(model, section)
    layers, pattern = chosen_layers(model, section)
    trains_added = section.trained_embeddings == "added"
    config = LoraConfig(
        r=section.rank,
        lora_alpha=section.alpha,
        target_modules=modules,
        lora_dropout=section.dropout,
        # peft would set it with a warning
        fan_in_fan_out=any(is_transposed(module) for module in model.modules()),
        use_rslora=section.method == "rslora",
        use_dora=section.method == "dora",
        layers_to_transform=layers,
        layers_pattern=pattern,
        modules_to_save=embeddings.names(model) if section.trained_embeddings == "all" else None,
        trainable_token_indices=token_rows.wrapped_tables(model, added_tokens) if trains_added else None,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), embeddings.kept_tied(model):
        torch.manual_seed(seed)
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            raise StageError(f"target_modules: {modules!r} cannot get an adapter: {error}") from error
    adapted = with_fused_forward(adapted)
    if trains_added:
        token_rows.begin(adapted)
    if section.method == "dora":
        dora.begin(adapted)
    if section.method == "pissa":
        pissa.begin(adapted, seed)
    return adapted


def saved_adapter(model: Any, folder: Path, is_trainable: bool = False) -> Any:
    """A peft model with the adapter of `folder`."""
    from peft import PeftModel

    with embeddings.kept_tied(model):
        adapted = with_fused_forward(PeftModel.from_pretrained(model, folder, is_trainable=is_trainable))
    token_rows.put_into_tables(adapted)
    return adapted


def continued_adapter(model: Any, folder: Path, section: Training) -> Any:
    """A peft model that trains the adapter of `folder` further."""
    check_continues(folder, section)
    if section.method != "pissa":
        return saved_adapter(model, folder, is_trainable=True)
    adapted = new_adapter(model, section.model_copy(update={"method": "lora"}), 0)
    pissa.resume(adapted, folder)
    return adapted


def check_continues(folder: Path, section: Training) -> None:
    """Raise StageError where an adapter of another shape is to be continued."""
    saved = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    times = pissa.STORED_RANKS if section.method == "pissa" else 1
    pairs: list[tuple[str, Any, Any]] = [
        ("rank", saved["r"], times * section.rank),
        ("alpha", saved["lora_alpha"], times * section.alpha),
        ("method", _scaling_of(saved.get), _scaling_of({f"use_{section.method}": True}.get)),
    ]
    modules = section.target_modules
    if isinstance(modules, list):
        pairs.append(("target_modules", saved["target_modules"], sorted(modules)))
    for key, found, expected in pairs:
        if found != expected:
            raise StageError(
                f"relay: continue starts from the PT adapter, whose {key} is {found}, while sft_adapter.{key} is"
                f" {expected}; expected equal: set both to one value, or sft_adapter.relay to merge"
            )


def _scaling_of(has: Any) -> str:
    """Which kind of adapter a configuration of peft describes."""
    return "dora" if has("use_dora") else "rslora" if has("use_rslora") else "lora"


def trainable_parameters(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Names and adapter weights, in the order of names."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return sorted(named, key=lambda pair: pair[0])


def save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write adapter_model.safetensors and adapter_config.json, the same bytes for the same adapter.

    peft's own writer dumps a set in the order of the day's hash seed, adds a model card, and may ask the hub.
    """
    from safetensors.torch import save_file

    state = _in_full_precision(model, saved_state(model))
    values = model.peft_config[ADAPTER].to_dict()
    if pissa.is_begun(model):
        state, values = pissa.as_lora(model, state, values)
    tensors = {name: tensor.detach().contiguous() for name, tensor in sorted(state.items())}
    if values["modules_to_save"]:
        # a file holds no tensor under two names
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    values = {key: sorted(value) if isinstance(value, set) else value for key, value in values.items()}
    values |= {"base_model_name_or_path": base_name, "inference_mode": True}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8", newline="\n")


def saved_state(model: Any) -> dict[str, torch.Tensor]:
    """What is trained, by its name in an adapter's file."""
    from peft import get_peft_model_state_dict

    return {**get_peft_model_state_dict(model, save_embedding_layers=False), **token_rows.saved_tensors(model)}


def _in_full_precision(model: Any, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with the fp32 masters of what is computed in less."""
    masters = {parameter.data_ptr(): master_of(parameter) for _, parameter in trainable_parameters(model)}
    return {name: masters.get(tensor.data_ptr(), tensor) for name, tensor in state.items()}


def with_fused_forward(model: Any) -> Any:
    """Give every adapted layer the fused forward.

    Adapters on anything but linear layers are refused.
    """
    import torch
    from peft.tuners.lora.layer import Linear, LoraLayer

    for name, module in model.named_modules():
        if not isinstance(module, LoraLayer):
            continue
        base = module.get_base_layer()
        is_output = module is model.get_base_model().get_output_embeddings()
        is_linear = (isinstance(base, torch.nn.Linear) and not has_own_forward(base)) or is_transposed(base)
        if is_output or not (is_quantised(base) or (isinstance(module, Linear) and is_linear)):
            raise StageError(
                f"target_modules: {name} is a {type(base).__name__} that takes no mergeable adapter; expected linear"
                " layers inside the decoder: name them, such as [q_proj, k_proj, v_proj, o_proj]"
            )
        layer: Any = module
        layer.dropout_name = name
        layer.forward = partial(dora_forward if module.use_dora.get(ADAPTER) else fused_forward, layer)
    return model


def fused_forward(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output of an adapted layer, in the precision of x.

    It is x W' + bias + scale (x A') B'.
    """
    return _linear(module, inputs, module.base_layer.bias)


def dora_forward(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output of a layer whose rows have lengths of their own.

    It is length / |W + scale B A| times that of the adapted layer, and the bias. The norm is a constant to the gradient,
    as in the paper (arXiv 2402.09353, 4.3).
    """
    result = _linear(module, inputs, None) * dora.stretch(module).to(inputs.dtype)
    bias = module.base_layer.bias
    return result if bias is None else result + bias


def _linear(module: Any, inputs: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    import torch

    base = module.base_layer
    weight = base.weight.t() if is_transposed(base) else base.weight
    a, b = pissa.factors(module)
    scale = module.scaling[ADAPTER]
    share = getattr(module.lora_dropout[ADAPTER], "p", 0.0)
    has_dropout = bool(share) and is_dropping()
    if has_dropout or is_quantised(base):
        linear = torch.nn.functional.linear
        given = dropped(inputs, share, module.dropout_name) if has_dropout else inputs
        added = linear(linear(given, a.to(inputs.dtype)), (b * scale).to(inputs.dtype))
        return (base(inputs) if is_quantised(base) else linear(inputs, weight, bias)) + added
    return added_to_linear(inputs, weight, bias, a, b, scale)


def added_to_linear(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    a: torch.Tensor,
    b: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """x W' + bias + scale (x A') B' in one function."""
    return cast("torch.Tensor", _fused_linear().apply(inputs, weight, bias, a, b, scale))


@cache
def _fused_linear() -> Any:
    """The autograd function, made on first use.

    Importing this module must not import torch.
    """
    import torch

    class FusedLoraLinear(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any,
            inputs: torch.Tensor,
            weight: torch.Tensor,
            bias: torch.Tensor | None,
            a: torch.Tensor,
            b: torch.Tensor,
            scale: float,
        ) -> torch.Tensor:
            flat = inputs.reshape(-1, inputs.shape[-1])
            a_low, b_low = a.to(flat.dtype), (b * scale).to(flat.dtype)
            inner = flat @ a_low.t()
            result = torch.nn.functional.linear(flat, weight, bias).addmm_(inner, b_low.t())
            ctx.save_for_backward(flat, weight, a_low, b_low, inner)
            ctx.scale, ctx.shape = scale, inputs.shape
            return result.view(*inputs.shape[:-1], -1)

        @staticmethod
        def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            flat, weight, a_low, b_low, inner = ctx.saved_tensors
            gradient = grad_outputs[0].reshape(-1, grad_outputs[0].shape[-1])
            inner_gradient = gradient @ b_low
            to_inputs = None
            if ctx.needs_input_grad[0]:
                to_inputs = (gradient @ weight).addmm_(inner_gradient, a_low).view(ctx.shape)
            to_a = (inner_gradient.t() @ flat).float()
            to_b = (gradient.t() @ inner).float().mul_(ctx.scale)
            return to_inputs, None, None, to_a, to_b, None

    return FusedLoraLinear
