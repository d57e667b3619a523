from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter, trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_tied_embeddings_stay_tied_and_others_do_not(
    kind: str, is_tied: bool, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = (
        make_base("llama", tie_word_embeddings=is_tied)
        if kind == "llama"
        else write_architecture(tmp_path / "b", kind, tie_word_embeddings=is_tied)
    )
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=2, trained_embeddings="all"), 5)
    whole = [weight for name, weight in trainable_parameters(model) if ".lora_" not in name]
    assert len(whole) == (1 if is_tied else 2)
    with torch.no_grad():
        for weight in whole:
            weight.add_(0.01 * torch.arange(len(weight))[:, None])
    out = tmp_path / "out"
    out.mkdir()
    save_adapter(model, out, "base_model")
    plain: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)
    reloaded = saved_adapter(load_model(base, "float32"), out)
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        assert torch.equal(reloaded(input_ids=IDS).logits, expected)
        assert (plain(input_ids=IDS).logits - expected).abs().max() < 1e-5
    inner, outer = (each.weight for each in (reloaded.get_input_embeddings(), reloaded.get_output_embeddings()))
    assert (inner is outer) is is_tied
