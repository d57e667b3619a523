from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.convert import convert


@pytest.mark.parametrize("own", [{"model_type": "own"}, {"architectures": ["OwnForCausalLM"]}])
def test_remote_code_is_refused(own: dict[str, Any], make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | own | {"auto_map": {"AutoModelForCausalLM": "own.Model"}}))
    with pytest.raises(StageError, match="auto_map: AutoModelForCausalLM"):
        convert(base, tmp_path, BaseModelConfig())


def test_code_of_an_architecture_that_transformers_has_is_ignored(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    for name, value in (
        ("config.json", {"AutoModelForCausalLM": "own.Model"}),
        ("tokenizer_config.json", ["own.T", 1]),
    ):
        values = json.loads((base / name).read_text())
        (base / name).write_text(json.dumps(values | {"auto_map": value}))
    assert convert(base, tmp_path, BaseModelConfig()).turn_end == "<|im_end|>"
    for name in ("config.json", "tokenizer_config.json"):
        assert "auto_map" not in json.loads((tmp_path / name).read_text())


def test_code_of_a_type_that_transformers_has_is_ignored_where_no_architecture_is_named(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    config = json.loads((base / "config.json").read_text())
    del config["architectures"]
    for module, is_known in (("modeling_llama.LlamaForCausalLM", True), ("modeling_own.OwnForCausalLM", False)):
        (base / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModelForCausalLM": module}}))
        if is_known:
            assert convert(base, tmp_path, BaseModelConfig()).turn_end == "<|im_end|>"
        else:
            with pytest.raises(StageError, match="auto_map: AutoModelForCausalLM"):
                convert(base, tmp_path, BaseModelConfig())


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, "fp8"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "awq"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization_config": {"quant_algo": "NVFP4", "producer": {"name": "modelopt"}}}, "NVFP4"),
        ({"quantization_config": {"bits": 4}}, "a method that it does not name"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"text_config": {"quantization_config": {"quant_method": "mxfp4"}}}, "mxfp4"),
    ],
)
def test_a_quantised_checkpoint_is_refused_by_its_method(
    settings: dict[str, Any], method: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(StageError, match=rf"is quantised by {method}, as config\.json says"):
        convert(base, tmp_path, BaseModelConfig())


@pytest.mark.parametrize("name", ["weight", "weight_packed", "qweight"])
def test_quantised_weights_are_refused_where_no_method_is_named(
    name: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    base = make_base("llama")
    tensors = load_file(base / "model.safetensors")
    tensors[f"model.layers.0.mlp.up_proj.{name}"] = torch.zeros((64, 32), dtype=torch.uint8)
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageError, match="stored as U8"):
        convert(base, tmp_path, BaseModelConfig())
