"""What each method of training trains, and what it leaves behind.

In: a checkpoint, the section's knobs. Out: a model whose trained weights require a gradient, an artifact's folder, and
the model that is loaded from it again. A folder says by its files which kind it is: an adapter, or a whole checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.config.methods import PROMPTS, WHOLE
from domainlm.config.training import Training
from domainlm.models import lora, osf, prompts, quantised, whole
from domainlm.models.document_attention import load_for_packing
from domainlm.models.masters import give_masters
from domainlm.tokens.special import read_special_tokens

if TYPE_CHECKING:
    import torch


def model_to_train(
    base: Path, precision: str, device: torch.device, section: Training, seed: int, adapter: Path | None
) -> Any:
    """The model, with what is trained; adapter: one to train further."""
    # before the checkpoint is read
    if section.method == "qlora":
        quantised.check_installed()
    if adapter is not None:
        (prompts if section.method in PROMPTS else lora).check_continues(adapter, section)
    model = load_base(base, precision, device, section.method)
    if section.method == "full":
        return whole.begin(model, base)
    if section.method == "osf":
        return osf.begin(whole.with_masters(model, base), section)
    if section.method in PROMPTS:
        return prompts.begin(model, section, seed, adapter)
    if adapter is not None:
        model = lora.continued_adapter(model, adapter, section)
    else:
        model = lora.new_adapter(model, section, seed, read_special_tokens(base).added_token_ids)
    give_masters(model)
    return model


def load_base(base: Path, precision: str, device: torch.device, method: str) -> Any:
    """The checkpoint as a method trains on it."""
    if method == "qlora":
        return quantised.load_quantised(base, precision, device)
    return load_for_packing(base, precision).to(device)


def finish_training(model: Any, section: Training) -> None:
    """Put what was trained beside the weights into them (osf)."""
    if section.method == "osf":
        osf.finish(model)


def save_trained(model: Any, section: Training, base: Path, base_name: str, folder: Path) -> None:
    """Write what was trained: an adapter of the base, or a checkpoint.

    The model is finished.
    """
    if section.method in WHOLE:
        whole.save(model, base, folder)
    elif section.method in PROMPTS:
        prompts.save(model, base_name, folder)
    else:
        lora.save_adapter(model, folder, base_name)


def is_saved_as_trained(method: str) -> bool:
    """Whether the artifact holds the very tensors that were trained.

    PiSSA's are converted, prompts are computed, and whole checkpoints are written by another way.
    """
    return method not in (*WHOLE, *PROMPTS, "pissa")


def saved_model(load: Callable[[Path], Any], base: Path, folder: Path) -> Any:
    """The plain model of a base and what was trained."""
    if whole.is_checkpoint(folder):
        return load(folder)
    model = load(base)
    return prompts.saved(model, folder) if prompts.is_prompt(folder) else plain_model(lora.saved_adapter(model, folder))


def plain_model(model: Any) -> Any:
    """transformers' model, its layers adapted or not."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
