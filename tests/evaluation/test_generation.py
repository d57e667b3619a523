from __future__ import annotations

from typing import Any

import pytest

from domainlm.evaluation.generation import BATCH_ROWS, greedy_answers

STOP, PAD = 1, 0


class CountingModel:
    """Answers with the prompt's last id, as many times as that id says, then stops; records the shapes it was given."""

    device = "cpu"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.generation_config: Any = None

    def generate(self, input_ids: Any, attention_mask: Any) -> Any:
        import torch

        self.shapes.append(tuple(input_ids.shape))
        assert bool((attention_mask.sum(dim=1) > 0).all())
        assert bool((input_ids[:, -1] > STOP).all())
        limit = self.generation_config.max_new_tokens
        rows = []
        for row in input_ids.tolist():
            answer = [row[-1]] * min(row[-1], limit) + [STOP]
            rows.append((row + answer + [PAD] * limit)[: len(row) + limit])
        return torch.tensor(rows)


@pytest.mark.parametrize("count", [1, BATCH_ROWS, BATCH_ROWS + 3])
def test_answers_come_in_order_and_every_batch_has_one_shape(count: int) -> None:
    model = CountingModel()
    prompts = [[5] * (index % 7) + [2 + index % 4] for index in range(count)]
    done: list[int] = []
    found = greedy_answers(model, prompts, [STOP], PAD, 4, done.append)
    assert [answer.ids for answer in found] == [tuple([prompt[-1]] * min(prompt[-1], 4)) for prompt in prompts]
    assert [answer.is_ended for answer in found] == [prompt[-1] < 4 for prompt in prompts]
    assert set(model.shapes) == {(BATCH_ROWS, 64)}
    assert done[-1] == count
    assert model.generation_config.do_sample is False
