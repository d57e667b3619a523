"""Sections of the stages from the base model to the report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainlm.config.section import Slice, Strict, own
from domainlm.config.training import Training


class PtTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")


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
