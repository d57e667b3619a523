"""DoRA: a trained length for each row of an adapted weight.

In: peft's adapted layers with a magnitude vector. Out: the factor of each output. peft computes the norms in the base's
precision, so that a bfloat16 model is changed before its first update, and multiplies out B A for every pass; here
they are fp32, from products with the low rank, once an update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from domainlm.models.adapter_name import ADAPTER
from domainlm.models.targets import is_transposed

if TYPE_CHECKING:
    import torch


def begin(model: Any) -> None:
    """Set the lengths to those of the rows: nothing is changed yet."""
    import torch

    with torch.no_grad():
        for module in model.modules():
            if ADAPTER in getattr(module, "lora_magnitude_vector", ()):
                module.lora_magnitude_vector[ADAPTER].weight.copy_(_row_norms(module))


def stretch(module: Any) -> torch.Tensor:
    """Length over norm of each row, fp32 [out]."""
    length: torch.Tensor = module.lora_magnitude_vector[ADAPTER].weight
    return length / _norms(module)


def _norms(module: Any) -> torch.Tensor:
    """The rows' norms, computed again after an update of A or B."""
    a, b = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    # counts changes in place, as the optimizer's are
    now = (id(a), a._version, id(b), b._version)
    kept = getattr(module, "dora_norms", None)
    if kept is None or kept[0] != now:
        kept = (now, _row_norms(module))
        module.dora_norms = kept
    return cast("torch.Tensor", kept[1])


def _row_norms(module: Any) -> torch.Tensor:
    """Norms of the rows of W + scale B A, fp32 [out].

    |w + s b A|^2 = |w|^2 + 2 s (W A') b + s^2 b (A A') b, in float64 but for the product with W.
    """
    import torch

    with torch.no_grad():
        base = module.get_base_layer()
        weight = (base.weight.t() if is_transposed(base) else base.weight).float()
        a, b = module.lora_A[ADAPTER].weight.float(), module.lora_B[ADAPTER].weight.double()
        scale = module.scaling[ADAPTER]
        squares = torch.linalg.vector_norm(weight, dim=1, dtype=torch.float64).square()
        cross = ((weight @ a.t()).double() * b).sum(dim=1)
        own = ((b @ (a.double() @ a.double().t())) * b).sum(dim=1)
        norms: torch.Tensor = (squares + 2 * scale * cross + scale * scale * own).sqrt().float()
    return norms
