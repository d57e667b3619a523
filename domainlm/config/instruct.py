"""Sections of the stages that give a pretrained model its instruct checkpoint."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from domainlm.config.section import Slice, Strict, derived, listed
from domainlm.config.sources import BaseModelConfig


class InstructModelConfig(BaseModelConfig):
    pass


class InstructResidual(Strict):
    weight: float = Field(
        1.0, gt=0, le=2, description="share of the difference instruct_model - base_model that is added to merged_model"
    )


class InstructModelSlice(Slice):
    section: InstructModelConfig
    source: dict[str, Any] = listed()
    files: list[dict[str, Any]] = listed()
    hub: dict[str, Any] | None = listed()
    has_system_turn: bool = derived("sft_tokens.system_prompt", False)


class InstructResidualSlice(Slice):
    section: InstructResidual
