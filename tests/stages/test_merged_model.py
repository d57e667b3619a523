from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import merged_model, pt_adapter


@pytest.fixture
def inputs(make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path) -> Inputs:
    base, tokens, adapter, scratch = make_base("qwen2"), make_tokens([32, 20, 11, 30]), tmp_path / "a", tmp_path / "s"
    adapter.mkdir()
    scratch.mkdir()
    section = PtAdapter(rank=2, learning_rate=0.01, rows_per_step=1).model_dump(mode="json")
    quiet = Resources(log=lambda line: None)
    pt_inputs = Inputs({"base_model": base, "pt_tokens": tokens})
    pt_adapter.run(pt_inputs, parse_slice("pt_adapter", {"section": section, "seed": 17}), adapter, scratch, quiet)
    return Inputs({"base_model": base, "pt_adapter": adapter, "pt_tokens": tokens})


def test_bytes_are_equal_on_one_and_two_threads(inputs: Inputs, tmp_path: Path) -> None:
    found = []
    for threads in (1, 2):
        out = tmp_path / f"out{threads}"
        out.mkdir()
        config = {"section": MergedModel(dtype="float32").model_dump(mode="json")}
        merged_model.run(inputs, parse_slice("merged_model", config), out, tmp_path, Resources(threads=threads))
        found.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert found[0] == found[1]
    certificate = json.loads(found[0]["certificate.json"])
    assert set(certificate) == {
        "kl",
        "nll_base_adapter",
        "nll_merged",
        "max_kl",
        "max_nll_difference",
        "rows",
        "dtype",
    }
    assert certificate["kl"] < 1e-6


def test_a_broken_merge_leaves_no_certificate(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.models import merge

    monkeypatch.setattr(merge, "changes", lambda model: {})
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(StageError, match="is not base \\+ adapter"):
        merged_model.run(
            inputs,
            parse_slice("merged_model", {"section": MergedModel().model_dump(mode="json")}),
            out,
            tmp_path,
            Resources(),
        )
    assert not (out / "certificate.json").exists()
