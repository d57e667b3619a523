from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Inputs, Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import pt_adapter


def test_the_artifact_and_its_progress(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    inputs = Inputs({"base_model": make_base("llama", "bfloat16"), "pt_tokens": make_tokens([32, 20, 11, 30])})
    section = PtAdapter(rank=2, rows_per_step=2).model_dump(mode="json")
    calls = []
    resources = Resources(
        log=lambda line: None, progress=lambda done, total, figures: calls.append((done, total, figures))
    )
    pt_adapter.run(inputs, parse_slice("pt_adapter", {"section": section, "seed": 17}), out, scratch, resources)
    assert {path.name for path in out.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "base.json",
        "loss.csv",
        "validation.csv",
        "stats.json",
    }
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "base_model"
    assert calls[-1][0] == calls[-1][1] == json.loads((out / "stats.json").read_text())["steps"]
    assert set(calls[-1][2]) == {"loss", "tokens_per_second", "peak_memory_bytes", "seconds_left"}
    # the process has torch in it
    assert calls[-1][2]["peak_memory_bytes"] > 100e6
    assert abs(calls[-1][2]["seconds_left"]) < 1e-6
