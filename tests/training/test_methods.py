"""Every method of training: it learns, reloads equal, resumes to the bit, and merges or is refused when planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources, StageError
from domainlm.models.document_attention import load_for_packing
from domainlm.models.methods import saved_model
from domainlm.tokens.rows import read_split
from domainlm.training.loss import mean_loss, row_losses
from domainlm.training.train import Start, train_adapter

LENGTHS = [31, 14, 9, 32, 25, 17, 8, 30, 12, 40, 22, 5]
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
    "full": {"method": "full", "learning_rate": 2e-3},
    "p_tuning": {"method": "p_tuning", "virtual_tokens": 4, "learning_rate": 1e-2, "epochs": 8},
    "prefix_tuning": {"method": "prefix_tuning", "virtual_tokens": 4, "learning_rate": 5e-2, "epochs": 8},
}


class Interrupted(Exception):
    pass


def interrupt_after(step: int) -> Callable[[int, int, Mapping[str, float]], None]:
    def progress(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Interrupted

    return progress


def train(base: Path, tokens: Path, folder: Path, section: PtAdapter, **resources: Any) -> dict[str, bytes]:
    out, scratch = folder / "out", folder / "scratch"
    for each in (out, scratch):
        each.mkdir(parents=True, exist_ok=True)
    settings = {"log": lambda line: None, "checkpoint_seconds": 0.0} | resources
    train_adapter(Start(base, "base_model"), tokens, section, 17, out, scratch, Resources(**settings))
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", METHODS)
def test_it_learns_reloads_equal_and_resumes_to_the_bit(
    method: str, precision: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("qwen2", precision), make_tokens(LENGTHS)
    section = PtAdapter(**{**COMMON, **METHODS[method], "precision": precision})
    whole = train(base, tokens, tmp_path / "whole", section, threads=2)
    stats = json.loads(whole["stats.json"])
    losses = [float(line.split(",")[2]) for line in whole["loss.csv"].decode().splitlines()[1:]]
    part = len(losses) // 4
    assert sum(losses[-part:]) / part < sum(losses[:part]) / part - 0.1
    # the stage's own gate is exact; this is from disk once more
    rows = read_split(tokens, "validation")
    model = saved_model(lambda folder: load_for_packing(folder, precision), base, tmp_path / "whole" / "out")
    found = row_losses(model, rows, list(range(len(rows))))
    assert mean_loss(found) == pytest.approx(stats["validation_loss"], abs=1e-6)
    with pytest.raises(Interrupted):
        train(base, tokens, tmp_path / "killed", section, progress=interrupt_after(7))
    assert train(base, tokens, tmp_path / "killed", section) == whole


def test_a_micro_batch_changes_no_mask_of_dropout(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = PtAdapter(**{**COMMON, "dropout": 0.5, "rows_per_step": 4})
    curves = [
        [float(line.split(",")[2]) for line in files["loss.csv"].decode().splitlines()[1:]]
        for rows in (1, 3)
        for files in [train(base, tokens, tmp_path / str(rows), section, micro_batch_rows=rows)]
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    plain = train(base, tokens, tmp_path / "plain", section.model_copy(update={"dropout": 0.0}))
    assert abs(curves[0][-1] - float(plain["loss.csv"].decode().splitlines()[-1].split(",")[2])) > 1e-3


@pytest.mark.parametrize("method", ["rslora", "dora", "pissa"])
def test_an_adapter_is_trained_further(
    method: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = PtAdapter(**{**COMMON, "method": method})
    first = json.loads(train(base, tokens, tmp_path / "first", section)["stats.json"])
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
