"""A frozen base of 4 bits, for QLoRA.

In: a checkpoint folder. Out: a model whose linear layers hold NormalFloat4 with doubly quantised constants (arXiv
2305.14314), computed in the section's precision. The adapter is one of the base of 16 bits as well, into which it is
merged: four bits are for the training's memory alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.models.load import attention, check_loaded, check_trainable


def is_installed() -> bool:
    """Whether bitsandbytes is there."""
    from transformers.utils.import_utils import is_bitsandbytes_available

    return bool(is_bitsandbytes_available())


def check_installed() -> None:
    """Raise StageError where bitsandbytes is missing."""
    if not is_installed():
        raise StageError(
            "method qlora needs bitsandbytes, which is not installed; expected it to hold the base in 4 bits: install the extra gpu"
            ' (pip install "domainlm[gpu]"), or set method to lora'
        )


def load_quantised(folder: Path, precision: str, device: Any) -> Any:
    """A frozen model of 4 bits in evaluation mode, checked."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    check_installed()
    dtype = getattr(torch, precision)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        quantization_config=BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
        device_map={"": device},
        attn_implementation=attention(folder),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    model: Any = check_loaded(*loaded)
    model.requires_grad_(False)
    check_trainable(model)
    return model.eval()


def is_quantised(layer: Any) -> bool:
    """Whether a linear layer holds 4 bits."""
    return type(layer).__name__ == "Linear4bit"
