from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_base

from domainlm.models.tensor_files import MAX_PIECE_NUMBERS, Form, TensorFiles, TensorWriter, pieces


def copied(source: Path, target: Path, **options: Any) -> None:
    """The checkpoint's tensors, read and written in pieces of three rows."""
    target.mkdir()
    with TensorFiles(source) as files:

        def tensor(name: str) -> Iterator[Any]:
            shape = files.forms[name].shape
            yield from (files.rows(name, at, at + 3) for at in range(0, shape[0] if shape else 1, 3))

        TensorWriter(target, files.forms, **options).write((name, tensor(name)) for name in sorted(files.forms))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float16"])
def test_tensors_pass_through_in_pieces_and_load_as_they_were(dtype: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    base = write_base(tmp_path / "base", "qwen2", dtype, "<|im_end|>")
    copied(base, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "out"))
    assert before.keys() == after.keys()
    assert all(before[name].equal(after[name]) and before[name].dtype == after[name].dtype for name in before)


def test_a_large_checkpoint_is_written_in_several_files_that_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = write_base(tmp_path / "base", "llama", "float32", "<|im_end|>")
    copied(base, tmp_path / "out", max_bytes=40_000)
    files = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 1
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    (tmp_path / "out/config.json").write_bytes((base / "config.json").read_bytes())
    one, other = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (base, tmp_path / "out"))
    assert all(one[name].equal(other[name]) for name in one)
    # what was written is read again the same
    copied(tmp_path / "out", tmp_path / "again")
    with TensorFiles(base) as before, TensorFiles(tmp_path / "again") as after:
        assert before.forms == after.forms


def test_single_numbers_whole_numbers_and_empty_tensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    (tmp_path / "in").mkdir()
    tensors = {"a": torch.tensor(3.5), "b": torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]]), "c": torch.zeros(0, 4)}
    save_file(tensors | {"d": torch.tensor([True, False])}, tmp_path / "in/model.safetensors")
    copied(tmp_path / "in", tmp_path / "out")
    found = load_file(tmp_path / "out/model.safetensors")
    assert found["a"].item() == 3.5
    assert found["b"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert found["c"].shape == (0, 4)
    assert found["d"].tolist() == [True, False]


def test_pieces_cover_a_tensor_once() -> None:
    width = MAX_PIECE_NUMBERS // 2
    assert list(pieces((5, width))) == [(0, 2), (2, 4), (4, 5)]
    assert list(pieces((2, 3 * MAX_PIECE_NUMBERS))) == [(0, 1), (1, 2)]
    assert list(pieces(())) == [(0, 1)]
    assert list(pieces((0, 4))) == []


def test_a_tensor_of_another_size_is_not_written(tmp_path: Path) -> None:
    import torch

    writer = TensorWriter(tmp_path, {"a": Form("F32", (3,))})
    with pytest.raises(ValueError, match="the tensor a is not a with the form"):
        writer.write(iter([("a", iter([torch.zeros(2)]))]))
