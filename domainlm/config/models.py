"""Sections of the stages from the base model to the report."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from domainlm.config.section import Name, Share, Strict


def _written_out(value: Any) -> Any:
    """A date without quotes is a date to YAML 1.1."""
    return value.isoformat() if type(value) is datetime.date else value


def _known_date(value: str) -> str:
    try:
        datetime.date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(
            f'{value!r} is no date ({error}); expected year, month and day, such as "2024-07-26"'
        ) from None
    return value


Date = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    BeforeValidator(_written_out, json_schema_input_type=str),
    AfterValidator(_known_date),
]


class BaseModelConfig(Strict):
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="precision the base checkpoint is stored in")
    end_of_text: str | None = Field(
        None, description="token that ends a document (null: <|endoftext|> where the tokenizer has it, else its eos)"
    )
    is_digit_splitting_restored: bool = Field(
        True, description="put the digit pre-tokenizer back that the conversion from GGUF drops"
    )


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
    max_validation_rows: int = Field(16, ge=1, description="validation rows that the loss to choose by is computed on")


class PtAdapter(Training):
    pass


class MergedModel(Strict):
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="precision the merged model is stored in")
    certificate_rows: int = Field(4, ge=1, description="validation rows that the certificate compares on")
    max_kl: float = Field(5e-4, gt=0, description="largest mean KL divergence to base + adapter, nats per token")
    max_nll_difference: float = Field(5e-3, gt=0, description="largest difference of mean NLL, nats per token")


class SftDataset(Strict):
    max_documents: int | None = Field(150, ge=1, description="training documents to ask about (null: all)")
    max_questions_per_document: int = Field(4, ge=1, le=5, description="questions derived from one document")
    max_answer_chars: int = Field(320, ge=20, description="answers end at a sentence within this many characters")


class SftTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")
    system_prompt: str | None = Field(
        "You are a careful assistant. Answer briefly and precisely.", description="system turn of every conversation"
    )
    template_date: Date | None = Field(
        "2024-07-26",
        description="date that a chat template is told where it asks for today's (null: a template that asks is refused)",
    )


class SftAdapter(Training):
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    relay: Literal["merge", "continue", "none"] = Field(
        "merge", description="start from the merged model, continue the PT adapter, or start from the bare base"
    )


class EvalResults(Strict):
    max_definitions: int = Field(320, ge=1, description="test documents whose body is scored")
    max_answers: int = Field(320, ge=1, description="test questions whose reference answer is scored")
    max_choices: int = Field(50, ge=0, description="multiple-choice questions")
    max_generations: int = Field(64, ge=0, description="test questions answered greedily")
    max_new_tokens: int = Field(128, ge=1, description="longest generated answer, in tokens")
    max_general_tokens: int = Field(8_000, ge=1, description="tokens scored of each general or evaluation text")
    bootstrap_samples: int = Field(2000, ge=100, description="resamples behind each interval")
    compare: list[Name] = Field([], description="domains whose built results are compared with this one's")


class EvalReport(Strict):
    title: str = Field("", description="title of the report (empty: the domain's name)")
