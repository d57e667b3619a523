from __future__ import annotations

from dataclasses import replace

import pytest
from material.model_shapes import QWEN_7B, QWEN_14B

from domainlm.explain.model_shape import shape_of
from domainlm.explain.training_fit import (
    CARDS,
    CHANGES,
    cpu_remedy,
    fits,
    flop_of_token,
    published_speed,
    remedy,
)
from domainlm.explain.training_memory import Job, Machine, training_memory

SHAPE = shape_of(QWEN_14B)
CARD = Machine("gpu")
LORA = Job(window=4096)
SMALL, MIDDLE, LARGE = CARDS
CHECKPOINTING = "activation_checkpointing: 1"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (LORA, [(CHECKPOINTING, "method: qlora"), (), ()]),
        (replace(LORA, method="qlora"), [(CHECKPOINTING,), (), ()]),
        (replace(LORA, micro_batch_rows=2), [(CHECKPOINTING, "method: qlora"), ("micro_batch_rows: 1",), ()]),
        (replace(LORA, precision="float32"), [(CHECKPOINTING, "method: qlora"), ("precision: bfloat16",), ()]),
        # 16 bytes a parameter: 236 GB, and the activations
        (
            replace(LORA, method="full"),
            [
                (CHECKPOINTING, "method: qlora"),
                (CHECKPOINTING, "ZeRO-3 over 4 cards"),
                (CHECKPOINTING, "ZeRO-3 over 2 cards"),
            ],
        ),
    ],
)
def test_the_fewest_changes_that_make_a_14b_fit(job: Job, expected: list[tuple[str, ...]]) -> None:
    found = [remedy(SHAPE, job, CARD, card) for card in CARDS]
    assert found == expected
    for card, names in zip(CARDS, expected, strict=True):
        # whatever is named is enough, and is needed
        changed: tuple[Job, Machine] = (job, CARD)
        for name in names:
            assert not fits(SHAPE, *changed, card)
            after = CHANGES[name](*changed)
            assert after is not None
            changed = after
        assert fits(SHAPE, *changed, card)


def test_full_training_gets_more_cards_before_another_method() -> None:
    found = remedy(SHAPE, replace(LORA, method="full"), CARD, MIDDLE)
    assert found is not None
    assert any(name.startswith("ZeRO-3") for name in found)
    assert not any(name.startswith("method") for name in found)


def test_rows_become_shorter_last() -> None:
    # a window whose inputs of blocks alone take 129 GB
    found = remedy(SHAPE, replace(LORA, window=262144), CARD, MIDDLE)
    assert found is not None
    assert any(name.startswith("sequence_length: ") for name in found)


def test_nothing_makes_a_model_of_a_trillion_fit_one_small_card() -> None:
    shape = shape_of({**QWEN_14B, "num_hidden_layers": 4000})
    assert remedy(shape, LORA, CARD, SMALL) is None


def test_a_nominal_gigabyte_is_smaller_than_the_card_s() -> None:
    assert [card.size for card in CARDS] == [24 * 10**9, 80 * 10**9, 141 * 10**9]


def test_published_speed_is_near_what_was_published() -> None:
    seven = shape_of(QWEN_7B)
    assert published_speed(seven, LORA, CARD, MIDDLE) == pytest.approx(14_110, rel=0.06)
    assert published_speed(SHAPE, LORA, CARD, MIDDLE) == pytest.approx(6_900, rel=0.06)


def test_speed_by_method_cards_and_precision() -> None:
    whole = published_speed(SHAPE, LORA, CARD, MIDDLE)
    assert published_speed(SHAPE, replace(LORA, method="full"), CARD, MIDDLE) == pytest.approx(whole * 4 / 6)
    assert published_speed(SHAPE, replace(LORA, is_checkpointed=True), CARD, MIDDLE) == pytest.approx(whole * 4 / 6)
    assert published_speed(SHAPE, replace(LORA, method="qlora"), CARD, MIDDLE) == pytest.approx(whole * 0.85)
    assert published_speed(SHAPE, LORA, replace(CARD, cards=8), MIDDLE) == pytest.approx(whole * 8)
    assert published_speed(SHAPE, LORA, CARD, SMALL) == pytest.approx(whole * 165.2 / 989.4)


def test_a_mixture_computes_what_its_token_passes() -> None:
    shape = shape_of(
        {
            **QWEN_14B,
            "model_type": "mixtral",
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
            "intermediate_size": 100,
        }
    )
    assert flop_of_token(shape, LORA) == 4 * (shape.parameters - 48 * 6 * 3 * 5120 * 100)


def test_fewer_rows_side_by_side_on_the_cpu() -> None:
    shape = shape_of({**QWEN_7B, "num_hidden_layers": 4, "vocab_size": 1000})
    job, machine = Job(window=512, precision="float32"), Machine("cpu", threads=4)

    def needed(job: Job, threads: int) -> int:
        return training_memory(shape, job, Machine("cpu", threads=threads)).total

    less = replace(job, is_checkpointed=True)
    assert cpu_remedy(shape, job, machine, needed(job, 4)) == ()
    assert cpu_remedy(shape, job, machine, needed(less, 4)) == (CHECKPOINTING,)
    assert cpu_remedy(shape, job, machine, needed(job, 1)) == ("--cores 1",)
    assert cpu_remedy(shape, job, machine, needed(less, 1)) == (CHECKPOINTING, "--cores 1")
    last = ("precision: bfloat16", "micro_batch_rows: 1", CHECKPOINTING, "--cores 1")
    assert cpu_remedy(shape, job, machine, needed(less, 1) - 1) == last
    assert cpu_remedy(shape, job, machine, 10**6) is None
