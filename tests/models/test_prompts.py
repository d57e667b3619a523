from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.models import prompts
from domainlm.models.load import hidden_states, load_model
from domainlm.models.lora import trainable_parameters

IDS = torch.arange(3, 35).view(2, 16)
PLACES = torch.arange(16)[None]


def prompted(base: Path, method: str, tokens: int = 5) -> Any:
    return prompts.begin(load_model(base, "float32"), PtAdapter(method=method, virtual_tokens=tokens), 5)  # type: ignore[arg-type]


def logits(model: Any, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, position_ids=positions, use_cache=False).logits
    return found


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("method", ["p_tuning", "prefix_tuning"])
def test_plain_peft_computes_the_same_and_packed_documents_each_have_them(
    method: str, kind: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = make_base("llama") if kind == "llama" else write_architecture(tmp_path / "b", kind, num_key_value_heads=4)
    out = tmp_path / "out"
    out.mkdir()
    prompts.save(prompted(base, method), "base_model", out)
    plain: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)
    model = prompts.saved(load_model(base, "float32"), out)
    alone = logits(model, IDS, PLACES)
    with torch.no_grad():
        assert (plain(input_ids=IDS).logits[:, -16:] - alone).abs().max() < 1e-5
    packed = logits(model, IDS.view(1, 32), torch.arange(16).repeat(2)[None]).view(2, 16, -1)
    assert (packed - alone).abs().max() < 1e-4
    assert (logits(load_model(base, "float32"), IDS, PLACES) - alone).abs().max() > 1e-3


@pytest.mark.parametrize("method", ["p_tuning", "prefix_tuning"])
def test_generation_with_a_cache_and_padding_is_that_without(method: str, make_base: Callable[..., Path]) -> None:
    model = prompted(make_base("qwen2"), method)
    mask = torch.ones_like(IDS)
    mask[0, :4] = 0
    settings = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    found = model.generate(input_ids=IDS, attention_mask=mask, use_cache=True, **settings)[:, 16:].tolist()
    for answer, ids, start in zip(found, IDS, (4, 0), strict=True):
        row = ids[None, start:]
        for _ in range(4):
            best = logits(model, row, torch.arange(row.shape[1])[None])[0, -1].argmax()
            row = torch.cat([row, best[None, None]], dim=1)
        assert answer == row[0, -4:].tolist()


@pytest.mark.parametrize("method", ["p_tuning", "prefix_tuning"])
def test_only_the_virtual_tokens_are_trained_and_they_are_continued(
    method: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    model = prompted(base, method)
    assert all(name.startswith("prompt_encoder.") for name, _ in trainable_parameters(model))
    hidden_states(model, IDS, PLACES).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for _, weight in trainable_parameters(model))
    prompts.save(model, "base_model", tmp_path)
    section = PtAdapter(method=method, virtual_tokens=5)  # type: ignore[arg-type]
    prompts.check_continues(tmp_path, section)
    further = prompts.begin(load_model(base, "float32"), section, 6, tmp_path)
    assert torch.equal(logits(further, IDS, PLACES), logits(model, IDS, PLACES))
    with pytest.raises(StageError, match=r"virtual_tokens are \('\w+', 5\).* \('\w+', 6\)"):
        prompts.check_continues(tmp_path, section.model_copy(update={"virtual_tokens": 6}))


def test_more_tokens_than_positions_are_refused(make_base: Callable[..., Path]) -> None:
    with pytest.raises(StageError, match=r"virtual_tokens: 250 before a text of 16 tokens .*256 positions"):
        logits(prompted(make_base("llama"), "p_tuning", 250), IDS, PLACES)


def test_segments_are_where_positions_restart() -> None:
    assert prompts.segments(torch.tensor([0, 1, 2, 0, 1, 0, 0])) == [(0, 3), (3, 5), (5, 6), (6, 7)]
    assert prompts.segments(torch.tensor([4, 5])) == [(0, 2)]
