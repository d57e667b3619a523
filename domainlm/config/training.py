"""Knobs of training, for PT and SFT."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainlm.config.methods import Method
from domainlm.config.section import Share, Strict


class Training(Strict):
    method: Method = Field(
        "lora", description="what is trained (how-to/methods.md: share of the weights, memory, when)"
    )
    rank: int = Field(16, ge=1, description="rank of an adapter")
    alpha: int = Field(32, ge=1, description="scale of an adapter: alpha / rank (rslora: alpha / square root of rank)")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of an adapter's inputs that an update sets to zero")
    lora_plus_ratio: float = Field(16.0, gt=0, description="learning rate of B over that of A (lora_plus)")
    target_modules: list[str] | Literal["all-linear", "mlp", "attention"] = Field(
        "all-linear", description="linear layers that get an adapter: a kind, or names"
    )
    layers: list[int] | None = Field(
        None, min_length=1, description="decoder layers that get adapters, from 0; negative from the end (null: all)"
    )
    osf_kept_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of each weight's singular directions, the largest, that is kept as it is (osf)",
    )
    virtual_tokens: int = Field(20, ge=1, description="virtual tokens before every text (p_tuning, prefix_tuning)")
    trained_embeddings: Literal["none", "all"] = Field(
        "none", description="whether token embeddings and output layer are trained besides an adapter"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    epochs: int = Field(1, ge=1, description="passes over the rows")
    rows_per_step: int = Field(4, ge=1, description="global batch: rows of sequence_length tokens in one update")
    warmup_share: Share = Field(0.1, description="share of the updates with rising learning rate")
    final_learning_rate_share: Share = Field(
        0.1, description="learning rate at the end, as a share of the peak (cosine)"
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay of the adapter")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down")
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="compute precision; adapters stay fp32 (auto: bfloat16 where this machine multiplies it faster, else float32)",
    )
    max_validation_rows: int = Field(
        16, ge=1, description="maximum number of rows that the validation loss is computed on"
    )
