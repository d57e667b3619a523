"""The sum on tiny random models, compared with the same sum of whole tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_base

from domainlm.contract import StageError
from domainlm.models.residual import check_result, kind_of_layer, write_residual

Tensors = dict[str, Any]
TABLE = "model.embed_tokens.weight"


def tensors_of(folder: Path) -> Tensors:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def write_changed(source: Path, target: Path, change: Callable[[str, Any], Any], dtype: str | None = None) -> Path:
    """A copy of a checkpoint, each tensor changed."""
    import shutil

    import torch
    from safetensors.torch import save_file

    shutil.copytree(source, target)
    changed = {name: change(name, tensor) for name, tensor in tensors_of(source).items()}
    if dtype is not None:
        changed = {name: tensor.to(getattr(torch, dtype)) for name, tensor in changed.items()}
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps({**config, "dtype": dtype}))
    save_file(changed, target / "model.safetensors", metadata={"format": "pt"})
    return target


def with_noise(seed: int, scale: float = 0.02) -> Callable[[str, Any], Any]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return lambda name, tensor: tensor + scale * torch.randn(tensor.shape, generator=generator)


def with_more_rows(folder: Path, count: int) -> Path:
    """The checkpoint with rows of added tokens."""
    import torch

    changed = tensors_of(folder)
    added = torch.randn(count, changed[TABLE].shape[1], generator=torch.Generator().manual_seed(5))
    from safetensors.torch import save_file

    save_file({**changed, TABLE: torch.cat([changed[TABLE], added])}, folder / "model.safetensors", {"format": "pt"})
    for name in ("config.json", "tokens.json"):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**values, "vocab_size": values["vocab_size"] + count}))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """base, instruct and merged in float32; all of them differ."""
    base = write_base(tmp_path / "base", "qwen2", "float32", "<|im_end|>")
    instruct = write_changed(base, tmp_path / "instruct", with_noise(1))
    merged = write_changed(base, tmp_path / "merged", with_noise(2, 0.01))
    return {"base": base, "instruct": instruct, "merged": merged}


def summed(models: dict[str, Path], out: Path, weight: float = 1.0) -> tuple[dict[str, Any], Tensors]:
    out.mkdir()
    return write_residual(models["merged"], models["base"], models["instruct"], weight, out), tensors_of(out)


def test_without_pretraining_weight_1_is_the_instruct_model_to_the_bit(models: dict[str, Path], tmp_path: Path) -> None:
    certificate, found = summed({**models, "merged": models["base"]}, tmp_path / "out")
    expected = tensors_of(models["instruct"])
    assert all(found[name].equal(expected[name]) for name in expected)
    assert found.keys() == expected.keys()
    assert certificate["dtype"] == "float32"
    assert certificate["equal_tensors"] == []


def test_numbers_of_very_different_size_are_still_the_instruct_model_s(models: dict[str, Path], tmp_path: Path) -> None:
    base = write_changed(models["base"], tmp_path / "large", lambda name, tensor: tensor * 1e25)
    instruct = write_changed(models["instruct"], tmp_path / "small", lambda name, tensor: tensor * 1e-8)
    _, found = summed({"base": base, "merged": base, "instruct": instruct}, tmp_path / "out")
    expected = tensors_of(instruct)
    assert all(found[name].equal(expected[name]) for name in expected)


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0, 2.0])
def test_the_sum_is_linear_in_the_weight(models: dict[str, Path], weight: float, tmp_path: Path) -> None:
    certificate, found = summed(models, tmp_path / "out", weight)
    base, instruct, merged = (tensors_of(models[name]) for name in ("base", "instruct", "merged"))
    for name in base:
        expected = merged[name].double() + weight * (instruct[name].double() - base[name].double())
        assert (found[name].double() - expected).abs().max() <= 1e-7
    assert certificate["weight"] == weight


def test_where_instruction_changed_nothing_pretraining_stays_to_the_bit(
    models: dict[str, Path], tmp_path: Path
) -> None:
    base = tensors_of(models["base"])
    kept = "model.layers.1.mlp.up_proj.weight"
    noise = with_noise(1)
    instruct = write_changed(
        models["base"], tmp_path / "i", lambda name, tensor: base[name] if name == kept else noise(name, tensor)
    )
    certificate, found = summed({**models, "instruct": instruct}, tmp_path / "out", 0.7)
    assert found[kept].equal(tensors_of(models["merged"])[kept])
    assert certificate["equal_tensors"] == [kept]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_is_stored_as_the_merged_model_is_and_rounded_once(
    models: dict[str, Path], dtype: str, tmp_path: Path
) -> None:
    import torch

    merged = write_changed(models["merged"], tmp_path / "stored", lambda name, tensor: tensor, dtype)
    certificate, found = summed({**models, "merged": merged}, tmp_path / "out", 0.5)
    base, instruct, ours = (tensors_of(folder) for folder in (models["base"], models["instruct"], merged))
    for name in base:
        exact = ours[name].double() + 0.5 * (instruct[name].double() - base[name].double())
        assert found[name].equal(exact.float().to(getattr(torch, dtype)))
    assert certificate["dtype"] == dtype
    assert json.loads((tmp_path / "out/config.json").read_text())["dtype"] == dtype
    check_result(tmp_path / "out")


def test_rows_of_added_tokens_are_the_instruct_model_s(models: dict[str, Path], tmp_path: Path) -> None:
    rows = tensors_of(models["base"])[TABLE].shape[0]
    with_more_rows(models["instruct"], 3)
    certificate, found = summed(models, tmp_path / "out", 0.5)
    base, instruct, merged = (tensors_of(models[name]) for name in ("base", "instruct", "merged"))
    assert found[TABLE].shape[0] == rows + 3
    assert found[TABLE][rows:].equal(instruct[TABLE][rows:])
    expected = merged[TABLE].double() + 0.5 * (instruct[TABLE][:rows].double() - base[TABLE].double())
    assert found[TABLE][:rows].equal(expected.float())
    assert (certificate["rows_added"], certificate["rows_dropped"]) == (3, 0)
    assert json.loads((tmp_path / "out/config.json").read_text())["vocab_size"] == rows + 3
    check_result(tmp_path / "out")


def test_rows_that_pad_the_base_s_table_are_dropped(models: dict[str, Path], tmp_path: Path) -> None:
    rows = tensors_of(models["base"])[TABLE].shape[0]
    for name in ("base", "merged"):
        with_more_rows(models[name], 4)
    certificate, found = summed(models, tmp_path / "out")
    assert found[TABLE].shape[0] == rows
    assert (certificate["rows_added"], certificate["rows_dropped"]) == (0, 4)
    check_result(tmp_path / "out")


def test_the_certificate_has_the_norm_of_each_kind_of_layer(models: dict[str, Path], tmp_path: Path) -> None:
    certificate, _ = summed(models, tmp_path / "out")
    base, instruct = tensors_of(models["base"]), tensors_of(models["instruct"])
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in (0, 1)]
    expected = sum(float((instruct[name].double() - base[name].double()).square().sum()) for name in names) ** 0.5
    found = certificate["norms"]["model.layers.*.mlp.up_proj.weight"]
    assert found["residual"] == pytest.approx(expected, rel=1e-5)
    assert found["share"] == pytest.approx(found["residual"] / found["base"], rel=1e-4)
    assert set(certificate["norms"]) == {kind_of_layer(name) for name in base}
    assert certificate["tensors"] == len(base)


def test_the_instruct_model_s_tokenizer_and_settings_come_with_it(models: dict[str, Path], tmp_path: Path) -> None:
    (models["instruct"] / "chat_template.jinja").write_text("the instruct model's")
    (models["instruct"] / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    summed(models, tmp_path / "out")
    for name in ("chat_template.jinja", "generation_config.json", "tokens.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (models["instruct"] / name).read_bytes()


def test_two_equal_checkpoints_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"equals base_model in all .* set sft_adapter\.relay to merge"):
        summed({**models, "instruct": models["base"]}, tmp_path / "out")


def test_another_shape_is_refused_with_both(models: dict[str, Path], tmp_path: Path) -> None:
    other = write_base(tmp_path / "other", "qwen2", "float32", "<|im_end|>", intermediate_size=96)
    with pytest.raises(StageError, match=r"has the shape \[32, 64\] in base_model and \[32, 96\] in instruct_model"):
        summed({**models, "instruct": other}, tmp_path / "out")


def test_a_tensor_of_one_alone_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    other = write_base(tmp_path / "other", "qwen2", "float32", "<|im_end|>", tie_word_embeddings=False)
    with pytest.raises(StageError, match=r"the tensor lm_head.weight is in instruct_model alone \(1 such"):
        summed({**models, "instruct": other}, tmp_path / "out")


def test_tokens_that_pretraining_added_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    with_more_rows(models["merged"], 2)
    with pytest.raises(StageError, match="in merged_model; expected equal shapes, as tokens that pretraining adds"):
        summed(models, tmp_path / "out")


def test_a_sum_beyond_the_stored_precision_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    instruct = write_changed(models["base"], tmp_path / "i", lambda name, tensor: tensor + 6e4)
    merged = write_changed(models["merged"], tmp_path / "m", lambda name, tensor: tensor, "float16")
    with pytest.raises(StageError, match=r"is not finite in float16 .* lower instruct_residual\.weight"):
        summed({**models, "instruct": instruct, "merged": merged}, tmp_path / "out", 2.0)
