from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources, StageError
from domainlm.models.device import granted_device, granted_processes, use_activation_checkpointing
from domainlm.models.document_attention import load_for_packing
from domainlm.models.load import hidden_states
from domainlm.models.lora import new_adapter
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import read_split
from domainlm.training.gradients import accumulate_gradients

SECTION = PtAdapter(rank=4, alpha=8)


def test_without_a_grant_it_is_the_cpu() -> None:
    assert granted_device(Resources()) == torch.device("cpu")


@pytest.mark.parametrize("gpus", [1, 8])
def test_a_gpu_that_is_granted_and_missing_is_an_error(gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StageError, match=rf"^the profile grants {gpus} GPU, and torch .* sees 0"):
        granted_device(Resources(gpus=gpus))


def test_more_gpus_than_one_process_uses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert granted_device(Resources(gpus=1)) == torch.device("cuda", 0)
    with pytest.raises(StageError, match="grants 2 GPUs; expected 1"):
        granted_device(Resources(gpus=2))
    assert granted_device(Resources(gpus=2), rank=1) == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("gpus", "processes", "expected"), [(0, 0, 1), (0, 1, 1), (0, 3, 3), (1, 1, 1), (8, 1, 8), (8, 8, 8)]
)
def test_there_is_a_process_a_gpu(gpus: int, processes: int, expected: int) -> None:
    assert granted_processes(Resources(gpus=gpus, processes=processes)) == expected


def test_several_processes_on_a_gpu_are_refused() -> None:
    with pytest.raises(StageError, match=r"^the profile grants 1 GPUs and 2 processes; expected one process a GPU"):
        granted_processes(Resources(gpus=1, processes=2))


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_layers_computed_again_give_the_same_bits(
    kind: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    base, rows = make_base(kind, "bfloat16"), read_split(make_tokens([20, 12, 32]), "train")
    found = []
    for is_checkpointing in (False, True):
        model = load_for_packing(base, "bfloat16")
        if is_checkpointing:
            assert use_activation_checkpointing(model) == 2
        adapted = new_adapter(model, SECTION, 17)
        weights = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
        with torch.no_grad():
            for weight in weights:
                weight.add_(0.01)
        layer = output_layer(model)
        loss = accumulate_gradients(adapted.get_base_model(), layer, weights, rows, [0, 1], Resources(threads=2))
        found.append((loss, torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_layers_computed_again_keep_little_for_the_backward_pass(make_base: Callable[..., Path]) -> None:
    base, ids, kept = make_base(num_hidden_layers=6), torch.arange(64)[None] + 5, []
    for is_checkpointing in (False, True):
        model = load_for_packing(base, "float32")
        if is_checkpointing:
            use_activation_checkpointing(model)
        adapted = new_adapter(model, SECTION, 17)
        total: list[int] = []

        def pack(tensor: torch.Tensor, total: list[int] = total) -> torch.Tensor:
            total.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            hidden_states(adapted.get_base_model(), ids, torch.arange(64)[None])
        kept.append(sum(total))
    assert kept[1] < kept[0] / 5


def test_a_model_without_layers_to_compute_again_is_refused() -> None:
    with pytest.raises(StageError, match="Linear has no layers that can be computed again"):
        use_activation_checkpointing(torch.nn.Linear(2, 2))
