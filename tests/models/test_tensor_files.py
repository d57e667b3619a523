from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainlm.contract import StageError
from domainlm.models.tensor_files import (
    PlannedTensor,
    create_checkpoint,
    read_rows,
    read_tensor,
    stored_tensors,
    write_rows,
)

TENSORS = {
    "b.weight": torch.arange(12, dtype=torch.float32).view(4, 3),
    "a.weight": torch.arange(6, dtype=torch.bfloat16).view(3, 2),
    "h": torch.arange(3, dtype=torch.float16),
    'ü."counts"': torch.tensor([7, -1]),
    "is_on": torch.tensor([True, False]),
    "one": torch.tensor(2.5),
    "none": torch.zeros(0, 4),
}


def write(folder: Path, tensors: dict[str, torch.Tensor], shard_bytes: int) -> None:
    planned = {name: PlannedTensor(str(each.dtype)[6:], tuple(each.shape)) for name, each in tensors.items()}
    places = create_checkpoint(folder, planned, shard_bytes)
    for name, tensor in tensors.items():
        write_rows(places[name], 0, tensor)


def test_a_file_has_the_library_s_bytes(tmp_path: Path) -> None:
    write(tmp_path, TENSORS, 1 << 20)
    save_file(TENSORS, tmp_path / "expected.safetensors", metadata={"format": "pt"})
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "expected.safetensors").read_bytes()
    assert not (tmp_path / "model.safetensors.index.json").exists()


def test_tensors_and_rows_are_read_as_stored(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    stored = stored_tensors(tmp_path)
    assert stored.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        found = read_tensor(stored[name])
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor)
    assert read_rows(stored["b.weight"], 1, 3).tolist() == [[3, 4, 5], [6, 7, 8]]


def test_files_hold_no_more_than_the_bound_or_one_tensor(tmp_path: Path) -> None:
    tensors = {f"layer{i}": torch.full((i, 10), float(i)) for i in (1, 2, 9, 3)}
    write(tmp_path, tensors, 120)
    names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    assert [sorted(load_file(tmp_path / name)) for name in names] == [["layer1", "layer2"], ["layer9"], ["layer3"]]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_parameters": 150, "total_size": 600}
    assert index["weight_map"] == {"layer1": names[0], "layer2": names[0], "layer3": names[2], "layer9": names[1]}
    found = stored_tensors(tmp_path)
    assert all(torch.equal(read_tensor(found[name]), tensor) for name, tensor in tensors.items())


def test_rows_are_written_in_their_place(tmp_path: Path) -> None:
    place = create_checkpoint(tmp_path, {"w": PlannedTensor("bfloat16", (3, 2))})["w"]
    write_rows(place, 2, torch.tensor([[5.0, 6.0]], dtype=torch.bfloat16))
    write_rows(place, 0, torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16))
    assert load_file(tmp_path / "model.safetensors")["w"].tolist() == [[1, 2], [0, 0], [5, 6]]


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(4)}, path)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(StageError, match="ends 6 bytes before"):
        read_tensor(stored_tensors(tmp_path)["w"])
