from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from material.trainings import LENGTHS, SECTION, Interrupted, interrupt_after, run

from domainlm.contract import Resources
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import read_split
from domainlm.training.gradients import accumulate_gradients
from domainlm.training.loss import row_losses
from domainlm.training.noise import noisy_embeddings, row_noise


def test_a_row_s_noise_is_of_its_update_alone() -> None:
    like = torch.zeros(2, 6, 4, dtype=torch.bfloat16)
    found = row_noise("17:3", [5, 9], like, 5.0)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found[1], row_noise("17:3", [9], like[:1], 5.0)[0])
    for update, row in (("17:3", 5), ("17:4", 9), ("18:3", 9)):
        assert not torch.equal(found[1], row_noise(update, [row], like[:1], 5.0)[0])
    limit = 5 / math.sqrt(24)
    assert float(found.abs().max()) <= limit * 1.01
    assert float(found.abs().mean()) > 0.3 * limit
    assert float(found.min()) < 0 < float(found.max())


def test_noise_is_in_gradients_however_they_are_cut_and_not_in_validation(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    model = new_adapter(load_model(make_base("llama"), "float32"), SECTION, 17)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    plain = model.get_base_model()

    def found(alpha: float, micro_batch_rows: int, threads: int) -> tuple[float, torch.Tensor]:
        resources = Resources(threads=threads, micro_batch_rows=micro_batch_rows)
        with noisy_embeddings(plain, alpha):
            loss = accumulate_gradients(plain, output_layer(plain), weights, rows, [0, 1, 2, 3], resources, "17:0")
        gradient = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
        for weight in weights:
            weight.grad = None
        return loss, gradient

    without, noisy = found(0.0, 1, 1), found(5.0, 1, 1)
    assert abs(noisy[0] - without[0]) > 1e-3
    assert torch.equal(noisy[1], found(5.0, 1, 2)[1])
    assert torch.allclose(noisy[1], found(5.0, 4, 2)[1], atol=1e-6)
    before = row_losses(plain, rows, [0, 1])
    with noisy_embeddings(plain, 5.0):
        assert row_losses(plain, rows, [0, 1]) == before
    assert found(0.0, 1, 1)[0] == without[0]


def test_a_killed_training_with_noise_ends_in_the_same_bytes(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = SECTION.model_copy(update={"neftune_alpha": 5.0})
    expected = run(base, tokens, tmp_path / "whole", section, threads=2)
    assert expected["adapter_model.safetensors"] != run(base, tokens, tmp_path / "plain")["adapter_model.safetensors"]
    try:
        run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(3))
    except Interrupted:
        assert run(base, tokens, tmp_path / "killed", section) == expected
    else:
        raise AssertionError("nothing was interrupted")
