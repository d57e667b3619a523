from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_base

from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import instruct_residual


def with_other_weights(folder: Path, seed: int) -> Path:
    import torch
    from safetensors.torch import load_file, save_file

    generator = torch.Generator().manual_seed(seed)
    path = folder / "model.safetensors"
    changed = {
        name: tensor + 0.02 * torch.randn(tensor.shape, generator=generator) for name, tensor in load_file(path).items()
    }
    save_file(changed, path, metadata={"format": "pt"})
    return folder


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    names = ("base_model", "instruct_model", "merged_model")
    folders = {name: write_base(tmp_path / name, "llama", "float32", "<|im_end|>") for name in names}
    for seed, name in enumerate(names):
        with_other_weights(folders[name], seed)
    return Inputs(folders)


def build(inputs: Inputs, out: Path, weight: float = 1.0, **resources: Any) -> dict[str, bytes]:
    out.mkdir()
    config = parse_slice("instruct_residual", {"section": {"weight": weight}})
    instruct_residual.run(inputs, config, out, out.parent, Resources(**resources))
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_bytes_are_equal_on_one_and_two_threads(inputs: Inputs, tmp_path: Path) -> None:
    found = [build(inputs, tmp_path / f"out{threads}", 0.7, threads=threads) for threads in (1, 2)]
    assert found[0] == found[1]
    certificate = json.loads(found[0]["certificate.json"])
    assert set(certificate) == {
        *("weight", "dtype", "tensors", "equal_tensors", "rows_added", "rows_dropped", "norms", "is_finite")
    }
    assert (certificate["weight"], certificate["dtype"], certificate["is_finite"]) == (0.7, "float32", True)
    assert {"model.safetensors", "config.json", "tokens.json", "tokenizer.json"} <= set(found[0])


def test_plain_transformers_loads_it(inputs: Inputs, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    build(inputs, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    logits = model(**tokenizer("A question.", return_tensors="pt")).logits
    assert bool(logits.isfinite().all())


def test_a_pair_of_two_tokenizers_leaves_no_certificate(inputs: Inputs, tmp_path: Path) -> None:
    path = inputs.folders["instruct_model"] / "tokenizer.json"
    values = json.loads(path.read_text())
    vocabulary = values["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    path.write_text(json.dumps(values))
    with pytest.raises(StageError, match=r"the token 'A' of base_model's tokenizer has the id \d+, and has the id \d+"):
        build(inputs, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_result_that_is_not_finite_leaves_no_certificate(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.models import residual

    def nothing_finite(model: Any) -> Any:
        import torch

        return torch.full((1, 2, 3), float("nan"))

    monkeypatch.setattr(residual, "probe_logits", nothing_finite)
    with pytest.raises(StageError, match="gives logits that are not finite"):
        build(inputs, tmp_path / "out")
    assert not (tmp_path / "out/certificate.json").exists()
