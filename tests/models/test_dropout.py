from __future__ import annotations

import torch

from domainlm.models.dropout import dropped, dropping, is_dropping

ONES = torch.ones(2, 50, 40)


def drawn(update: str, rows: list[int], layer: str = "a") -> torch.Tensor:
    with dropping(update, rows):
        return dropped(ONES[: len(rows)], 0.25, layer)


def test_a_mask_is_a_function_of_update_row_and_layer() -> None:
    both = drawn("17:3", [4, 9])
    assert torch.equal(both[:1], drawn("17:3", [4]))
    assert torch.equal(both[1:], drawn("17:3", [9]))
    for other in (drawn("17:4", [4]), drawn("18:3", [4]), drawn("17:3", [5]), drawn("17:3", [4], "b")):
        assert not torch.equal(both[:1], other)


def test_the_share_is_dropped_and_the_rest_scaled_up() -> None:
    found = drawn("1:1", [0, 1])
    assert set(found.unique().tolist()) == {0.0, (ONES[0, 0, 0] / 0.75).item()}
    assert abs(float((found == 0).float().mean()) - 0.25) < 0.03


def test_the_global_random_state_stays_and_nothing_is_dropped_outside() -> None:
    state = torch.random.get_rng_state()
    drawn("1:1", [0])
    assert torch.equal(state, torch.random.get_rng_state())
    assert not is_dropping()
