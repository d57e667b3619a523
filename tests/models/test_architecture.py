from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.contract import StageError
from domainlm.models.architecture import check_architecture, check_model


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "gemma2"}, "type is gemma2, whose attention transformers does not compute by sdpa"),
        ({"model_type": "gpt_oss"}, "type is gpt_oss, whose attention"),
        ({"model_type": "bloom"}, "type is bloom, whose attention"),
        ({"model_type": "mamba"}, "type is mamba"),
        ({"model_type": "gemma3", "vision_config": {}}, r"type is gemma3, which also takes images \(vision_config"),
        ({"model_type": "t5"}, "type is t5, of which transformers has no causal language model"),
        ({"model_type": "own"}, "cannot be read: reading the configuration"),
    ],
)
def test_an_architecture_that_cannot_be_trained_is_named(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(StageError, match=rf"{words}.*sources\.<base_model>"):
        check_architecture(tmp_path)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "mixtral", "phi3", "olmo2", "gemma3_text"])
def test_an_architecture_that_can_be_trained_passes(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    check_architecture(tmp_path)


def test_a_gpt2_is_refused_for_its_layers() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=40, n_positions=64))
    with pytest.raises(StageError, match=r"type is gpt2, which keeps its linear layers as Conv1D \(.*c_attn\)"):
        check_model(model)


def test_a_model_without_positions_is_named_and_not_a_traceback(make_base: Callable[..., Path]) -> None:
    from domainlm.models.load import load_model

    model: Any = load_model(make_base("llama"), "float32")

    def fails(*arguments: Any, **named: Any) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")

    model.model.forward = fails
    with pytest.raises(
        StageError, match=r"type is llama, which cannot run on packed rows .RuntimeError: mat1 and mat2 shapes"
    ):
        check_model(model)
