"""The device and the processes that a profile grants.

In: the rule's resources. Out: a torch device, the number of processes. A GPU that is granted and not there is an error: a
day of training on the CPU instead would look like a slow GPU.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from domainlm.contract import Resources, StageError

if TYPE_CHECKING:
    import torch


def granted_processes(resources: Resources) -> int:
    """The number of processes that train together: one a GPU."""
    if resources.gpus and resources.processes > 1 and resources.processes != resources.gpus:
        raise StageError(
            f"the profile grants {resources.gpus} GPUs and {resources.processes} processes; expected one process a GPU: leave"
            " `processes` out of the profile"
        )
    return max(1, resources.gpus, resources.processes)


def granted_device(resources: Resources, rank: int | None = None) -> torch.device:
    """The CPU, or the GPU that belongs to a process.

    rank: of a process among several; None where one process does the whole work.
    """
    import torch

    if not resources.gpus:
        return torch.device("cpu")
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen < resources.gpus:
        raise StageError(
            f"the profile grants {resources.gpus} GPU, and torch {torch.__version__} sees {seen}; expected as many: run"
            " `python -m domainlm doctor`, ask the cluster for a GPU (gres), or leave `gpus` out of the profile"
        )
    if resources.gpus > 1 and rank is None:
        raise StageError(
            f"the profile grants {resources.gpus} GPUs; expected 1, on which one process computes this artifact: set gpus to 1"
        )
    return torch.device("cuda", rank or 0)


def rows_at_a_time(resources: Resources) -> int:
    """Rows of a pass: one on a GPU, else one a core."""
    return 1 if resources.gpus else resources.threads


def use_activation_checkpointing(model: Any) -> int:
    """Have each decoder layer's activations computed again in the backward pass.

    Returns the number of such layers. transformers' own switch asks for the training flag, which would switch dropout on.
    """
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise StageError(
            f"activation_checkpointing is set, and {type(model).__name__} has no layers that can be computed again;"
            " expected a model of decoder layers: leave it out of the profile"
        )
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    return len(layers)
