"""Every method of training: it learns, reloads equal, resumes to the bit, and merges or is refused when planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.tiny_models import with_added_tokens
from material.trainings import LENGTHS, Interrupted, interrupt_after, run

from domainlm.config.methods import WHOLE
from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import Inputs, Resources, StageError
from domainlm.evaluation.evaluate import load_evaluated
from domainlm.models import quantised
from domainlm.models.document_attention import load_for_packing
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, trainable_parameters
from domainlm.models.methods import saved_model
from domainlm.models.output_layer import output_layer
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import merged_model
from domainlm.tokens.rows import read_split
from domainlm.training.gradients import accumulate_gradients
from domainlm.training.job import Start
from domainlm.training.loss import mean_loss, row_losses
from domainlm.training.train import train_adapter

COMMON: dict[str, Any] = {"rank": 4, "alpha": 8, "rows_per_step": 2, "epochs": 4, "learning_rate": 5e-3}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"method": "rslora"},
    "lora_plus": {"method": "lora_plus"},
    "dora": {"method": "dora"},
    "pissa": {"method": "pissa"},
    "dropout": {"dropout": 0.2},
    "dora with dropout": {"method": "dora", "dropout": 0.2},
    "last layer's mlp": {"target_modules": "mlp", "layers": [-1]},
    "embeddings": {"trained_embeddings": "all"},
    "added tokens": {"trained_embeddings": "added"},
    "full": {"method": "full", "learning_rate": 2e-3},
    "osf": {"method": "osf", "learning_rate": 2e-3},
    "p_tuning": {"method": "p_tuning", "virtual_tokens": 4, "learning_rate": 1e-2, "epochs": 8},
    "prefix_tuning": {"method": "prefix_tuning", "virtual_tokens": 4, "learning_rate": 5e-2, "epochs": 8},
}


# those whose trained weights bfloat16 would round
ROUNDED = ["dora", "pissa", "embeddings", "added tokens", "full", "osf", "p_tuning", "prefix_tuning"]
CASES = [(method, "float32") for method in METHODS] + [(method, "bfloat16") for method in ROUNDED]


@pytest.mark.parametrize(("method", "precision"), CASES)
def test_it_learns_reloads_equal_and_resumes_to_the_bit(
    method: str, precision: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = with_added_tokens(make_base("qwen2", precision)), make_tokens(LENGTHS)
    section = PtAdapter(**{**COMMON, **METHODS[method], "precision": precision})
    whole = run(base, tokens, tmp_path / "whole", section, threads=2)
    stats = json.loads(whole["stats.json"])
    assert stats["trainable_parameters"] > 0
    losses = [float(line.split(",")[2]) for line in whole["loss.csv"].decode().splitlines()[1:]]
    part = len(losses) // 4
    assert sum(losses[-part:]) / part < sum(losses[:part]) / part - 0.05
    # the stage's own gate is exact; this is from disk once more
    rows = read_split(tokens, "validation")
    model = saved_model(lambda folder: load_for_packing(folder, precision), base, tmp_path / "whole" / "out")
    found = row_losses(model, rows, list(range(len(rows))))
    assert mean_loss(found) == pytest.approx(stats["validation_loss"], abs=1e-6)
    with pytest.raises(Interrupted):
        run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(7))
    assert run(base, tokens, tmp_path / "killed", section) == whole


def test_a_micro_batch_changes_no_mask_of_dropout(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    base, rows = make_base("llama"), read_split(make_tokens(LENGTHS), "train")
    found = []
    for share, size in ((0.5, 1), (0.5, 3), (0.0, 1)):
        model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, dropout=share), 17)
        weights = [weight for _, weight in trainable_parameters(model)]
        with torch.no_grad():
            for number, weight in enumerate(weights):
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.1)
        plain = model.get_base_model()
        resources = Resources(threads=2, micro_batch_rows=size)
        accumulate_gradients(plain, output_layer(plain), weights, rows, [0, 1, 2, 3], resources, "17:0")
        found.append(torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]))
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert not torch.allclose(found[0], found[2], atol=1e-3)


@pytest.mark.parametrize("method", [name for name in METHODS if "tuning" not in name])
def test_it_merges_within_the_certificate(
    method: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens, out = with_added_tokens(make_base("llama")), make_tokens(LENGTHS), tmp_path / "merged"
    section = PtAdapter(**{**COMMON, **METHODS[method], "epochs": 2, "precision": "float32"})
    run(base, tokens, tmp_path / "trained", section)
    out.mkdir()
    inputs = Inputs({"base_model": base, "pt_adapter": tmp_path / "trained" / "out", "pt_tokens": tokens})
    config = parse_slice("merged_model", {"section": MergedModel(dtype="float32").model_dump(mode="json")})
    certificate = merged_model.run(inputs, config, out, tmp_path, Resources(log=lambda line: None))
    assert certificate["kl"] < 1e-6
    # the merged model is the trained one, and not the base
    rows = read_split(tokens, "validation")
    trained, merged, first = (
        mean_loss(row_losses(model, rows, list(range(len(rows)))))
        for model in (
            saved_model(lambda folder: load_model(folder, "float32"), base, tmp_path / "trained" / "out"),
            load_model(out, "float32"),
            load_model(base, "float32"),
        )
    )
    assert merged == pytest.approx(trained, abs=1e-5)
    assert abs(first - trained) > 1e-4
    assert (out / "tokens.json").read_bytes() == (base / "tokens.json").read_bytes()
    evaluated = load_evaluated(
        *((tmp_path / "trained" / "out", None) if method in WHOLE else (base, tmp_path / "trained" / "out"))
    )
    assert mean_loss(row_losses(evaluated, rows, list(range(len(rows))))) == pytest.approx(trained, abs=1e-5)


def test_four_bits_need_bitsandbytes(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "is_installed", lambda: False)
    section = PtAdapter(**{**COMMON, "method": "qlora"})
    with pytest.raises(StageError, match=r"method qlora needs bitsandbytes.*extra gpu.*set method to lora"):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path, section)


@pytest.mark.skipif(not quantised.is_installed(), reason="bitsandbytes is not installed (extra gpu)")
def test_four_bits_learn_reload_equal_resume_and_merge(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    # bitsandbytes packs 64 numbers of a row on a CPU
    sizes = {"hidden_size": 128, "intermediate_size": 128}
    base, tokens, out = make_base("llama", "bfloat16", **sizes), make_tokens(LENGTHS), tmp_path / "merged"
    section = PtAdapter(**{**COMMON, "method": "qlora", "precision": "float32"})
    whole = run(base, tokens, tmp_path / "whole", section)
    stats = json.loads(whole["stats.json"])
    assert stats["loss_last"] < stats["loss_first"] - 0.1
    with pytest.raises(Interrupted):
        run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(7))
    assert run(base, tokens, tmp_path / "killed", section) == whole
    out.mkdir()
    inputs = Inputs({"base_model": base, "pt_adapter": tmp_path / "whole" / "out", "pt_tokens": tokens})
    config = parse_slice("merged_model", {"section": MergedModel(dtype="float32").model_dump(mode="json")})
    assert merged_model.run(inputs, config, out, tmp_path, Resources(log=lambda line: None))["kl"] < 1e-6


@pytest.mark.parametrize("method", ["rslora", "dora", "pissa"])
def test_an_adapter_is_trained_further(
    method: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = PtAdapter(**{**COMMON, "method": method})
    first = json.loads(run(base, tokens, tmp_path / "first", section)["stats.json"])
    out, scratch = tmp_path / "second", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    start = Start(base, "base_model", tmp_path / "first" / "out")
    small = section.model_copy(update={"learning_rate": 1e-9})
    stats = train_adapter(start, tokens, small, 17, out, scratch, Resources(log=lambda line: None))
    assert stats["validation_loss"] == pytest.approx(first["validation_loss"], abs=1e-5)
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["r"] == (8 if method == "pissa" else 4)
    other = "lora" if method != "pissa" else "dora"
    with pytest.raises(StageError, match=r"sft_adapter\.(method|rank) is"):
        train_adapter(start, tokens, section.model_copy(update={"method": other}), 17, out, scratch, Resources())
