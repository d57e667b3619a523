from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from domainlm.config.domain import DomainConfig
from domainlm.config.instruction import SftAdapter
from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import config_slice, parse_slice
from domainlm.stages import pt_adapter, sft_adapter

QUIET = Resources(log=lambda line: None)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def train(inputs: dict[str, Path], out: Path, **section: object) -> Path:
    values = SftAdapter(rows_per_step=2, **section).model_dump(mode="json")  # type: ignore[arg-type]
    scratch = folder(out.parent / f"{out.name}_scratch")
    sft_adapter.run(
        Inputs(inputs),
        parse_slice("sft_adapter", config_slice("sft_adapter", DomainConfig.model_validate({"sft_adapter": values}))),
        folder(out),
        scratch,
        QUIET,
    )
    return out


def test_each_relay_starts_where_it_says(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, merged, tokens = make_base("llama"), make_base("llama"), make_tokens([32, 20, 11, 30], last_id=2)
    pt = folder(tmp_path / "pt")
    section = PtAdapter(rank=2, alpha=4, learning_rate=0.01).model_dump(mode="json")
    inputs = Inputs({"base_model": base, "pt_tokens": make_tokens([32, 20, 11, 30])})
    pt_adapter.run(
        inputs,
        parse_slice("pt_adapter", {"section": section, "seed": 17}),
        pt,
        folder(tmp_path / "s"),
        QUIET,
    )

    shape = {"rank": 2, "alpha": 4, "learning_rate": 1e-7}
    none = train({"base_model": base, "sft_tokens": tokens}, tmp_path / "none", relay="none", **shape)
    merge = train({"merged_model": merged, "sft_tokens": tokens}, tmp_path / "merge", relay="merge", **shape)
    both = {"base_model": base, "pt_adapter": pt, "sft_tokens": tokens}
    continued = train(both, tmp_path / "continue", relay="continue", **shape)

    names = [json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] for out in (none, merge)]
    assert names == ["base_model", "merged_model"]
    start, end = (load_file(out / "adapter_model.safetensors") for out in (pt, continued))
    assert set(start) == set(end)
    assert all(torch.allclose(start[name], end[name], atol=1e-6) for name in start)
    fresh = load_file(none / "adapter_model.safetensors")
    assert max(float(fresh[name].abs().max()) for name in fresh if "lora_B" in name) < 1e-6

    with pytest.raises(StageError, match="rank is 2"):
        train(both, tmp_path / "other", relay="continue", rank=4)

    other = make_base("llama", initializer_range=0.1)
    with pytest.raises(StageError, match="was trained on base_model with the weights"):
        train({**both, "base_model": other}, tmp_path / "wrong", relay="continue", **shape)
    with pytest.raises(StageError, match=r"ends with token 0, a label .* expected token 2 \(<\|im_end\|>\)"):
        train(
            {"base_model": base, "sft_tokens": inputs.folders["pt_tokens"]}, tmp_path / "texts", relay="none", **shape
        )
