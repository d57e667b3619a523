"""The room that a model's positions leave for what is evaluated.

In: a checkpoint's config.json, held-out sets, the length of a generated answer. Out: the sets without the items that
are too long, and how many those are; or StageError for a knob that leaves no room. Beyond its positions a model was not
trained, so that a figure would say nothing of it, or has no row in a table. Items are not cut: a cut question is
another question. Training rejects conversations that are too long in the same way. Running text needs no room here,
since it is scored in windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from domainlm.contract import StageError
from domainlm.evaluation.scoring import encode_answer, encode_pair, rounded_up
from domainlm.evaluation.sets import Encoder, HeldOutSet, Item
from domainlm.models.positions import max_row_tokens

KNOB = "eval_results.max_new_tokens"


def checked_positions(base: Path, max_new_tokens: int) -> int | None:
    """The positions of a checkpoint; None if it does not say.

    max_new_tokens: of an answer, 0 for none. Raises StageError if it takes all positions.
    """
    limit = max_row_tokens(json.loads((base / "config.json").read_text(encoding="utf-8")))
    if limit is None:
        return None
    if max_new_tokens >= limit[0]:
        raise StageError(
            f"{KNOB} is {max_new_tokens}, and the base model has {limit[0]} positions ({limit[1]} in config.json); expected"
            f" fewer, so that a question has room before its answer: set {KNOB} to {limit[0] // 2} or less, or choose another"
            " model in sources.<base_model>"
        )
    return limit[0]


def fewest_positions(checkpoints: Iterable[Path], max_new_tokens: int) -> int | None:
    """The positions that every checkpoint has; None if none says.

    An instruct model may name fewer than its base.
    """
    found = [checked_positions(folder, max_new_tokens) for folder in checkpoints]
    return min((positions for positions in found if positions is not None), default=None)


def within_positions(
    sets: Iterable[HeldOutSet], encoder: Encoder, positions: int | None, max_new_tokens: int
) -> tuple[list[HeldOutSet], dict[str, int]]:
    """The sets with the items that fit, and counts of the others.

    The counts are by set. Raises StageError if no question has room for its answer.
    """
    found: list[HeldOutSet] = []
    left_out: dict[str, int] = {}
    for each in sets:
        if positions is None:
            found.append(each)
            continue
        lengths = [item_tokens(each, item, encoder, max_new_tokens) for item in each.items]
        fitting = [item for item, tokens in zip(each.items, lengths, strict=True) if tokens <= positions]
        if len(fitting) < len(lengths):
            left_out[each.name] = len(lengths) - len(fitting)
        if fitting:
            found.append(replace(each, items=tuple(fitting)))
        elif each.output_type == "generate_until":
            raise StageError(
                f"{KNOB} is {max_new_tokens}, and with that none of {len(lengths)} questions fits into the {positions}"
                f" positions of the base model (the shortest needs {min(lengths)} with its answer); expected room for both:"
                f" set a lower {KNOB}, or eval_results.max_generations to 0"
            )
    return found, left_out


def item_tokens(held_out: HeldOutSet, item: Item, encoder: Encoder, max_new_tokens: int) -> int:
    """The most positions that a model needs for an item."""
    if held_out.output_type == "loglikelihood_rolling":
        return 0
    context = item["context"]
    if held_out.output_type == "generate_until":
        # of a batch's width, since models whose rotation depends on the length count its padding
        return rounded_up(len(encoder.tokenizer.encode(context, add_special_tokens=False).ids)) + max_new_tokens
    if held_out.is_prompted:
        return len(encode_answer(encoder.tokenizer, context, item["continuation"]).ids)
    texts = item["choices"] if held_out.output_type == "multiple_choice" else [item["continuation"]]
    return max(len(encode_pair(encoder.texts, context, text, encoder.tokens).ids) for text in texts)
