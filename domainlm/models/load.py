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
# of the change that a document makes that is seen; one layer of several that sees it makes a larger share
MAX_ROUNDING_SHARE = 0.1


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


def probe_ids(model: Any) -> torch.Tensor:
    """A row of tokens from all over the vocabulary."""
    import torch

    count, size = 2 * PROBE_TOKENS, _vocabulary(model)
    return (torch.arange(count) * max(size // count, 1) % size).unsqueeze(0)


def _vocabulary(model: Any) -> int:
    return min(int(output_weight(model).shape[0]), int(model.get_input_embeddings().weight.shape[0]))


def probe_logits(model: Any) -> torch.Tensor:
    """The model's logits on the probe, to compare two copies of it."""
    import torch

    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=probe_ids(model), use_cache=False).logits
    return logits


def check_trainable(model: Any) -> None:
    """Raise StageError if loss or packing would be silently wrong.

    This depends on the architecture.
    """
    import torch

    ids = probe_ids(model)
    size = _vocabulary(model)
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
        change = hidden_states(model, other, positions)[:, PROBE_TOKENS:] - hidden[:, PROBE_TOKENS:]
        if change.any() and not _is_rounding(model, change, ids, other):
            raise StageError(
                f"{name} lets a packed document see the one before it (its attention ignores position_ids that"
                " restart); choose a base model with full attention, such as Llama or Qwen2"
            )


def _is_rounding(model: Any, change: torch.Tensor, ids: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether a packed document's change is only that of its products' shapes.

    The experts of a mixture multiply the tokens of a row that chose them, in groups that the other documents change.
    A model that sees the other document changes by as much as one that is given both as one document.
    """
    import torch

    if not any(name.rsplit(".", 1)[-1] == "experts" for name, _ in model.named_modules()):
        return False
    positions = torch.arange(2 * PROBE_TOKENS).unsqueeze(0)
    seen = hidden_states(model, other, positions) - hidden_states(model, ids, positions)
    return bool(change.abs().mean() < MAX_ROUNDING_SHARE * seen[:, PROBE_TOKENS:].abs().mean())
