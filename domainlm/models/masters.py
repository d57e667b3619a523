"""fp32 masters of trained weights that are computed in less.

In: trainable parameters. Out: for each the fp32 parameter that the optimizer changes: the weight itself, or a copy from
which it is rounded after every update. AdamW's steps on a bfloat16 weight are mostly smaller than its spacing and
would be lost; autocast of the weight instead would round it once for every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch


def give_masters(model: Any, exact: Mapping[str, torch.Tensor] | None = None) -> None:
    """Give fp32 copies to the trainable weights that are not fp32.

    exact: values before they were rounded, by name; all weights of these get copies.
    """
    import torch

    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32 and (parameter.requires_grad if exact is None else name in exact):
            value = parameter.detach() if exact is None else exact[name].detach()
            parameter.master = torch.nn.Parameter(value.to(parameter.device, torch.float32, copy=True))


def master_of(parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    """The fp32 weight behind a trained one; itself if that is fp32."""
    return cast("torch.nn.Parameter", getattr(parameter, "master", parameter))


def round_weights(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Set the weights to their masters, rounded."""
    import torch

    with torch.no_grad():
        for parameter in parameters:
            master = master_of(parameter)
            if master is not parameter:
                parameter.copy_(master)
