"""PiSSA on an unchanged base: train the principal part of each weight.

In: adapted layers. Out: A and B that begin as the principal singular directions of the weight (arXiv 2404.02948), and
fixed copies of what they began as, which are taken away again in the same product: W + s (B A - B0 A0). The paper, and
peft, subtract s B0 A0 from the base instead: an adapter of that base is silently wrong on the original one, and a
bfloat16 base is rounded a second time. Stored, [A; A0] and [B, -B0] are a plain LoRA adapter of twice the rank.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.adapter_name import ADAPTER
from domainlm.models.targets import is_transposed

if TYPE_CHECKING:
    import torch

STORED_RANKS = 2
# of the randomised decomposition; the paper finds 16 as good as the exact one
ITERATIONS = 16
# directions beyond the rank, without which close singular values are mixed
OVERSAMPLED = 16


def begin(model: Any, seed: int) -> None:
    """Set every A and B to their weight's principal part."""
    import torch

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in _adapted(model):
            base = module.get_base_layer()
            # drawn on the CPU, whose random state is put back
            weight = (base.weight.t() if is_transposed(base) else base.weight).float().cpu()
            rank = module.r[ADAPTER]
            if rank > min(weight.shape):
                raise StageError(
                    f"rank: {rank} is more than the weight of {name} has ({min(weight.shape)}); expected at most that many for"
                    " method pissa"
                )
            found = torch.svd_lowrank(weight, q=min(rank + OVERSAMPLED, *weight.shape), niter=ITERATIONS)
            left, sizes, right = (each[..., :rank] for each in found)
            roots = (sizes / module.scaling[ADAPTER]).sqrt()
            _set(module, roots[:, None] * right.t(), left * roots)


def factors(module: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """A and B of a layer, PiSSA's fixed ones behind."""
    import torch

    a, b = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    fixed = getattr(module, "pissa", None)
    if fixed is None:
        return a, b
    return torch.cat([a, fixed[0]]), torch.cat([b, -fixed[1]], dim=1)


def is_begun(model: Any) -> bool:
    return any(getattr(module, "pissa", None) is not None for _, module in _adapted(model))


def as_lora(
    model: Any, state: dict[str, torch.Tensor], values: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """peft's state and configuration of the plain adapter of twice the rank."""
    state = dict(state)
    for name, module in _adapted(model):
        state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"] = factors(module)
    ranks = {key: STORED_RANKS * values[key] for key in ("r", "lora_alpha")}
    return state, {**values, **ranks}


def resume(model: Any, folder: Path) -> None:
    """Take trained and fixed factors from a stored adapter."""
    import torch
    from safetensors.torch import load_file

    state = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, module in _adapted(model):
            a, fixed_a = state[f"{name}.lora_A.weight"].chunk(STORED_RANKS)
            b, fixed_b = state[f"{name}.lora_B.weight"].chunk(STORED_RANKS, dim=1)
            _set(module, a, b)
            device = module.lora_A[ADAPTER].weight.device
            module.pissa = (fixed_a.clone().to(device), -fixed_b.to(device))


def _set(module: Any, a: torch.Tensor, b: torch.Tensor) -> None:
    module.lora_A[ADAPTER].weight.copy_(a)
    module.lora_B[ADAPTER].weight.copy_(b)
    module.pissa = tuple(each[ADAPTER].weight.detach().clone() for each in (module.lora_A, module.lora_B))


def _adapted(model: Any) -> list[tuple[str, Any]]:
    from peft.tuners.lora.layer import Linear

    return [(name, module) for name, module in model.named_modules() if isinstance(module, Linear)]
