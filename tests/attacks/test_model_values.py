"""Configurations and weights of a stranger's model that no training can start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from material.attack import attack
from material.checkpoints import MakeBase, change, opener, refused

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.models.checkpoint_files import WEIGHTS
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import base_model


@attack(
    "base model",
    "configuration bomb",
    "config.json with 10^9 layers, with widths of 10^12, nested 100,000 deep",
    "an error that names the source, in a moment",
)
def test_configurations_without_bound(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    kept = (base / "config.json").read_text(encoding="utf-8")
    for values in ({"num_hidden_layers": 10**9}, {"hidden_size": 10**12}, {"vocab_size": 10**15}, {"head_dim": 10**18}):
        (base / "config.json").write_text(kept, encoding="utf-8")
        change(base / "config.json", **values)
        refused(base, tmp_path)
    (base / "config.json").write_text('{"a":' * 100_000, encoding="utf-8")
    refused(base, tmp_path, "config.json is not JSON")


@attack(
    "base model",
    "bad model called a defect",
    "an architecture that transformers does not know, broken or wrongly typed JSON, vocabulary of another model",
    "one line with the source and the fix; no traceback",
)
def test_bad_configurations_are_bad_input(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    kept = (base / "config.json").read_text(encoding="utf-8")
    for values in (
        {"model_type": "llama9", "architectures": ["Llama9ForCausalLM"]},
        {"model_type": 5},
        {"model_type": None},
        {"vocab_size": 9999},
        {"vocab_size": "many"},
        {"num_hidden_layers": 3},
        {"num_hidden_layers": -1},
        {"return_dict": False},
        {"num_attention_heads": 0},
        {"hidden_act": "nonsense"},
        {"tie_word_embeddings": False},
        {"architectures": ["LlamaForSequenceClassification"]},
        {"is_encoder_decoder": True},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": 5},
        {"rope_parameters": "x"},
        {"eos_token_id": "x"},
    ):
        (base / "config.json").write_text(kept, encoding="utf-8")
        change(base / "config.json", **values)
        refused(base, tmp_path)
    for data in (kept[:50], "", "[]", "null", "5", kept.encode("utf-16").decode("latin-1")):
        (base / "config.json").write_text(data, encoding="utf-8")
        refused(base, tmp_path, "config.json")
    (base / "config.json").write_text(kept, encoding="utf-8")
    for name in ("generation_config.json", "tokenizer_config.json"):
        whole = (base / name).read_text(encoding="utf-8")
        half = json.dumps({**json.loads(whole), "x": "\ud800"})
        deep = whole.rstrip()[:-1] + ', "x": ' + '{"a": ' * 300 + "1" + "}" * 301
        for data in (whole[:20], half, deep):
            (base / name).write_text(data, encoding="utf-8")
            refused(base, tmp_path, f"{name} is not JSON")
        (base / name).write_text(whole, encoding="utf-8")


@attack(
    "base model",
    "weights that no training can start from",
    "missing tensors, NaN, infinity, integers, 8-bit floats",
    "one line with the tensor and the source; nothing is drawn at random",
)
def test_bad_weights_are_bad_input(make_base: MakeBase, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = make_base("llama")
    tensors = load_file(base / WEIGHTS)
    name = "model.norm.weight"
    for value, words in (
        (None, "lacks.*model.norm.weight"),
        (torch.full((32,), float("nan")), "NaN"),
        (torch.tensor([1.0] * 31 + [float("-inf")]), "infinite"),
        (torch.ones(32, dtype=torch.int8), "I8"),
        (torch.ones(32).to(torch.float8_e4m3fn), "F8_E4M3"),
        (torch.ones(33), "other shapes than the configuration says"),
    ):
        changed = {**tensors, name: value} if value is not None else {k: v for k, v in tensors.items() if k != name}
        save_file(changed, base / WEIGHTS, metadata={"format": "pt"})
        refused(base, tmp_path, words)


@attack(
    "base model",
    "bad model called a defect",
    "the stage base_model on a source that is bad",
    "the message names sources.NAME, with the name from the domain file",
)
def test_the_source_is_named(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    change(base / "config.json", model_type="llama9")
    section = BaseModelConfig().model_dump(mode="json")
    files = [{"path": path.name} for path in base.iterdir()]
    config = {"section": section, "source": {"source": "qwen"}, "files": files, "hub": None}
    inputs = Inputs({}, opener(base))
    with pytest.raises(StageError, match=r"llama9.*sources\.qwen$"):
        base_model.run(inputs, parse_slice("base_model", config), tmp_path, tmp_path / "scratch", Resources())
