"""Knobs of training, for PT and SFT."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

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
    trained_embeddings: Literal["none", "added", "all"] = Field(
        "none",
        description="rows of token embeddings and output layer that are trained besides an adapter (added: those of"
        " base_model.added_tokens)",
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    epochs: int = Field(1, ge=1, description="passes over the rows")
    rows_per_step: int = Field(4, ge=1, description="global batch: rows of sequence_length tokens in one update")
    tokens_per_step: int | None = Field(
        None, ge=1, description="global batch in tokens, rounded up to whole rows (null: rows_per_step counts)"
    )
    schedule: Literal["cosine", "linear", "constant", "wsd"] = Field(
        "cosine", description="course of the learning rate after the warm-up (wsd: stable, then falling)"
    )
    warmup_share: Share = Field(0.1, description="share of the updates with rising learning rate")
    decay_share: Share = Field(0.2, description="share of the updates with falling learning rate at the end (wsd)")
    final_learning_rate_share: Share = Field(
        0.1, description="learning rate at the end, as a share of the peak (constant: of no effect)"
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay of the adapter")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down")
    kl_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the KL divergence from the model without its adapter, on every label (0: none)",
    )
    neftune_alpha: float = Field(
        0.0, ge=0, description="size of the noise on token embeddings in training (NEFTune; 5 to 15 is usual, 0: none)"
    )
    max_loss_rise: float | None = Field(
        None,
        gt=0,
        description="nats above the median of the last 20 updates at which a loss stops the training (null: no limit)",
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="compute precision; adapters stay fp32 (auto: bfloat16 where this machine multiplies it faster, else float32)",
    )
    max_validation_rows: int = Field(
        16, ge=1, description="maximum number of rows that the validation loss is computed on"
    )
    validation_every: int | None = Field(
        None, ge=1, description="updates between validations while training (null: one, at the end)"
    )
    early_stopping_validations: int | None = Field(
        None, ge=1, description="validations without a new best loss after which the training ends (null: it does not)"
    )
    keeps_best: bool = Field(False, description="keep the weights of the best validation loss, not the last ones")

    @model_validator(mode="after")
    def _has_room_for_its_phases(self) -> Self:
        if self.schedule == "wsd" and self.warmup_share + self.decay_share > 1:
            raise ValueError(
                f"schedule wsd: warmup_share {self.warmup_share} + decay_share {self.decay_share} are more than all updates;"
                " expected at most 1"
            )
        return self

    @model_validator(mode="after")
    def _validates_what_it_decides_by(self) -> Self:
        if self.validation_every is None and (self.keeps_best or self.early_stopping_validations is not None):
            key = "keeps_best" if self.keeps_best else "early_stopping_validations"
            raise ValueError(
                f"{key} decides by validations, and validation_every is null; expected a number of updates"
            )
        return self
