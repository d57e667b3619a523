from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from domainlm.contract import StageError
from domainlm.models.base_digest import check_base, record_base, weights_digest

WEIGHTS = "model.safetensors"


def copied(base: Path, folder: Path) -> Path:
    shutil.copytree(base, folder)
    return folder


def test_an_adapter_of_other_weights_of_one_shape_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    record_base(adapter, base, "base_model")
    assert json.loads((adapter / "base.json").read_text()) == {
        "artifact": "base_model",
        "weights_sha256": weights_digest(base),
    }
    check_base(adapter, copied(base, tmp_path / "copy"))

    tensors = load_file(base / WEIGHTS)
    for name in tensors:
        other = copied(base, tmp_path / f"other_{name}")
        save_file({**tensors, name: tensors[name] * 1.01}, other / WEIGHTS, metadata={"format": "pt"})
        with pytest.raises(StageError, match="was trained on base_model with the weights"):
            check_base(adapter, other)


def test_another_configuration_of_the_same_weights_is_another_base(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    other = copied(base, tmp_path / "other")
    config = json.loads((base / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert weights_digest(base) != weights_digest(other)


def test_files_do_not_matter(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    other = copied(base, tmp_path / "other")
    tensors = load_file(base / WEIGHTS)
    (other / WEIGHTS).unlink()
    names = sorted(tensors)
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in part}, other / f"model-{1 - number}.safetensors")
    assert weights_digest(other) == weights_digest(base)


def test_an_adapter_that_does_not_say_its_base_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"expected base\.json in it"):
        check_base(tmp_path, make_base("llama"))
