from __future__ import annotations

import math

import pytest

from domainlm.config.pretraining import PtAdapter
from domainlm.training.schedule import learning_rate, row_order, rows_per_step


def test_row_order_is_a_permutation_per_epoch() -> None:
    order = row_order(10, 2, 17)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert order == row_order(10, 2, 17) != row_order(10, 2, 18)


def test_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    section = PtAdapter(learning_rate=1.0, warmup_share=0.2, final_learning_rate_share=0.1)
    rates = [learning_rate(step, 20, section) for step in range(20)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4] == 1.0
    assert rates[-1] == pytest.approx(0.1)
    assert learning_rate(0, 1, section) == 1.0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine", [1.0, 0.965746, 0.722208, 0.231802]),
        ("linear", [1.0, 0.8875, 0.6625, 0.325]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("wsd", [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_each_schedule_has_its_course(schedule: str, expected: list[float]) -> None:
    section = PtAdapter(learning_rate=1.0, schedule=schedule, warmup_share=0.2, final_learning_rate_share=0.1)  # type: ignore[arg-type]
    rates = [learning_rate(step, 11, section) for step in range(11)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert rates[-1] == pytest.approx(1.0 if schedule == "constant" else 0.1)
    assert [rates[2], rates[3], rates[5], rates[8]] == pytest.approx(expected, abs=1e-6)


def test_wsd_falls_by_the_root_over_its_last_share() -> None:
    section = PtAdapter(
        learning_rate=2.0, schedule="wsd", warmup_share=0.0, decay_share=0.4, final_learning_rate_share=0.0
    )
    rates = [learning_rate(step, 10, section) for step in range(10)]
    assert rates[:6] == [2.0] * 6
    assert rates[6:] == pytest.approx([1.0, 2 - 2**0.5, 2 - 3**0.5, 0.0])


def test_a_schedule_without_room_for_its_phases_is_refused() -> None:
    with pytest.raises(ValueError, match=r"warmup_share 0.5 \+ decay_share 0.6"):
        PtAdapter(schedule="wsd", warmup_share=0.5, decay_share=0.6)
    PtAdapter(schedule="cosine", warmup_share=0.5, decay_share=0.6)


def test_the_default_rates_keep_their_bits() -> None:
    section = PtAdapter()
    warmup = 5
    for step in range(warmup, 49):
        fraction = (step - warmup) / (49 - 1 - warmup)
        assert learning_rate(step, 49, section) == 1e-3 * (0.1 + (1 - 0.1) * (1 + math.cos(math.pi * fraction)) / 2)


def test_a_batch_in_tokens_is_rounded_up_to_whole_rows() -> None:
    assert rows_per_step(PtAdapter(rows_per_step=3), 512) == 3
    assert [rows_per_step(PtAdapter(tokens_per_step=count), 512) for count in (1, 512, 513, 8192)] == [1, 1, 2, 16]
