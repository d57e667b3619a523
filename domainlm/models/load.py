"""Loading a checkpoint for packed training, with checks.

In: a folder of safetensors. Out: a frozen causal language model on sdpa attention. Two properties are tested on the
loaded model rather than looked up by its name: that logits are nothing but hidden states times the output weight (the
chunked loss computes them so), and that a packed segment does not see its neighbour. Some architectures silently
break both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError

if TYPE_CHECKING:
    import torch

PROBE_TOKENS = 16


def load_model(folder: Path, dtype: str) -> Any:
    """A frozen model in evaluation mode (no dropout).

    dtype: bfloat16, float32, or auto for the stored precision.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        attn_implementation="sdpa",
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    model: Any = check_loaded(*loaded)
    model.requires_grad_(False)
    return model.eval()


def check_loaded(model: Any, loading: Mapping[str, Any]) -> Any:
    """The model, if no weight is missing.

    Raises StageError otherwise: transformers would log missing weights, and draw them at random.
    """
    missing = sorted(loading["missing_keys"])
    if missing:
        raise StageError(
            f"{type(model).__name__} has {len(missing)} weights that the checkpoint lacks, the first one {missing[0]};"
            " expected all of them: config.json and weights are not of one model, or a file is missing in"
            " sources.<base_model>"
        )
    return model


def hidden_states(model: Any, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Last hidden states [rows, length, width] of packed rows.

    Positions that restart separate the segments. There is no attention mask and no cache: with either, transformers
    does not look for the restarts.
    """
    decoder = getattr(model, model.base_model_prefix)
    result: torch.Tensor = decoder(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
    return result


def output_weight(model: Any) -> torch.Tensor:
    """Weight [vocabulary, width] of the output layer."""
    weight: torch.Tensor = model.get_output_embeddings().weight
    return weight


def check_trainable(model: Any) -> None:
    """Raise StageError if loss or packing would be silently wrong.

    This depends on the architecture.
    """
    import torch

    size = min(int(output_weight(model).shape[0]), int(model.get_input_embeddings().weight.shape[0]))
    ids = (torch.arange(2 * PROBE_TOKENS) * 7 % size).unsqueeze(0)
    positions = torch.arange(PROBE_TOKENS).repeat(2).unsqueeze(0)
    name = type(model).__name__
    with torch.no_grad():
        hidden = hidden_states(model, ids, positions)
        expected = model(input_ids=ids, position_ids=positions, use_cache=False).logits
        if not torch.equal(torch.nn.functional.linear(hidden, output_weight(model)), expected):
            raise StageError(
                f"{name} computes its logits by more than hidden states times the output weight (a bias, scale or"
                " soft cap); the chunked loss covers plain output layers only: choose another base model"
            )
        other = ids.clone()
        other[:, :PROBE_TOKENS] = (ids[:, :PROBE_TOKENS] + 1) % size
        if not torch.equal(hidden[:, PROBE_TOKENS:], hidden_states(model, other, positions)[:, PROBE_TOKENS:]):
            raise StageError(
                f"{name} lets a packed document see the one before it (its attention ignores position_ids that"
                " restart); choose a base model with full attention, such as Llama or Qwen2"
            )
