from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture
from safetensors.torch import load_file, save_file

from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import StageError
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter, trainable_parameters
from domainlm.models.merge import certify, merge, merged_dtype
from domainlm.tokens.rows import PackedRows, read_split


@pytest.fixture
def parts(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Path, PackedRows, Path]:
    base, adapter, merged = make_base("llama", "bfloat16"), tmp_path / "adapter", tmp_path / "merged"
    adapter.mkdir()
    merged.mkdir()
    model = new_adapter(load_model(base, "bfloat16"), PtAdapter(rank=4, alpha=8), 1)
    with_random_b(model)
    save_adapter(model, adapter, "base_model")
    return base, adapter, read_split(make_tokens([31, 14, 9, 32]), "validation"), merged


def with_random_b(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(2)
    for name, parameter in trainable_parameters(model):
        if "lora_B" in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)


def test_a_float32_merge_is_the_adapter_s_model(parts: tuple[Path, Path, PackedRows, Path]) -> None:
    base, adapter, rows, merged = parts
    merge(base, adapter, "float32", merged)
    certificate = certify(base, adapter, merged, rows, MergedModel(dtype="float32"))
    assert certificate["kl"] < 1e-9
    assert certificate["nll_merged"] == pytest.approx(certificate["nll_base_adapter"], abs=1e-5)
    ids = torch.arange(3, 19).view(1, 16)
    with torch.no_grad():
        expected = saved_adapter(load_model(base, "float32"), adapter)(input_ids=ids).logits
        assert (load_model(merged, "float32")(input_ids=ids).logits - expected).abs().max() < 1e-4


def test_the_stored_precision_is_the_configured_one_and_files_come_along(
    parts: tuple[Path, Path, PackedRows, Path],
) -> None:
    base, adapter, rows, merged = parts
    own = ("special_tokens_map.json", "tokenizer.model", "generation_config.json", "chat_template.json")
    for name in own:
        (base / name).write_text(json.dumps({"eos_token": "<|im_end|>", "temperature": 0.5}), encoding="utf-8")
    merge(base, adapter, "bfloat16", merged)
    certificate = certify(base, adapter, merged, rows, MergedModel(max_kl=1.0, max_nll_difference=1.0))
    assert 0 < certificate["kl"] < 1e-3
    assert {t.dtype for t in load_file(merged / "model.safetensors").values()} == {torch.bfloat16}
    assert set(load_file(merged / "model.safetensors")) == set(load_file(base / "model.safetensors"))
    for name in ("tokenizer.json", "tokens.json", "chat_template.jinja", *own):
        assert (merged / name).read_bytes() == (base / name).read_bytes()
    assert str(merged.parent) not in (merged / "config.json").read_text()


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("gpt2", {}),
    ("phi", {"num_key_value_heads": 4}),
    ("gemma2", {"head_dim": 8, "final_logit_softcapping": 5.0}),
    ("cohere", {"logit_scale": 0.0625}),
]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[kind for kind, _ in KINDS])
def test_other_output_layers_and_conv1d_merge(
    kind: str, values: dict[str, Any], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, adapter, merged = write_architecture(tmp_path / "base", kind, **values), tmp_path / "a", tmp_path / "m"
    rows = read_split(make_tokens([31, 14, 9, 32]), "validation")
    adapter.mkdir()
    merged.mkdir()
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, alpha=8), 1)
    with_random_b(model)
    save_adapter(model, adapter, "base_model")
    merge(base, adapter, "float32", merged)
    certificate = certify(base, adapter, merged, rows, MergedModel(dtype="float32"))
    assert certificate["kl"] < 1e-9
    ids = torch.tensor(rows.ids[:1].tolist())
    with torch.no_grad():
        expected = model(input_ids=ids, labels=ids).loss
        assert (load_model(merged, "float32")(input_ids=ids, labels=ids).loss - expected).abs() < 1e-5
        assert (load_model(base, "float32")(input_ids=ids, labels=ids).loss - expected).abs() > 1e-3
    whole = read_split(make_tokens([32, 32]), "validation")
    figures = certify(base, adapter, merged, whole, MergedModel(dtype="float32"))
    ids = torch.tensor(whole.ids.tolist())
    with torch.no_grad():
        # the figure is the model's own, soft cap and all
        assert figures["nll_merged"] == pytest.approx(float(model(input_ids=ids, labels=ids).loss), abs=1e-4)


@pytest.mark.parametrize(
    ("stored", "expected"), [("float16", "float16"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")]
)
def test_float16_stays_unless_told(stored: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"dtype": stored}), encoding="utf-8")
    assert merged_dtype(tmp_path, "auto") == expected
    assert merged_dtype(tmp_path, "float32") == "float32"


def test_a_broken_merge_is_refused(parts: tuple[Path, Path, PackedRows, Path]) -> None:
    base, adapter, rows, merged = parts
    merge(base, adapter, "float32", merged)
    tensors = load_file(merged / "model.safetensors")
    name = next(name for name in sorted(tensors) if "down_proj" in name)
    tensors[name] = tensors[name] + 0.05
    save_file(tensors, merged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageError, match="is not base \\+ adapter"):
        certify(base, adapter, merged, rows, MergedModel())
