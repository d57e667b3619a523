"""Training of every weight: the artifact is a checkpoint.

In: a loaded model. Out: the same model with all weights trained, and a folder like `base_model`, in fp32: rounded, the
steps of an update would be lost to whoever trains further, and the rounding would be certified by nobody. The merged
model is this checkpoint in its stored precision.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from domainlm.models.load import load_model
from domainlm.models.masters import give_masters, master_of, round_weights
from domainlm.tokens.tokenizer import TOKENIZER_FILES

COPIED = ("generation_config.json", "tokens.json", *TOKENIZER_FILES)
SHARD = "4GB"


def is_checkpoint(folder: Path) -> bool:
    """Whether what was trained is a checkpoint of its own."""
    return (folder / "config.json").exists()


def begin(model: Any, base: Path) -> Any:
    """The model with every weight trained, fp32 behind what is less."""
    return with_masters(model, base).requires_grad_(True)


def with_masters(model: Any, base: Path) -> Any:
    """The model with the checkpoint's values, in fp32, behind what is less."""
    import torch

    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        give_masters(model, dict(load_model(base, "float32").named_parameters()))
    return model


def save(model: Any, base: Path, folder: Path) -> None:
    """Write the fp32 weights, with the base's tokenizer and settings.

    The weights take their masters' place for it, so that there is no further copy.
    """
    import torch

    weights = list(model.parameters())
    dtypes = [weight.dtype for weight in weights]
    for weight in weights:
        weight.data = master_of(weight).data
    stored = model.config.dtype
    model.config.dtype = torch.float32
    model.save_pretrained(folder, max_shard_size=SHARD)
    model.config.dtype = stored
    for weight, dtype in zip(weights, dtypes, strict=True):
        if weight.dtype != dtype:
            weight.data = weight.data.to(dtype)
    round_weights(weights)
    for name in COPIED:
        if (base / name).exists():
            shutil.copyfile(base / name, folder / name)
