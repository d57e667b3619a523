from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from material.trainings import LENGTHS, SECTION

from domainlm.contract import Resources, StageError
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import read_split
from domainlm.training.gradients import accumulate_gradients, clip_gradients


def test_a_global_batch_has_one_mean_however_it_is_cut(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    base = make_base("llama")
    results = []
    for micro_batch_rows in (1, 3, 4):
        model = new_adapter(load_model(base, "float32"), SECTION, 17)
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        resources = Resources(threads=2, micro_batch_rows=micro_batch_rows)
        layer = output_layer(model.get_base_model())
        loss = accumulate_gradients(model.get_base_model(), layer, weights, rows, [0, 1, 2, 3], resources)
        results.append((loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], abs=1e-6)
        assert torch.allclose(gradient, results[0][1], atol=1e-6)


def test_an_adapter_that_no_text_passes_is_named(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    model = new_adapter(load_model(make_base("llama"), "float32"), SECTION, 17).get_base_model()
    model.seer = torch.nn.ParameterDict({"lora_A": torch.nn.Parameter(torch.zeros(4, 4))})
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rows = read_split(make_tokens(LENGTHS), "train")
    with pytest.raises(StageError, match=r"^target_modules: .* on the adapter of seer \(1 such layers\)"):
        accumulate_gradients(model, output_layer(model), weights, rows, [0], Resources(threads=1))


def test_gradients_are_scaled_down_to_the_norm() -> None:
    weights = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))]
    for weight in weights:
        weight.grad = torch.full_like(weight, 2.0)
    clip_gradients(weights, 1.0)
    total = sum(float(w.grad.square().sum()) for w in weights if w.grad is not None)
    assert math.sqrt(total) == pytest.approx(1.0)
