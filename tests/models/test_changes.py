from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture
from peft import LoraConfig, get_peft_model

from domainlm.contract import StageError
from domainlm.models.changes import (
    add_adapter,
    changes,
    is_same,
    low_rank,
    low_rank_with_magnitude,
    trained_rows,
    trained_whole,
)
from domainlm.models.load import load_model

WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
A = torch.tensor([[1.0, 2.0]])
B = torch.tensor([[1.0], [0.0], [-1.0]])


def test_low_rank_adds_the_scaled_product() -> None:
    change = low_rank(A, B, 0.5, transposed=False)
    expected = [[1.5, 1.0], [0.0, 2.0], [2.5, 3.0]]
    assert change.changed(WEIGHT, 0).tolist() == expected
    assert change.changed(WEIGHT[1:], 1).tolist() == expected[1:]
    assert change.changed(WEIGHT.bfloat16(), 0).dtype == torch.float32


def test_low_rank_of_a_weight_that_is_in_by_out() -> None:
    change = low_rank(A, B, 0.5, transposed=True)
    expected = [[1.5, 0.0, 2.5], [1.0, 2.0, 3.0]]
    assert change.changed(WEIGHT.t(), 0).tolist() == expected
    assert change.changed(WEIGHT.t()[1:], 1).tolist() == expected[1:]


def test_a_sum_is_rounded_once() -> None:
    # in float32 the first sum would lose the 2^-24
    change = low_rank(torch.tensor([[2.0**-24, 1.0]]), torch.tensor([[1.0]]), 1.0, transposed=False)
    assert change.changed(torch.tensor([[1.0 + 2.0**-23, 0.0]]), 0).tolist() == [[1.0 + 2.0**-22, 1.0]]


def test_magnitude_gives_each_output_its_length() -> None:
    magnitude = torch.tensor([2.0, 3.0, 10.0])
    none = torch.zeros(3, 1)
    expected = [[2.0, 0.0], [0.0, 3.0], [6.0, 8.0]]
    change = low_rank_with_magnitude(A, none, 1.0, magnitude, transposed=False)
    assert change.changed(WEIGHT, 0).tolist() == expected
    assert change.changed(WEIGHT[2:], 2).tolist() == expected[2:]
    columns = low_rank_with_magnitude(A, none, 1.0, magnitude, transposed=True)
    assert columns.changed(WEIGHT.t(), 0).t().tolist() == expected
    assert not columns.is_by_rows


def test_trained_weights_take_the_place_of_the_base_s() -> None:
    assert trained_whole(WEIGHT.bfloat16()).changed(torch.zeros(2, 2), 1).tolist() == WEIGHT[1:].tolist()
    assert trained_whole(torch.tensor(3.0)).changed(torch.zeros(1), 0).tolist() == [3.0]
    rows = trained_rows(torch.tensor([2, 0]), torch.tensor([[7.0, 8.0], [5.0, 6.0]]))
    assert rows.changed(WEIGHT, 0).tolist() == [[5.0, 6.0], [0.0, 2.0], [7.0, 8.0]]
    assert rows.changed(WEIGHT[1:2], 1).tolist() == [[0.0, 2.0]]
    assert rows.changed(WEIGHT[2:], 2).tolist() == [[7.0, 8.0]]


def test_changes_are_compared_by_what_they_make() -> None:
    assert is_same(trained_whole(WEIGHT), trained_whole(WEIGHT.clone()))
    assert not is_same(trained_whole(WEIGHT), trained_whole(WEIGHT + 1))
    assert not is_same(trained_whole(WEIGHT), trained_whole(WEIGHT[:2]))
    assert not is_same(trained_whole(WEIGHT), low_rank(A, B, 1.0, transposed=False))


def adapted(folder: Path, **values: Any) -> Any:
    base = load_model(write_architecture(folder / "base", "llama", attention_bias=True), "float32")
    settings = LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **values)
    model = get_peft_model(base, settings)
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn(parameter.shape, generator=generator) * 0.05
    return model.eval()


@pytest.mark.parametrize(
    "values",
    [{}, {"use_rslora": True}, {"use_dora": True}, {"modules_to_save": ["norm"]}, {"trainable_token_indices": [3, 5]}],
    ids=["LoRA", "rsLoRA", "DoRA", "modules", "tokens"],
)
def test_a_model_in_memory_becomes_the_adapter_s(values: dict[str, Any], tmp_path: Path) -> None:
    model = adapted(tmp_path, **values)
    ids = torch.arange(2, 20).view(1, 18)
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        add_adapter(model)
        found = model.unload().eval()(input_ids=ids).logits
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lora_bias": True}, r"q_proj is a peft\.tuners\.lora\.layer\.Linear, which cannot be merged"),
        ({"alora_invocation_tokens": [1]}, r"Linear with ALoraLinearVariant, which cannot be merged"),
    ],
)
def test_another_kind_is_refused(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=said):
        changes(adapted(tmp_path, **values))


def test_adapted_embeddings_are_refused(tmp_path: Path) -> None:
    base = load_model(write_architecture(tmp_path / "base", "llama"), "float32")
    model = get_peft_model(base, LoraConfig(r=2, target_modules=["embed_tokens"]))
    with pytest.raises(StageError, match=r"embed_tokens is a peft\.tuners\.lora\.layer\.Embedding"):
        changes(model)
