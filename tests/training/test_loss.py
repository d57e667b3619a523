from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from domainlm.models.load import load_model
from domainlm.models.output_layer import OutputLayer
from domainlm.models.rows import CHUNK_ROWS, labelled_positions
from domainlm.tokens.rows import read_split
from domainlm.training.loss import chunked_cross_entropy, losses_and_gradient, mean_loss, row_losses


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_losses_and_gradients_equal_plain_cross_entropy(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, 24, generator=generator, requires_grad=True)
    weight = torch.randn(101, 24, generator=generator)
    labels = torch.randint(0, 101, (count,), generator=generator)
    scale = torch.rand(count, generator=generator)

    losses = chunked_cross_entropy(hidden, OutputLayer(weight), labels)
    losses.backward(scale)
    assert hidden.grad is not None
    gradient = hidden.grad.clone()
    hidden.grad = None
    plain = torch.nn.functional.cross_entropy(hidden @ weight.t(), labels, reduction="none")
    plain.backward(scale)

    assert torch.allclose(losses, plain, atol=1e-5)
    assert torch.allclose(gradient, hidden.grad, atol=1e-5)


BIAS = torch.linspace(-2.0, 2.0, 101)
KINDS = {
    "bias": {"bias": BIAS},
    "scale": {"scale": 0.25},
    "soft cap": {"soft_cap": 5.0},
    "all": {"bias": BIAS, "scale": 1 / 6, "soft_cap": 3.0},
}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_of_every_kind_of_output_layer(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(300, 24, generator=generator, requires_grad=True)
    layer = OutputLayer(torch.randn(101, 24, generator=generator), **KINDS[kind])  # type: ignore[arg-type]
    labels = torch.randint(0, 101, (300,), generator=generator)
    given = torch.rand(300, generator=generator)
    losses = chunked_cross_entropy(hidden, layer, labels)
    losses.backward(given)

    exact = hidden.detach().double().requires_grad_()
    logits = exact @ layer.weight.double().t()
    logits = (logits if layer.bias is None else logits + layer.bias.double()) * layer.scale
    if layer.soft_cap is not None:
        logits = layer.soft_cap * torch.tanh(logits / layer.soft_cap)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected.backward(given.double())

    assert hidden.grad is not None
    assert exact.grad is not None
    assert torch.allclose(losses.double(), expected, atol=1e-5)
    assert torch.allclose(hidden.grad.double(), exact.grad, atol=1e-5)
    assert exact.grad.abs().max() > 0.1


@pytest.mark.parametrize("kind", ["plain", *KINDS])
def test_gradients_of_a_trained_output_layer(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(300, 24, generator=generator, requires_grad=True)
    values = dict(KINDS.get(kind, {}))
    weight = torch.randn(101, 24, generator=generator, requires_grad=True)
    bias = values["bias"].clone().requires_grad_() if "bias" in values else None  # type: ignore[attr-defined]
    layer = OutputLayer(weight, **{**values, "bias": bias})  # type: ignore[arg-type]
    labels = torch.randint(0, 101, (300,), generator=generator)
    given = torch.rand(300, generator=generator)
    trained = [hidden, weight] if bias is None else [hidden, weight, bias]
    found = torch.autograd.grad(chunked_cross_entropy(hidden, layer, labels), trained, given)
    logits = hidden @ weight.t()
    logits = (logits if bias is None else logits + bias) * layer.scale
    if layer.soft_cap is not None:
        logits = layer.soft_cap * torch.tanh(logits / layer.soft_cap)
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    for one, two in zip(found, torch.autograd.grad(losses, trained, given), strict=True):
        assert torch.allclose(one, two, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_plain_output_layer_costs_no_bit(dtype: torch.dtype) -> None:
    """The steps and their order are those before there were others; adapters of plain models keep their bytes."""
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(300, 24, generator=generator).to(dtype)
    weight = torch.randn(101, 24, generator=generator).to(dtype)
    labels = torch.randint(0, 101, (300,), generator=generator)
    losses, gradient = losses_and_gradient(hidden, OutputLayer(weight), labels, True)
    assert gradient is not None
    compute = torch.empty(CHUNK_ROWS, 101, dtype=dtype)
    precise = torch.empty(CHUNK_ROWS, 101, dtype=torch.float32)
    for start in range(0, 300, CHUNK_ROWS):
        chunk, label = hidden[start : start + CHUNK_ROWS], labels[start : start + CHUNK_ROWS, None]
        size = len(chunk)
        torch.mm(chunk, weight.t(), out=compute[:size])
        # of other tensors than those that the loss reuses
        values = torch.log_softmax(precise[:size].copy_(compute[:size]), dim=-1)
        assert torch.equal(losses[start : start + size], -values.gather(1, label)[:, 0])
        values.exp_().scatter_add_(1, label, torch.full((size, 1), -1.0))
        expected = torch.mm(compute[:size].copy_(values), weight)
        assert torch.equal(gradient[start : start + size], expected)


def test_bfloat16_is_close_to_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(300, 24, generator=generator), torch.randn(101, 24, generator=generator)
    labels = torch.randint(0, 101, (300,), generator=generator)
    low = hidden.bfloat16().requires_grad_()
    losses = chunked_cross_entropy(low, OutputLayer(weight.bfloat16()), labels)
    losses.sum().backward()
    plain = torch.nn.functional.cross_entropy(low.detach().float() @ weight.bfloat16().float().t(), labels)
    assert abs(float(losses.mean()) - float(plain)) < 0.02
    assert low.grad is not None
    assert low.grad.dtype == torch.bfloat16


def test_no_gradient_is_computed_without_need() -> None:
    layer = OutputLayer(torch.randn(11, 8))
    losses = chunked_cross_entropy(torch.randn(5, 8), layer, torch.zeros(5, dtype=torch.int64))
    assert not losses.requires_grad


def test_the_position_before_a_label_predicts_it() -> None:
    hidden = torch.arange(4.0).view(1, 4, 1)
    ids = torch.tensor([[10, 11, 12, 13]])
    chosen, labels = labelled_positions(hidden, ids, torch.tensor([[0, 1, 0, 1]], dtype=torch.uint8))
    assert chosen[:, 0].tolist() == [0.0, 2.0]
    assert labels.tolist() == [11, 13]


def test_row_losses_equal_the_model_s_own(make_base: Callable[..., Path], make_tokens: Callable[..., Path]) -> None:
    model = load_model(make_base("qwen2"), "float32")
    rows = read_split(make_tokens([32, 32]), "validation")
    found = row_losses(model, rows, [0, 1])
    ids = torch.tensor(rows.ids.tolist())
    with torch.no_grad():
        expected = float(model(input_ids=ids, labels=ids).loss)
    assert mean_loss(found) == pytest.approx(expected, rel=1e-5)
    assert [count for _, count in found] == [31, 31]
    assert mean_loss([(1.0, 1), (5.0, 2)]) == 2.0
    assert math.isfinite(mean_loss([]))
