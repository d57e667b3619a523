"""Groups of weights that AdamW gives rates of their own.

In: trainable weights in order, the section's knobs. Out: the optimizer's groups, each with the factor of the
schedule's rate. LoRA+ (arXiv 2402.12354) trains B at a higher rate than A, because B begins at zero and A at the size
of the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domainlm.config.training import Training

if TYPE_CHECKING:
    import torch

FACTOR = "rate_factor"


def parameter_groups(parameters: list[tuple[str, torch.nn.Parameter]], section: Training) -> list[dict[str, Any]]:
    """The optimizer's groups, in the order of the weights."""
    if section.method == "full" and section.weight_decay:
        # norms, biases and embeddings are not decayed, as in pretraining
        kept = [weight for name, weight in parameters if weight.ndim < 2 or "embed" in name]
        known = {id(weight) for weight in kept}
        decayed = [weight for _, weight in parameters if id(weight) not in known]
        return [{"params": decayed, FACTOR: 1.0}, {"params": kept, FACTOR: 1.0, "weight_decay": 0.0}]
    if section.method != "lora_plus":
        return [{"params": [weight for _, weight in parameters], FACTOR: 1.0}]
    groups = []
    for is_b, factor in ((False, 1.0), (True, section.lora_plus_ratio)):
        weights = [weight for name, weight in parameters if (".lora_B." in name) is is_b]
        groups.append({"params": weights, FACTOR: factor})
    return groups


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the schedule's rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[FACTOR]
