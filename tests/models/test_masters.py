from __future__ import annotations

import torch

from domainlm.models.masters import give_masters, master_of, round_weights


def test_small_steps_are_kept_and_rounded_into_the_weight() -> None:
    model = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        model.weight.fill_(1.0)
    give_masters(model)
    master = master_of(model.weight)
    assert master.dtype == torch.float32
    for _ in range(4):
        with torch.no_grad():
            # a third of a bfloat16 step at 1
            master.add_(0.0026)
        round_weights([model.weight])
    assert model.weight.item() == 1.0078125


def test_float32_weights_are_their_own_and_exact_values_are_taken() -> None:
    model = torch.nn.Linear(2, 1)
    give_masters(model)
    assert master_of(model.weight) is model.weight
    low = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    give_masters(low, {"weight": torch.tensor([[1.001]])})
    assert master_of(low.weight).item() == torch.tensor(1.001).item()
