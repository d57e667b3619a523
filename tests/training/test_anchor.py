from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.trainings import LENGTHS, SECTION, Interrupted, interrupt_after, run

from domainlm.contract import Resources, StageError
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, trainable_parameters
from domainlm.models.output_layer import OutputLayer, output_layer
from domainlm.tokens.rows import read_split
from domainlm.training.anchor import adapter_off, anchored_cross_entropy
from domainlm.training.gradients import accumulate_gradients
from domainlm.training.loss import row_losses

WEIGHT = 0.7


@pytest.mark.parametrize(
    "kind", [{}, {"bias": torch.linspace(-1.0, 1.0, 101), "scale": 0.25, "soft_cap": 4.0}, {"soft_cap": 5.0}]
)
@pytest.mark.parametrize("count", [1, 300])
def test_losses_and_gradients_equal_those_of_autograd(count: int, kind: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, 24, generator=generator, requires_grad=True)
    base = torch.randn(count, 24, generator=generator)
    layer = OutputLayer(torch.randn(101, 24, generator=generator), **kind)
    labels = torch.randint(0, 101, (count,), generator=generator)
    given = torch.rand(count, generator=generator)
    losses = anchored_cross_entropy(hidden, layer, labels, base, WEIGHT)
    losses.backward(given)

    def log_probabilities(states: torch.Tensor) -> torch.Tensor:
        logits = states @ layer.weight.double().t()
        logits = (logits if layer.bias is None else logits + layer.bias.double()) * layer.scale
        return (logits if layer.soft_cap is None else layer.soft_cap * torch.tanh(logits / layer.soft_cap)).log_softmax(
            -1
        )

    exact = hidden.detach().double().requires_grad_()
    found, wanted = log_probabilities(exact), log_probabilities(base.double())
    nll = -found.gather(1, labels[:, None])[:, 0]
    (nll + WEIGHT * (wanted.exp() * (wanted - found)).sum(dim=-1)).backward(given.double())
    assert torch.allclose(losses.double(), nll, atol=1e-5)
    assert hidden.grad is not None
    assert exact.grad is not None
    assert torch.allclose(hidden.grad.double(), exact.grad, atol=1e-5)


def adapted(base: Path) -> Any:
    """A model whose adapter says something."""
    model = new_adapter(load_model(base, "float32"), SECTION, 17)
    generator = torch.Generator().manual_seed(1)
    for name, weight in trainable_parameters(model):
        if "lora_B" in name:
            weight.data.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return model


def test_the_base_is_the_model_without_its_adapter(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    base, rows = make_base("llama"), read_split(make_tokens(LENGTHS), "train")
    model = adapted(base).get_base_model()
    before = row_losses(model, rows, [0, 1])
    with adapter_off(model):
        assert row_losses(model, rows, [0, 1]) == row_losses(load_model(base, "float32"), rows, [0, 1]) != before
    assert row_losses(model, rows, [0, 1]) == before
    with (
        pytest.raises(StageError, match=r"^kl_weight: what is trained cannot be switched off"),
        adapter_off(load_model(base, "float32")),
    ):
        pass


def test_the_gradient_of_an_update_is_that_of_both_losses(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    base, rows, batch = make_base("llama"), read_split(make_tokens([32, 32, 32]), "train"), [0, 1, 2]
    model = adapted(base)
    plain, weights = model.get_base_model(), [weight for _, weight in trainable_parameters(model)]

    def found(weight: float, micro_batch_rows: int, threads: int) -> tuple[float, torch.Tensor]:
        resources = Resources(threads=threads, micro_batch_rows=micro_batch_rows)
        layer = output_layer(plain)
        loss = accumulate_gradients(plain, layer, weights, rows, batch, resources, "17:0", kl_weight=weight)
        gradient = torch.cat([each.grad.flatten() for each in weights if each.grad is not None])
        for each in weights:
            each.grad = None
        return loss, gradient

    ids = torch.tensor(rows.ids.tolist())
    labels = ids[:, 1:, None]
    ours = plain(input_ids=ids).logits[:, :-1].log_softmax(dim=-1)
    with torch.no_grad():
        wanted = load_model(base, "float32")(input_ids=ids).logits[:, :-1].log_softmax(dim=-1)
    nll = -ours.gather(2, labels).mean()
    divergence = (wanted.exp() * (wanted - ours)).sum(dim=-1).mean()
    expected = torch.autograd.grad(nll + WEIGHT * divergence, weights)
    loss, gradient = found(WEIGHT, 1, 1)
    assert loss == pytest.approx(float(nll), abs=1e-5)
    assert torch.allclose(gradient, torch.cat([each.flatten() for each in expected]), atol=1e-5)
    assert torch.equal(gradient, found(WEIGHT, 1, 2)[1])
    assert torch.allclose(gradient, found(WEIGHT, 3, 2)[1], atol=1e-6)
    assert not torch.allclose(gradient, found(0.0, 1, 1)[1], atol=1e-4)


def test_an_anchored_training_moves_less_and_resumes(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = SECTION.model_copy(update={"kl_weight": 20.0})
    expected = run(base, tokens, tmp_path / "whole", section, threads=2)
    free = run(base, tokens, tmp_path / "free")
    last = [float(found["loss.csv"].decode().splitlines()[-1].split(",")[2]) for found in (expected, free)]
    assert last[0] > last[1]
    with pytest.raises(Interrupted):
        run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(3))
    assert run(base, tokens, tmp_path / "killed", section) == expected
