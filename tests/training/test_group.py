"""Several processes train what one does, whatever the method, and a killed training of two ends in the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from material.tiny_models import with_added_tokens
from material.trainings import LENGTHS, SECTION, environment_of_tests, files, run
from safetensors.torch import load

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.training import group
from domainlm.training.group import Group, check_agreement, check_size, map_shared

COMMON: dict[str, Any] = {
    "rank": 4,
    "alpha": 8,
    # 12 rows: two full batches and one of two rows; in the last epoch's, one process has one row less
    "rows_per_step": 5,
    "epochs": 2,
    "learning_rate": 5e-3,
    "precision": "float32",
}
INTERRUPTED = "lora, interrupted after update 2 and continued"
# knobs, rows in a micro-batch
TRAININGS: dict[str, tuple[dict[str, Any], int]] = {
    "lora": ({}, 1),
    "lora, micro-batch 2": ({}, 2),
    "lora, micro-batch 4": ({"rows_per_step": 8}, 4),
    "lora, a row an update": ({"rows_per_step": 1, "epochs": 1}, 1),
    "dropout, noise, pull to the base": ({"dropout": 0.2, "neftune_alpha": 5.0, "kl_weight": 0.3}, 2),
    "validation": ({"validation_every": 2, "early_stopping_validations": 2, "keeps_best": True, "epochs": 4}, 1),
    "rslora": ({"method": "rslora"}, 1),
    "lora_plus": ({"method": "lora_plus"}, 1),
    "dora": ({"method": "dora"}, 1),
    "pissa": ({"method": "pissa"}, 1),
    "embeddings": ({"trained_embeddings": "all"}, 1),
    "added tokens": ({"trained_embeddings": "added"}, 1),
    "full": ({"method": "full", "learning_rate": 2e-3}, 1),
    "osf": ({"method": "osf", "learning_rate": 2e-3}, 1),
    "p_tuning": ({"method": "p_tuning", "virtual_tokens": 4, "learning_rate": 1e-2}, 1),
    "prefix_tuning": ({"method": "prefix_tuning", "virtual_tokens": 4, "learning_rate": 1e-2}, 1),
    # the bytes of the first
    INTERRUPTED: ({}, 1),
}
# what differs in the loop; the others differ in what is trained
FEW = [
    "lora",
    "lora, micro-batch 2",
    "lora, a row an update",
    "dropout, noise, pull to the base",
    "validation",
    "full",
    INTERRUPTED,
]


def started(folder: Path, ports: list[int], rank: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "material.group_of_two", str(rank), str(folder), *map(str, ports)]
    return subprocess.Popen(command, env=environment_of_tests(GLOO_SOCKET_IFNAME="lo"))


def numbers(found: dict[str, bytes]) -> tuple[list[float], torch.Tensor]:
    """Losses of the curve and of validation, and all saved numbers."""
    losses = [float(line.split(",")[2]) for line in found["loss.csv"].decode().splitlines()[1:]]
    losses += [float(line.split(",")[1]) for line in found["validation.csv"].decode().splitlines()[1:]]
    name = next(name for name in ("adapter_model.safetensors", "model.safetensors") if name in found)
    tensors = load(found[name])
    return losses, torch.cat([tensors[key].flatten().double() for key in sorted(tensors)])


@pytest.mark.parametrize("names", [FEW, pytest.param(list(TRAININGS), marks=pytest.mark.long)], ids=["few", "all"])
def test_two_processes_train_what_one_does(
    names: list[str], make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    trainings = {name: TRAININGS[name] for name in names}
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "base").symlink_to(with_added_tokens(make_base("qwen2")))
    (folder / "tokens").symlink_to(make_tokens(LENGTHS))
    (folder / "sections.json").write_text(
        json.dumps(
            [[{**COMMON, **knobs}, rows, 2 if name == INTERRUPTED else 0] for name, (knobs, rows) in trainings.items()]
        )
    )
    for number in range(len(trainings)):
        for name in ("out", "scratch"):
            (folder / str(number) / name).mkdir(parents=True)
    stores = [dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False) for _ in [*trainings, None]]
    processes = [started(folder, [store.port for store in stores], rank) for rank in (0, 1)]
    try:
        wrong = []
        until = time.monotonic() + 300
        for number, (name, (knobs, rows)) in enumerate(trainings.items()):
            section = PtAdapter(**{**COMMON, **knobs})
            one = numbers(run(folder / "base", folder / "tokens", tmp_path / name, section, micro_batch_rows=rows))
            while not (folder / str(number) / "out" / "stats.json").exists():
                assert all(process.poll() in (None, 0) for process in processes), name
                assert time.monotonic() < until, name
                time.sleep(0.05)
            time.sleep(0.05)
            two = numbers(files(folder / str(number) / "out"))
            relative = float((two[1] - one[1]).norm() / one[1].norm())
            if two[0] != pytest.approx(one[0], rel=1e-4) or not relative < 1e-4:
                wrong.append((name, relative, one[0], two[0]))
        assert not wrong
        whole, again = (files(folder / str(number) / "out") for number in (0, len(trainings) - 1))
        assert again == whole
        assert [process.wait(60) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.long
def test_a_killed_training_of_two_processes_ends_in_the_same_bytes(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("qwen2"), make_tokens(LENGTHS)
    section = SECTION.model_copy(update={"epochs": 60, "rows_per_step": 5})
    code = (
        "import sys; from pathlib import Path; from material.trainings import SECTION, run;"
        "base, tokens, folder = map(Path, sys.argv[1:]);"
        "section = SECTION.model_copy(update={'epochs': 60, 'rows_per_step': 5});"
        "run(base, tokens, folder, section, processes=2)"
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", code, str(base), str(tokens), str(killed)]
    parent = subprocess.Popen(command, env=environment_of_tests())
    try:
        until = time.monotonic() + 120
        while not (killed / "scratch" / "checkpoint.safetensors").exists() and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert not (killed / "out" / "stats.json").exists()
    lines: list[str] = []
    again = run(base, tokens, killed, section, processes=2, log=lines.append)
    assert any(line.startswith("continuing after update") for line in lines)
    assert again == run(base, tokens, tmp_path / "whole", section, processes=2)
    assert json.loads(again["stats.json"])["steps"] == 96


def test_a_group_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"^1 processes joined the training, and the profile grants 2"):
        check_size(2)
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        check_size(1)
        with pytest.raises(StageError, match=r"^1 processes joined the training, and the profile grants 2"):
            check_size(2)
    finally:
        dist.destroy_process_group()


def test_weights_that_differ_in_a_bit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [("first", torch.nn.Parameter(torch.ones(3))), ("second", torch.nn.Parameter(torch.ones(2, 2)))]
    monkeypatch.setattr(group, "all_values", lambda _, sums: [sums, [sums[0], sums[1] + 1]])
    with pytest.raises(StageError, match=r"^process 1 has another second than process 0 after update 4;"):
        check_agreement(Group(0, 2), weights, 4)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_rows_are_divided_and_put_in_order_again(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items, size = list(range(count)), 3
    parts = [[item * 10 for item in Group(rank, size).part(items)] for rank in range(size)]
    assert sum(map(len, parts)) == count
    monkeypatch.setattr(group, "_gathered", lambda *_: parts)
    assert map_shared(Group(1, size), lambda part: part, items) == [item * 10 for item in items]
