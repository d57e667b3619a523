from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.models import osf
from domainlm.models.load import load_model
from domainlm.models.lora import trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_larger_directions_stay_whatever_the_updates(
    kind: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama") if kind == "llama" else write_architecture(tmp_path / "b", kind)
    plain = load_model(base, "float32")
    model = osf.begin(load_model(base, "float32"), PtAdapter(method="osf", osf_kept_share=0.25))
    with torch.no_grad():
        expected = plain(input_ids=IDS).logits
        assert (model(input_ids=IDS).logits - expected).abs().max() < 1e-4
        generator = torch.Generator().manual_seed(1)
        for _, weight in trainable_parameters(model):
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
        trained = model(input_ids=IDS).logits
        osf.finish(model)
        assert (model(input_ids=IDS).logits - trained).abs().max() < 1e-4
        assert (trained - expected).abs().max() > 1e-2
    assert list(model.state_dict()) == list(plain.state_dict())
    name = next(name for name, each in plain.named_modules() if name.endswith(("mlp.up_proj", "mlp.c_fc")))
    before, after = (each.get_submodule(name).weight for each in (plain, model))
    left, sizes, right = torch.linalg.svd(before.detach(), full_matrices=False)
    kept = round(0.25 * len(sizes))
    # what the kept directions give and take is as before
    assert torch.allclose(left[:, :kept].t() @ after, left[:, :kept].t() @ before, atol=1e-4)
    assert torch.allclose(after @ right[:kept].t(), before @ right[:kept].t(), atol=1e-4)
    assert (after - before).abs().max() > 1e-3


def test_targets_and_layers_choose(make_base: Callable[..., Path]) -> None:
    section = PtAdapter(method="osf", target_modules="mlp", layers=[-1])
    model = osf.begin(load_model(make_base("llama"), "float32"), section)
    names = {name.rsplit(".", 1)[0] for name, _ in trainable_parameters(model)}
    assert names == {f"model.layers.1.mlp.{each}" for each in ("gate_proj", "up_proj", "down_proj")}
