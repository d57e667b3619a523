"""Knobs of instruction tuning: the data, their tokens, the adapter."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from domainlm.config.section import Model, Share, Slice, Strict, derived, own
from domainlm.config.sources import Patterns
from domainlm.config.training import Training


def _written_out(value: Any) -> Any:
    """A date as text; without quotes, YAML 1.1 reads a date."""
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


class SftDataset(Strict):
    has_derived_questions: bool = Field(
        True, description="derive questions from the documents (false: own conversations alone are learned)"
    )
    validation_share: Share = Field(
        0.04,
        description="share of own conversations (sources of role instruction) held out for validation, in whole groups",
    )
    test_share: Share = Field(0.06, description="share of own conversations held out for testing, in whole groups")
    max_documents: int | None = Field(150, ge=1, description="training documents that give questions (null: all)")
    max_questions_per_document: int = Field(
        4, ge=1, le=5, description="maximum number of questions derived from one document"
    )
    min_questions_per_document: int = Field(
        3,
        ge=1,
        le=5,
        description="a document that gives fewer questions is not asked about (at most max_questions_per_document counts)",
    )
    max_answer_chars: int = Field(320, ge=20, description="answers end at a sentence within this many characters")


class MixPart(Strict):
    """A part of the training conversations.

    A pattern that is not named matches all; derived questions have the form `derived`.
    """

    source: Patterns | None = Field(None, description="name of the source, a glob pattern or a list of them")
    form: Patterns | None = Field(
        None, description="form of the conversations (messages, alpaca, derived, ...), likewise"
    )
    share: float = Field(gt=0, le=1, description="share of the learned tokens; the shares of all parts add up to 1")


def _whole(parts: list[MixPart]) -> list[MixPart]:
    total = sum(part.share for part in parts)
    if parts and abs(total - 1) > 1e-6:
        raise ValueError(f"the shares of the mix add up to {total:.6g}; expected 1")
    return parts


class SftTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")
    long_conversations: Literal["rejected", "cut"] = Field(
        "rejected", description="conversations longer than a row: rejected, or cut after the last answer that fits"
    )
    mix: Annotated[list[MixPart], AfterValidator(_whole)] = Field(
        [],
        description="shares of the learned training tokens by source and form; the first part that matches counts ([]: all are taken)",
    )
    system_prompt: str | None = Field(
        "You are a careful assistant. Answer briefly and precisely.", description="system turn of every conversation"
    )
    template_date: Date | None = Field(
        "2024-07-26",
        description="date that a chat template receives as today's (null: a template that asks for it is refused)",
    )


class SftAdapter(Training):
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    relay: Literal["merge", "continue", "none", "instruct_residual"] = Field(
        "merge",
        description="start from the merged model, continue the PT adapter, start from the bare base, or from the merged model plus"
        " the difference of an instruct model",
    )


class SftDatasetSlice(Slice):
    section: SftDataset
    seed: int = own("seed")
    language: Literal["en", "zh"] = own("language")


class SftTokensSlice(Slice):
    section: SftTokens
    chat: str = derived("sft_adapter.relay", "base_model")


class SftAdapterSlice(Slice):
    section: SftAdapter
    seed: int = own("seed")
    start: Model = derived("sft_adapter.relay")
