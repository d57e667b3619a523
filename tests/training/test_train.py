from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from material.trainings import LENGTHS, SECTION, run

from domainlm.tokens.rows import read_split


def test_training_learns_and_writes_its_figures(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    found = run(make_base("qwen2"), make_tokens(LENGTHS), tmp_path, SECTION.model_copy(update={"epochs": 8}))
    assert sorted(found) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
        "loss.csv",
        "stats.json",
        "validation.csv",
    ]
    stats = json.loads(found["stats.json"])
    lines = found["loss.csv"].decode().splitlines()
    assert lines[0] == "step,tokens,loss,learning_rate"
    assert len(lines) == stats["steps"] + 1
    assert int(lines[-1].split(",")[1]) == stats["tokens"]
    assert stats["loss_last"] < stats["loss_first"] - 0.2


def test_plain_peft_gives_the_validation_loss(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, tokens = make_base("llama"), make_tokens([32, 32, 32])
    found = run(base, tokens, tmp_path, SECTION.model_copy(update={"precision": "float32"}))
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out")
    ids = torch.tensor(read_split(tokens, "validation").ids.tolist())
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert json.loads(found["stats.json"])["validation_loss"] == pytest.approx(loss, abs=1e-5)
