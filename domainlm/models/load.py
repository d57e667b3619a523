"""Loading a checkpoint for packed training, with checks.

In: a folder of safetensors. Out: a frozen causal language model, its attention computed by sdpa, or by transformers'
plain products (eager) where sdpa lacks what the architecture needs: a soft cap of the attention (Gemma 2), sinks
(gpt-oss). Two properties are tested on the loaded model rather than looked up by its name: that its logits are what
its output layer says (`domainlm.models.output_layer`; the chunked loss computes them so), and that a packed segment
does not see its neighbour. Some architectures silently break both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.output_layer import decoder_of, output_layer

if TYPE_CHECKING:
    import torch

PROBE_TOKENS = 16
OTHER = "choose another model in sources.<base_model>, such as a Llama, Qwen or SmolLM"
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
        attn_implementation=attention(folder),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    model: Any = check_loaded(*loaded)
    model.requires_grad_(False)
    return model.eval()


def attention(folder: Path) -> str:
    """sdpa, or eager where transformers has no sdpa for the architecture."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    known: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    return "sdpa" if type(config) not in known or known[type(config)]._supports_sdpa else "eager"


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


def has_experts(model: Any) -> bool:
    """Whether the model is a mixture of experts."""
    return any(name.rsplit(".", 1)[-1] == "experts" for name, _ in model.named_modules())


def probe_ids(model: Any) -> torch.Tensor:
    """A row of tokens from all over the vocabulary."""
    import torch

    count, size = 2 * PROBE_TOKENS, _vocabulary(model)
    return (torch.arange(count, device=model.device) * max(size // count, 1) % size).unsqueeze(0)


def probe_positions() -> torch.Tensor:
    """Positions of the probe's tokens: two documents of one length."""
    import torch

    return torch.arange(PROBE_TOKENS).repeat(2).unsqueeze(0)


def _vocabulary(model: Any) -> int:
    layers = (model.get_output_embeddings(), model.get_input_embeddings())
    return min(int(layer.weight.shape[0]) for layer in layers)


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

    output_layer(model)
    ids = probe_ids(model)
    size = _vocabulary(model)
    positions = probe_positions()
    name = type(model).__name__
    with torch.no_grad():
        hidden = hidden_states(model, ids, positions)
        if not torch.equal(hidden, _own_hidden_states(model, ids, positions)):
            raise StageError(
                f"{name} gives its decoder more than tokens and positions; expected nothing else, as the loss is computed from what"
                f" the decoder makes of these two: {OTHER}"
            )
        other = ids.clone()
        other[:, :PROBE_TOKENS] = (ids[:, :PROBE_TOKENS] + 1) % size
        change = hidden_states(model, other, positions)[:, PROBE_TOKENS:] - hidden[:, PROBE_TOKENS:]
        if change.any() and not _is_rounding(model, change, ids, other):
            raise StageError(
                f"{name} lets a packed document see the one before it (transformers does not keep this architecture's documents"
                f" apart by position_ids that restart); expected it to, as training and evaluation pack: {OTHER}"
            )


def _own_hidden_states(model: Any, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """The decoder's hidden states where the whole model runs."""
    found: list[torch.Tensor] = []
    keep = found.append
    handle = decoder_of(model).register_forward_hook(lambda module, inputs, output: keep(output.last_hidden_state))
    try:
        model(input_ids=ids, position_ids=positions, use_cache=False)
    finally:
        handle.remove()
    return found[0]


def _is_rounding(model: Any, change: torch.Tensor, ids: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether a packed document's change is only that of its products' shapes.

    The experts of a mixture multiply the tokens of a row that chose them, in groups that the other documents change.
    A model that sees the other document changes by as much as one that is given both as one document.
    """
    import torch

    if not has_experts(model):
        return False
    positions = torch.arange(2 * PROBE_TOKENS).unsqueeze(0)
    seen = hidden_states(model, other, positions) - hidden_states(model, ids, positions)
    return bool(change.abs().mean() < MAX_ROUNDING_SHARE * seen[:, PROBE_TOKENS:].abs().mean())
