"""LoRA adapters: peft's layers and files, with a fused forward pass.

In: a frozen model. Out: the same model with fp32 adapters, and an adapter folder that plain peft loads. peft's
forward casts its input to fp32 for autocast to cast it back, and adds and scales the adapter's output in separate
passes. Here one autograd function multiplies in the base's precision, which has the same effect as autocast, adds
inside the matrix product, and keeps the values that the backward pass needs. Everything else (initialisation, names,
files) is peft's.
"""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.models.load import has_experts

if TYPE_CHECKING:
    import torch

ADAPTER = "default"
# layers of the feed-forward part of Mixtral's, Qwen's and DeepSeek's kinds, by which peft names experts
OF_EXPERTS = {"gate", "w1", "w2", "w3", "gate_proj", "up_proj", "down_proj"}


def new_adapter(model: Any, section: Training, seed: int) -> Any:
    """A peft model with fresh adapters: B is zero, A is random.

    A is drawn by `seed` outside the global random state.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    modules: Any = section.target_modules
    if modules == "all-linear" and (has_experts(model) or any(map(_has_own_forward, model.modules()))):
        modules = _mergeable_linear(model)
    config = LoraConfig(
        r=section.rank,
        lora_alpha=section.alpha,
        target_modules=modules,
        lora_dropout=0.0,
        # peft would set it with a warning
        fan_in_fan_out=any(is_transposed(module) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            raise StageError(f"target_modules: {modules!r} cannot get an adapter: {error}") from error
    return with_fused_forward(adapted)


def _mergeable_linear(model: Any) -> list[str]:
    """Names of the linear layers that take an adapter which merges.

    Of a mixture, peft takes the others for the experts' and adds adapters to their stacked weights, which do not merge.
    """
    import torch

    output = model.get_output_embeddings()
    linear = [
        (name.rsplit(".", 1)[-1], each)
        for name, each in model.named_modules()
        if isinstance(each, torch.nn.Linear) and each is not output
    ]
    own = {name for name, each in linear if _has_own_forward(each)}
    return sorted({name for name, _ in linear} - own - (OF_EXPERTS if has_experts(model) else set()))


def _has_own_forward(module: Any) -> bool:
    """Whether a linear layer computes something else (routers, groups)."""
    import torch

    return isinstance(module, torch.nn.Linear) and type(module).forward is not torch.nn.Linear.forward


def saved_adapter(model: Any, folder: Path, is_trainable: bool = False) -> Any:
    """A peft model with the adapter of `folder`."""
    from peft import PeftModel

    return with_fused_forward(PeftModel.from_pretrained(model, folder, is_trainable=is_trainable))


def check_continues(folder: Path, section: Training) -> None:
    """Raise StageError where an adapter of another shape is to be continued."""
    saved = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    modules = section.target_modules
    pairs: list[tuple[str, Any, Any]] = [
        ("rank", saved["r"], section.rank),
        ("alpha", saved["lora_alpha"], section.alpha),
    ]
    if modules != "all-linear":
        pairs.append(("target_modules", saved["target_modules"], sorted(modules)))
    for key, found, expected in pairs:
        if found != expected:
            raise StageError(
                f"relay: continue starts from the PT adapter, whose {key} is {found}, while sft_adapter.{key} is"
                f" {expected}; expected equal: set both to one value, or sft_adapter.relay to merge"
            )


def trainable_parameters(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Names and adapter weights, in the order of names."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return sorted(named, key=lambda pair: pair[0])


def save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write adapter_model.safetensors and adapter_config.json, the same bytes for the same adapter.

    peft's own writer dumps a set in the order of the day's hash seed, adds a model card, and may ask the hub.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().contiguous() for name, tensor in sorted(state.items())}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    values = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in model.peft_config[ADAPTER].to_dict().items()
    }
    values |= {"base_model_name_or_path": base_name, "inference_mode": True}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8", newline="\n")


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
        is_linear = (isinstance(base, torch.nn.Linear) and not _has_own_forward(base)) or is_transposed(base)
        if is_output or not isinstance(module, Linear) or not is_linear:
            raise StageError(
                f"target_modules: {name} is a {type(base).__name__} that takes no mergeable adapter; expected linear"
                " layers inside the decoder: name them, such as [q_proj, k_proj, v_proj, o_proj]"
            )
        module.forward = partial(fused_forward, module)  # type: ignore[method-assign]
    return model


def is_transposed(layer: Any) -> bool:
    """Whether a linear layer's weight is [in, out] (Conv1D, of GPT-2)."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(layer, Conv1D)


def fused_forward(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output of an adapted layer, in the precision of x.

    It is x W' + bias + scale (x A') B'.
    """
    base = module.base_layer
    weight = base.weight.t() if is_transposed(base) else base.weight
    a, b = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    arguments = (inputs, weight, base.bias, a, b, module.scaling[ADAPTER])
    return cast("torch.Tensor", _fused_linear().apply(*arguments))


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
