from __future__ import annotations

import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.training.parameter_groups import parameter_groups, set_rate

NAMED = [(name, torch.nn.Parameter(torch.zeros(1))) for name in ("x.lora_A.default.weight", "x.lora_B.default.weight")]


def rates(section: PtAdapter) -> dict[str, float]:
    optimizer = torch.optim.AdamW(parameter_groups(NAMED, section), lr=1.0)
    set_rate(optimizer, 0.5)
    found = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    return {name: found[id(weight)] for name, weight in NAMED}


def test_all_weights_have_the_schedule_s_rate() -> None:
    assert list(rates(PtAdapter()).values()) == [0.5, 0.5]


def test_lora_plus_trains_b_at_a_higher_rate() -> None:
    assert list(rates(PtAdapter(method="lora_plus")).values()) == [0.5, 8.0]
    assert list(rates(PtAdapter(method="lora_plus", lora_plus_ratio=4.0)).values()) == [0.5, 2.0]
