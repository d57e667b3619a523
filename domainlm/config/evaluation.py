"""Knobs of evaluation and of the report."""

from __future__ import annotations

from pydantic import Field

from domainlm.config.section import Model, Name, Slice, Strict, derived, own


class EvalResults(Strict):
    max_definitions: int = Field(320, ge=1, description="test documents whose body is scored")
    max_answers: int = Field(320, ge=1, description="test questions whose reference answer is scored")
    max_choices: int = Field(50, ge=0, description="multiple-choice questions")
    max_generations: int = Field(64, ge=0, description="test questions answered greedily")
    max_new_tokens: int = Field(
        128, ge=1, description="longest generated answer, in tokens; the model has positions for it and a question"
    )
    max_general_tokens: int = Field(8_000, ge=1, description="tokens scored of each general or evaluation text")
    bootstrap_samples: int = Field(2000, ge=100, description="resamples behind each interval")
    compare: list[Name] = Field([], description="domains whose built results are compared with those of this domain")


class EvalReport(Strict):
    title: str = Field("", description="title of the report (empty: the domain's name)")


class EvalResultsSlice(Slice):
    section: EvalResults
    seed: int = own("seed")
    system_prompt: str | None = own("sft_tokens.system_prompt")
    template_date: str | None = own("sft_tokens.template_date")
    chat: str = derived("sft_adapter.relay", "base_model")
    models: list[Model] = derived("sft_adapter.relay")


class EvalReportSlice(Slice):
    section: EvalReport
    domain: str = own("domain")
    models: list[Model] = derived("sft_adapter.relay")
