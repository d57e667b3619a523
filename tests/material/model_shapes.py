"""Configurations of models: small ones of every kind that the memory planner knows, and those of Qwen2.5-7B and 14B."""

from __future__ import annotations

from typing import Any

WIDE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 72,
    "vocab_size": 300,
    "pad_token_id": 0,
}
QWEN_14B = {
    "model_type": "qwen2",
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "num_hidden_layers": 48,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
QWEN_7B = {
    **QWEN_14B,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
}
# what a kind has besides
OWN: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "qwen3": {"head_dim": 12},
    "gemma": {"head_dim": 12},
    "gemma2": {"head_dim": 12},
    "gemma3_text": {"head_dim": 12},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"head_dim": 12, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0},
}


def random_model(config: Any, **options: Any) -> Any:
    """A model of random weights."""
    from transformers import AutoModelForCausalLM

    model_type: Any = AutoModelForCausalLM
    return model_type.from_config(config, **options)


def configuration(kind: str, **more: Any) -> Any:
    from transformers import AutoConfig

    values = {"vocab_size": 300} if kind == "gpt2" else WIDE
    return AutoConfig.for_model(kind, **{**values, **OWN.get(kind, {}), **more})
