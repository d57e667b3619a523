from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainlm.contract import StageError
from domainlm.training.checkpoint import Progress, load_checkpoint, save_checkpoint

Parameters = list[tuple[str, torch.nn.Parameter]]


def setting() -> tuple[Parameters, torch.optim.AdamW]:
    parameters = [("a", torch.nn.Parameter(torch.ones(3))), ("b", torch.nn.Parameter(torch.ones(2, 2)))]
    return parameters, torch.optim.AdamW([parameter for _, parameter in parameters], lr=0.1)


def step(parameters: Parameters, optimizer: torch.optim.AdamW) -> None:
    for _, parameter in parameters:
        parameter.grad = torch.full_like(parameter, 0.3)
    optimizer.step()


def test_nothing_done_without_a_checkpoint(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, *setting()) == Progress(0, [])


def test_the_next_step_is_the_same_after_loading(tmp_path: Path) -> None:
    parameters, optimizer = setting()
    step(parameters, optimizer)
    progress = Progress(1, [(1, 64, 0.1 + 0.2, 1e-3)])
    save_checkpoint(tmp_path, parameters, optimizer, progress)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    step(parameters, optimizer)
    others, other = setting()
    assert load_checkpoint(tmp_path, others, other) == progress
    step(others, other)
    assert all(torch.equal(one[1], two[1]) for one, two in zip(parameters, others, strict=True))


def test_a_write_cut_short_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    parameters, optimizer = setting()
    step(parameters, optimizer)
    save_checkpoint(tmp_path, parameters, optimizer, Progress(1, []))
    (tmp_path / "checkpoint.safetensors.partial").write_bytes(b"half a file")
    assert load_checkpoint(tmp_path, *setting()).steps_done == 1


def test_a_checkpoint_of_another_adapter_is_refused(tmp_path: Path) -> None:
    parameters, optimizer = setting()
    step(parameters, optimizer)
    save_checkpoint(tmp_path, parameters, optimizer, Progress(1, []))
    with pytest.raises(StageError, match="another adapter"):
        load_checkpoint(tmp_path, parameters[:1], optimizer)
