from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.adapters import with_random_b
from material.tiny_models import write_architecture
from safetensors.torch import load_file, save_file

from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import StageError
from domainlm.models.certificate import Predictions, certify, compare
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter, saved_adapter
from domainlm.models.merge import merge
from domainlm.models.output_layer import OutputLayer
from domainlm.tokens.rows import PackedRows, read_split


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


def test_a_broken_merge_is_refused(parts: tuple[Path, Path, PackedRows, Path]) -> None:
    base, adapter, rows, merged = parts
    merge(base, adapter, "float32", merged)
    tensors = load_file(merged / "model.safetensors")
    name = next(name for name in sorted(tensors) if "down_proj" in name)
    tensors[name] = tensors[name] + 0.05
    save_file(tensors, merged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StageError, match="is not base \\+ adapter"):
        certify(base, adapter, merged, rows, MergedModel())


@pytest.mark.parametrize("block", [1 << 22, 8 * 37], ids=["one block", "37 tokens a block"])
def test_figures_are_sums_over_the_whole_vocabulary(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.models import certificate

    monkeypatch.setattr(certificate, "BLOCK_NUMBERS", block)
    torch.manual_seed(3)
    hidden, labels = torch.randn(300, 8), torch.randint(0, 100, (300,))
    first = OutputLayer(torch.randn(100, 8).bfloat16(), torch.randn(100), 2.0, 5.0)
    second = OutputLayer(torch.randn(100, 8), None, 0.5)
    logits = [
        (5 * torch.tanh(2 * (hidden.double() @ first.weight.double().t() + first.bias) / 5)),
        0.5 * (hidden.double() @ second.weight.double().t()),
    ]
    one, two = (torch.log_softmax(each, dim=-1) for each in logits)
    kl, nll_one, nll_two = compare(Predictions(hidden, labels, first), Predictions(hidden, labels, second))
    assert kl == pytest.approx(float((one.exp() * (one - two)).sum()) / 300, rel=1e-5)
    assert nll_one == pytest.approx(-float(one.gather(1, labels[:, None]).mean()), rel=1e-5)
    assert nll_two == pytest.approx(-float(two.gather(1, labels[:, None]).mean()), rel=1e-5)


def test_another_vocabulary_is_refused() -> None:
    hidden, labels = torch.randn(3, 8), torch.zeros(3, dtype=torch.int64)
    few, many = (Predictions(hidden, labels, OutputLayer(torch.randn(size, 8))) for size in (10, 11))
    with pytest.raises(StageError, match=r"has 11 tokens, and base \+ adapter has 10"):
        compare(few, many)
