"""Sections of the stages from the base model to the report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainlm.config.section import Share, Slice, Strict, own


class PtTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")


class Training(Strict):
    rank: int = Field(16, ge=1, description="LoRA rank")
    alpha: int = Field(32, ge=1, description="LoRA alpha (scale = alpha / rank)")
    target_modules: list[str] | Literal["all-linear"] = Field("all-linear", description="modules that get an adapter")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    epochs: int = Field(1, ge=1, description="passes over the rows")
    rows_per_step: int = Field(4, ge=1, description="global batch: rows of sequence_length tokens in one update")
    warmup_share: Share = Field(0.1, description="share of the updates with rising learning rate")
    final_learning_rate_share: Share = Field(
        0.1, description="learning rate at the end, as a share of the peak (cosine)"
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay of the adapter")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down")
    precision: Literal["bfloat16", "float32"] = Field("float32", description="compute precision (adapters stay fp32)")
    max_validation_rows: int = Field(
        16, ge=1, description="maximum number of rows that the validation loss is computed on"
    )


class PtAdapter(Training):
    pass


class MergedModel(Strict):
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", description="precision the merged model is stored in (auto: float16 if base_model is, else bfloat16)"
    )
    certificate_rows: int = Field(4, ge=1, description="validation rows on which the certificate compares the models")
    max_kl: float = Field(5e-4, gt=0, description="maximum mean KL divergence to base + adapter, nats per token")
    max_nll_difference: float = Field(5e-3, gt=0, description="maximum difference of mean NLL, nats per token")


class PtTokensSlice(Slice):
    section: PtTokens


class PtAdapterSlice(Slice):
    section: PtAdapter
    seed: int = own("seed")


class MergedModelSlice(Slice):
    section: MergedModel
