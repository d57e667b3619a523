from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources, StageError
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import read_split
from domainlm.training import train as train_module
from domainlm.training.gates import check_reloads
from domainlm.training.gradients import accumulate_gradients, clip_gradients
from domainlm.training.schedule import learning_rate, row_order
from domainlm.training.train import Start, train_adapter

LENGTHS = [31, 14, 9, 32, 25, 17, 8, 30, 12, 40, 22, 5]
SECTION = PtAdapter(rank=4, alpha=8, rows_per_step=2, epochs=2, learning_rate=5e-3)


class Interrupted(Exception):
    pass


def interrupt_after(step: int) -> Callable[[int, int, Mapping[str, float]], None]:
    def progress(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Interrupted

    return progress


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run(base: Path, tokens: Path, folder: Path, section: PtAdapter = SECTION, **resources: object) -> dict[str, bytes]:
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    settings = {"log": lambda line: None, "checkpoint_seconds": 0.0} | resources
    train_adapter(Start(base, "base_model"), tokens, section, 17, out, scratch, Resources(**settings))  # type: ignore[arg-type]
    return files(out)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_resume_at_any_step_and_any_thread_count_give_the_same_bytes(
    dtype: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama", dtype), make_tokens(LENGTHS)
    section = SECTION.model_copy(update={"precision": dtype})
    expected = run(base, tokens, tmp_path / "whole", section, threads=2)
    assert run(base, tokens, tmp_path / "one_thread", section, threads=1, checkpoint_seconds=1e9) == expected
    steps = json.loads(expected["stats.json"])["steps"]
    stops = sorted(np.random.default_rng().choice(np.arange(1, steps), size=3, replace=False).tolist())
    for stop in stops:
        with pytest.raises(Interrupted):
            run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(stop))
    assert (tmp_path / "killed" / "scratch" / "checkpoint.safetensors").exists()
    assert run(base, tokens, tmp_path / "killed", section) == expected, f"interrupted after {stops}"


def test_training_learns_and_writes_its_figures(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    found = run(make_base("qwen2"), make_tokens(LENGTHS), tmp_path, SECTION.model_copy(update={"epochs": 8}))
    assert sorted(found) == [
        "adapter_config.json",
        "adapter_model.safetensors",
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


def test_a_global_batch_has_one_mean_however_it_is_cut(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    base = make_base("llama")
    results = []
    for micro_batch_rows in (1, 3, 4):
        model = new_adapter(load_model(base, "float32"), SECTION, 17)
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        resources = Resources(threads=2, micro_batch_rows=micro_batch_rows)
        layer = output_layer(model.get_base_model())
        loss = accumulate_gradients(model.get_base_model(), layer, weights, rows, [0, 1, 2, 3], resources)
        results.append((loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], abs=1e-6)
        assert torch.allclose(gradient, results[0][1], atol=1e-6)


def test_an_adapter_that_no_text_passes_is_named(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    model = new_adapter(load_model(make_base("llama"), "float32"), SECTION, 17).get_base_model()
    model.seer = torch.nn.ParameterDict({"lora_A": torch.nn.Parameter(torch.zeros(4, 4))})
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rows = read_split(make_tokens(LENGTHS), "train")
    with pytest.raises(StageError, match=r"^target_modules: .* on the adapter of seer \(1 such layers\)"):
        accumulate_gradients(model, output_layer(model), weights, rows, [0], Resources(threads=1))


def test_an_adapter_that_lost_something_is_refused(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.models import lora

    def save_without_last_tensor(model: object, folder: Path, base_name: str) -> None:
        from safetensors.torch import load_file, save_file

        original(model, folder, base_name)
        tensors = load_file(folder / "adapter_model.safetensors")
        name = sorted(name for name in tensors if "lora_B" in name)[-1]
        save_file({**tensors, name: tensors[name] * 0}, folder / "adapter_model.safetensors")

    original = lora.save_adapter
    monkeypatch.setattr(train_module.lora, "save_adapter", save_without_last_tensor)
    with pytest.raises(StageError, match="after loading"):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path)


def test_a_changed_base_is_noticed(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    run(base, tokens, tmp_path)
    with pytest.raises(StageError, match="after loading"):
        check_reloads(
            base, "bfloat16", tmp_path / "out", torch.device("cpu"), read_split(tokens, "validation"), [(1.0, 3)]
        )


def test_row_order_is_a_permutation_per_epoch() -> None:
    order = row_order(10, 2, 17)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert order == row_order(10, 2, 17) != row_order(10, 2, 18)


def test_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    section = PtAdapter(learning_rate=1.0, warmup_share=0.2, final_learning_rate_share=0.1)
    rates = [learning_rate(step, 20, section) for step in range(20)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4] == 1.0
    assert rates[-1] == pytest.approx(0.1)
    assert learning_rate(0, 1, section) == 1.0


def test_gradients_are_scaled_down_to_the_norm() -> None:
    weights = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))]
    for weight in weights:
        weight.grad = torch.full_like(weight, 2.0)
    clip_gradients(weights, 1.0)
    total = sum(float(w.grad.square().sum()) for w in weights if w.grad is not None)
    assert math.sqrt(total) == pytest.approx(1.0)


def test_a_loss_that_is_not_finite_stops_the_run(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="lower learning_rate"):
        run(make_base("llama"), make_tokens(LENGTHS * 4), tmp_path, PtAdapter(rank=4, learning_rate=1e30))
