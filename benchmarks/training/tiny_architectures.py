"""Configurations of well-known architectures, each of a tiny model.

In: nothing. Out: for each name the config.json of a model with the flags of the real one (scales, soft caps, biases, windows,
rotations, experts) and few layers, narrow ones. Windows are shorter than the documents that the script packs, and so is the
original length of a rotation that depends on the longest document, where the script packs such a one.
"""

from __future__ import annotations

from typing import Any

WINDOW = 8
POSITIONS = 1024
# evaluation's rows have 512 tokens
ORIGINAL = 512
WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": POSITIONS}
GROUPED = {**WIDE, "num_key_value_heads": 2, "intermediate_size": 64}
LLAMA = {**GROUPED, "rms_norm_eps": 1e-5, "tie_word_embeddings": False}
TIED = {**LLAMA, "tie_word_embeddings": True}
GEMMA = {**TIED, "head_dim": 16, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
LATENT = {"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "first_k_dense_replace": 1}
SLIDING = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
LONGROPE = {"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 2.0, 4.0, 8.0]}

# name in the table: (model_type, class, the configuration's own values)
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Llama 2": ("llama", "LlamaForCausalLM", {**LLAMA, "num_key_value_heads": 4}),
    "Llama 3.1 (rope llama3)": (
        "llama",
        "LlamaForCausalLM",
        {
            **LLAMA,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        },
    ),
    # the original length of transformers' dynamic rotation is max_position_embeddings
    "Llama (rope dynamic)": (
        "llama",
        "LlamaForCausalLM",
        {**LLAMA, "max_position_embeddings": ORIGINAL, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}},
    ),
    "Qwen2": ("qwen2", "Qwen2ForCausalLM", {**TIED, "rope_theta": 1000000.0, "use_sliding_window": False}),
    "Qwen2 (sliding window)": (
        "qwen2",
        "Qwen2ForCausalLM",
        {**TIED, "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "Qwen3": ("qwen3", "Qwen3ForCausalLM", {**TIED, "head_dim": 16, "attention_bias": False}),
    "Qwen3-MoE": (
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        {**LLAMA, **EXPERTS, "head_dim": 16, "num_experts": 8, "norm_topk_prob": True, "decoder_sparse_step": 1},
    ),
    "Gemma 1": ("gemma", "GemmaForCausalLM", {**GEMMA, "num_key_value_heads": 1}),
    "Gemma 2": (
        "gemma2",
        "Gemma2ForCausalLM",
        {
            **GEMMA,
            **SLIDING,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "query_pre_attn_scalar": 16,
        },
    ),
    "Gemma 3 (text)": (
        "gemma3_text",
        "Gemma3ForCausalLM",
        {**GEMMA, **SLIDING, "query_pre_attn_scalar": 16, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0},
    ),
    "Mistral (sliding window)": ("mistral", "MistralForCausalLM", {**LLAMA, "sliding_window": WINDOW}),
    "Mixtral": ("mixtral", "MixtralForCausalLM", {**LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "Phi-2": (
        "phi",
        "PhiForCausalLM",
        {**GROUPED, "num_key_value_heads": 4, "partial_rotary_factor": 0.5, "tie_word_embeddings": False},
    ),
    "Phi-3 (sliding window)": ("phi3", "Phi3ForCausalLM", {**LLAMA, "sliding_window": WINDOW}),
    "Phi-3.5 (rope longrope)": (
        "phi3",
        "Phi3ForCausalLM",
        {**LLAMA, "rope_scaling": LONGROPE, "original_max_position_embeddings": ORIGINAL},
    ),
    "GLM-4": (
        "glm4",
        "Glm4ForCausalLM",
        {**LLAMA, "head_dim": 8, "partial_rotary_factor": 0.5, "attention_bias": True},
    ),
    "OLMo 2": ("olmo2", "Olmo2ForCausalLM", LLAMA),
    "OLMo 3 (sliding window)": ("olmo3", "Olmo3ForCausalLM", {**LLAMA, **SLIDING}),
    "SmolLM3": ("smollm3", "SmolLM3ForCausalLM", {**TIED, "no_rope_layers": [1, 0], "use_sliding_window": False}),
    "Granite": (
        "granite",
        "GraniteForCausalLM",
        {
            **TIED,
            "embedding_multiplier": 12.0,
            "attention_multiplier": 0.125,
            "residual_multiplier": 0.22,
            "logits_scaling": 8.0,
        },
    ),
    "Granite-MoE": (
        "granitemoe",
        "GraniteMoeForCausalLM",
        {
            **TIED,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "embedding_multiplier": 12.0,
            "attention_multiplier": 0.125,
            "residual_multiplier": 0.22,
            "logits_scaling": 6.0,
        },
    ),
    "GPT-2": ("gpt2", "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}),
    "GPT-NeoX (Pythia)": (
        "gpt_neox",
        "GPTNeoXForCausalLM",
        {
            **WIDE,
            "intermediate_size": 64,
            "rotary_pct": 0.25,
            "use_parallel_residual": True,
            "tie_word_embeddings": False,
        },
    ),
    "GPT-J": (
        "gptj",
        "GPTJForCausalLM",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS, "rotary_dim": 8},
    ),
    "GPT-Neo": (
        "gpt_neo",
        "GPTNeoForCausalLM",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "max_position_embeddings": POSITIONS,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
        },
    ),
    "OPT": (
        "opt",
        "OPTForCausalLM",
        {**WIDE, "ffn_dim": 64, "word_embed_proj_dim": 32, "do_layer_norm_before": True, "activation_function": "relu"},
    ),
    "Falcon": (
        "falcon",
        "FalconForCausalLM",
        {
            **WIDE,
            "multi_query": True,
            "parallel_attn": True,
            "bias": False,
            "new_decoder_architecture": False,
            "alibi": False,
        },
    ),
    "BLOOM": ("bloom", "BloomForCausalLM", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "Cohere (Command R)": (
        "cohere",
        "CohereForCausalLM",
        {**GROUPED, "logit_scale": 0.0625, "use_qk_norm": False, "tie_word_embeddings": True},
    ),
    "Cohere 2 (Command R7B)": (
        "cohere2",
        "Cohere2ForCausalLM",
        {**GROUPED, **SLIDING, "logit_scale": 0.25, "tie_word_embeddings": True},
    ),
    "DeepSeek-V2": (
        "deepseek_v2",
        "DeepseekV2ForCausalLM",
        {
            **LLAMA,
            **LATENT,
            "q_lora_rank": None,
            "num_key_value_heads": 4,
            "n_routed_experts": 8,
            "n_shared_experts": 1,
            **EXPERTS,
        },
    ),
    "DeepSeek-V3": (
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        {
            **LLAMA,
            **LATENT,
            **EXPERTS,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "n_routed_experts": 8,
            "n_shared_experts": 1,
            "n_group": 2,
            "topk_group": 1,
            "routed_scaling_factor": 2.5,
            "norm_topk_prob": True,
            "num_nextn_predict_layers": 0,
        },
    ),
    "gpt-oss": (
        "gpt_oss",
        "GptOssForCausalLM",
        {
            **LLAMA,
            **SLIDING,
            "head_dim": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "attention_bias": True,
            "rope_theta": 150000.0,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 32.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "truncate": False,
                "original_max_position_embeddings": 32,
            },
        },
    ),
    "StarCoder2": ("starcoder2", "Starcoder2ForCausalLM", {**GROUPED, "use_bias": True, "sliding_window": WINDOW}),
    "StableLM": (
        "stablelm",
        "StableLmForCausalLM",
        {**GROUPED, "partial_rotary_factor": 0.25, "use_qkv_bias": True, "tie_word_embeddings": False},
    ),
    "EXAONE 4": ("exaone4", "Exaone4ForCausalLM", {**LLAMA, **SLIDING}),
    "MiniCPM3": (
        "minicpm3",
        "MiniCPM3ForCausalLM",
        {
            **TIED,
            "num_key_value_heads": 4,
            "dim_model_base": 16,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
        },
    ),
    "Falcon-H1": (
        "falcon_h1",
        "FalconH1ForCausalLM",
        {**LLAMA, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_state": 8},
    ),
    "LFM2": ("lfm2", "Lfm2ForCausalLM", {**TIED, "layer_types": ["conv", "full_attention"]}),
    "Qwen3-Next": (
        "qwen3_next",
        "Qwen3NextForCausalLM",
        {
            **LLAMA,
            **EXPERTS,
            "num_experts": 4,
            "shared_expert_intermediate_size": 32,
            "head_dim": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
        },
    ),
    "Mamba": ("mamba", "MambaForCausalLM", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
}


def configuration(name: str, vocabulary: int) -> dict[str, Any]:
    """The config.json of an architecture."""
    kind, model_class, values = ARCHITECTURES[name]
    own = {"vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    # so that attention, and what it must not see, makes a difference in so narrow a model
    return {"initializer_range": 0.2, **values, **own, "model_type": kind, "architectures": [model_class]}
