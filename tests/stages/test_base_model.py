from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import base_model


def test_a_local_folder_becomes_the_artifact_twice_alike(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    (base / "tokens.json").unlink()
    config = {
        "section": BaseModelConfig().model_dump(mode="json"),
        "source": {"source": "tiny", "role": "base_model", "licence": "Apache-2.0"},
        "files": [{"path": f"models/tiny/{path.name}"} for path in sorted(base.iterdir())],
        "hub": None,
        "has_system_turn": True,
    }
    found = []
    for threads in (1, 2):
        out, scratch = tmp_path / f"out{threads}", tmp_path / f"scratch{threads}"
        out.mkdir()
        inputs = Inputs({}, lambda row: (base / Path(row["path"]).name).open("rb"))
        stats = base_model.run(inputs, parse_slice("base_model", config), out, scratch, Resources(threads=threads))
        assert stats["turn_end"] == "<|im_end|>"
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()})
    assert found[0] == found[1]
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokens.json"} <= set(
        found[0]
    )
    assert json.loads((tmp_path / "out1" / "config.json").read_text())["dtype"] == "bfloat16"


def test_without_raw_files_it_says_so(tmp_path: Path) -> None:
    config = {"section": BaseModelConfig().model_dump(mode="json"), "files": [], "source": {}, "hub": None}
    with pytest.raises(StageError, match="no raw files"):
        base_model.run(Inputs({}), parse_slice("base_model", config), tmp_path, tmp_path, Resources())
