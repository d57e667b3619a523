"""The sizes of virtual tokens, by the model that they stand in.

In: a loaded model, the section's knobs. Out: peft's configuration. Shapes of keys are read from what the model caches, not from its
configuration, whose words for them differ by architecture.
"""

from __future__ import annotations

from typing import Any

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.models.load import probe_ids


def prompt_configuration(model: Any, section: Training) -> Any:
    """peft's configuration, with the sizes of the model."""
    from peft import PrefixTuningConfig, PromptEncoderConfig

    config_of: Any
    if section.method == "p_tuning":
        width = model.get_input_embeddings().weight.shape[1]
        heads = model.config.get_text_config().num_attention_heads
        settings = {"encoder_hidden_size": width, "encoder_dropout": 0.0}
        layers, config_of = model.config.get_text_config().num_hidden_layers, PromptEncoderConfig
    else:
        layers, heads, size = _cache_shape(model)
        width, settings, config_of = heads * size, {}, PrefixTuningConfig
    return config_of(
        num_virtual_tokens=section.virtual_tokens,
        token_dim=width,
        num_layers=layers,
        num_attention_heads=heads,
        num_transformer_submodules=1,
        task_type="CAUSAL_LM",
        **settings,
    )


def _cache_shape(model: Any) -> tuple[int, int, int]:
    """Layers, heads and their size, of the keys that the model caches."""
    import torch
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    try:
        with torch.no_grad():
            getattr(model, model.base_model_prefix)(
                input_ids=probe_ids(model).to(model.device)[:, :2], past_key_values=cache, use_cache=True
            )
        shapes = {(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in cache.layers}
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise StageError(
            f"{type(model).__name__} caches no keys ({error}); expected to: choose method p_tuning or lora"
        ) from error
    sizes = next(iter(shapes), (0, 0, 0))
    if len(shapes) != 1 or sizes[1] != sizes[2]:
        raise StageError(
            f"{type(model).__name__} caches keys and values of shapes {sorted(shapes)} (heads, key, value); expected one shape, as"
            " peft's prefix has: choose method p_tuning or lora"
        )
    return len(cache.layers), sizes[0], sizes[1]
