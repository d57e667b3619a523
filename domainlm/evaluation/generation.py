"""Greedy answers to prompts, in batches of one number of rows.

In: a model and prompts as token ids. Out: for each prompt the answer's ids and whether the model ended it by itself.
Rows are padded on the left to a multiple of 64 tokens and the last batch is filled up, so that a batch's shape does
not depend on the number of prompts. The checkpoint's own generation settings (sampling, repetition penalty) are not
used: models are compared by their most likely answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.evaluation.scoring import rounded_up
from domainlm.models.parallel import parallel_map

BATCH_ROWS = 32


@dataclass(frozen=True)
class Generation:
    """An answer's ids, and whether the model ended it.

    ids: without the token that ends it. is_ended: such a token came before the limit.
    """

    ids: tuple[int, ...]
    is_ended: bool


def greedy_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    pad_id: int,
    max_new_tokens: int,
    tick: Callable[[int], None],
    threads: int = 1,
) -> list[Generation]:
    """Answer of each prompt, in order.

    After each batch, `tick` receives the number of finished prompts.
    """
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=list(stop_ids), pad_token_id=pad_id, use_cache=True
    )
    # alike lengths together: the longest of a batch sets its width
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    found: dict[int, Generation] = {}
    batches = [order[at : at + BATCH_ROWS] for at in range(0, len(order), BATCH_ROWS)]

    def answered(members: list[int]) -> list[list[int]]:
        filled = members + [members[-1]] * (BATCH_ROWS - len(members))
        return _generate(model, [prompts[index] for index in filled], pad_id)

    for members, answers in zip(batches, parallel_map(answered, batches, threads), strict=True):
        for index, ids in zip(members, answers, strict=False):
            end = next((position for position, token in enumerate(ids) if token in stop_ids), None)
            found[index] = Generation(tuple(ids[:end]), end is not None)
        tick(len(found))
    return [found[index] for index in range(len(prompts))]


def _generate(model: Any, prompts: list[Sequence[int]], pad_id: int) -> list[list[int]]:
    import torch

    width = rounded_up(max(len(prompt) for prompt in prompts))
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        output = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
    answers: list[list[int]] = output[:, width:].tolist()
    return answers
