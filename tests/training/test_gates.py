from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from material.trainings import LENGTHS, run

from domainlm.contract import StageError
from domainlm.tokens.rows import read_split
from domainlm.training import train as train_module
from domainlm.training.gates import check_reloads


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
        check_reloads(base, "bfloat16", tmp_path / "out", read_split(tokens, "validation"), [(1.0, 3)])
