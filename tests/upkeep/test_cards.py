"""The doctor's look at GPUs, with an nvidia-smi and a torch that say what such machines say."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from material.model_shapes import QWEN_14B
from material.projects import SOURCES, write_project

from domainlm.upkeep.cards import examine_cards
from domainlm.upkeep.hooks import Check

H100 = "580.65.06, NVIDIA H100 80GB HBM3, 81559, 80994, 9.0"
T4 = "580.65.06, Tesla T4, 15360, 14900, 7.5"
# the unified memory of a small machine
SHARED = "580.65.06, NVIDIA Thor, [N/A], [N/A], 11.0"


def torch_of(cuda: str | None = "13.0", cards: int = 1, has_nccl: bool = True) -> Any:
    return SimpleNamespace(
        __version__="2.13.0+cu130" if cuda else "2.13.0+cpu",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(
            is_available=lambda: cards > 0,
            device_count=lambda: cards,
            get_device_name=lambda index: "NVIDIA H100 80GB HBM3",
            nccl=SimpleNamespace(version=lambda: (2, 28, 3)),
        ),
        distributed=SimpleNamespace(is_available=lambda: True, is_nccl_available=lambda: has_nccl),
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Check]]:
    """machine(rows of nvidia-smi, torch): the checks of a machine that has them."""
    project = write_project(tmp_path / "project", {"a.txt": "Some words.\n"})
    (project / "model/config.json").write_text(json.dumps(QWEN_14B), encoding="utf-8")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def examine(rows: list[str] | None, torch: Any, code: int = 0) -> list[Check]:
        tools = tmp_path / "tools"
        tools.mkdir()
        if rows is not None:
            path = tools / "nvidia-smi"
            path.write_text("#!/bin/sh\n" + "".join(f"echo '{row}'\n" for row in rows) + f"exit {code}\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin" if rows is not None else str(tools))
        monkeypatch.setitem(sys.modules, "torch", torch)
        return examine_cards(project)

    return examine


def problems(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks if not check.is_ok}


@pytest.mark.parametrize("cuda", [None, "13.0"])
def test_without_a_card_it_is_one_line(machine: Any, cuda: str | None) -> None:
    assert machine(None, torch_of(cuda, cards=0)) == [Check("GPU", True, "none found; the CPU is used")]


def test_a_fit_machine(machine: Any) -> None:
    found = machine([H100, H100], torch_of(cards=2))
    assert problems(found) == {}
    assert [(check.name, check.found) for check in found] == [
        ("GPU driver", "580.65.06"),
        ("GPU build of torch", "2.13.0+cu130, CUDA 13.0, sees 2 × NVIDIA H100 80GB HBM3"),
        ("cards", "2 × NVIDIA H100 80GB HBM3 of 86 GB"),
        ("bf16", "in hardware"),
        ("NCCL", "2.28.3"),
        ("disk for checkpoints", found[-1].found),
    ]
    # 68,812,800 trained weights of 12 bytes, twice
    assert found[-1].found.endswith("free at the store, two checkpoints take 1.7 GB")


def test_a_cpu_build_of_torch_beside_a_card(machine: Any) -> None:
    found = problems(machine([H100], torch_of(None, cards=0)))
    assert list(found) == ["GPU build of torch"]
    assert found["GPU build of torch"].found == "2.13.0+cpu has no CUDA, nvidia-smi is here"
    assert "make setup TORCH=gpu" in found["GPU build of torch"].fix


def test_cards_that_torch_does_not_see(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = problems(machine([H100], torch_of(cards=0)))
    assert list(found) == ["GPU build of torch"]
    assert found["GPU build of torch"].found == (
        "2.13.0+cu130 sees no card, nvidia-smi sees 1 (CUDA_VISIBLE_DEVICES='')"
    )
    assert found["GPU build of torch"].fix == "unset CUDA_VISIBLE_DEVICES"


def test_a_driver_that_is_too_old(machine: Any) -> None:
    found = problems(machine([H100.replace("580.65.06", "535.183.01")], torch_of(cards=0)))
    assert found["GPU driver"].found == "535.183.01, and torch is built for CUDA 13.0"
    assert found["GPU driver"].fix == "install driver 580 or newer, and restart the machine"


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        (["NVIDIA-SMI has failed because it could not communicate with the driver."], 9, "could not communicate"),
        ([], 9, "exit code 9"),
        (["a, b"], 0, "it printed 'a, b'"),
    ],
)
def test_a_driver_that_does_not_answer(machine: Any, rows: list[str], code: int, said: str) -> None:
    (check,) = machine(rows, torch_of(cards=0), code)
    assert (check.name, check.is_ok) == ("GPU driver", False)
    assert said in check.found
    assert "modprobe nvidia" in check.fix


def test_a_driver_without_cards(machine: Any) -> None:
    (check,) = machine([], torch_of(cards=0))
    assert (check.name, check.is_ok) == ("GPU driver", True)


def test_a_card_that_others_use(machine: Any) -> None:
    found = problems(machine([H100, H100.replace("80994", "1200")], torch_of(cards=2)))
    assert list(found) == ["memory of a card"]
    assert found["memory of a card"].found == "card 1: 1.3 GB of 86 GB are free"


def test_a_card_without_bf16(machine: Any) -> None:
    found = problems(machine([T4], torch_of()))
    assert list(found) == ["bf16"]
    assert found["bf16"].found == "Tesla T4 has compute capability 7.5"
    assert "precision: float32" in found["bf16"].fix


def test_several_cards_without_nccl(machine: Any) -> None:
    found = machine([H100, T4.replace("7.5", "8.6")], torch_of(cards=2, has_nccl=False))
    assert list(problems(found)) == ["NCCL"]
    assert found[2].found == "1 × NVIDIA H100 80GB HBM3 of 86 GB, 1 × Tesla T4 of 16 GB"


def test_one_card_needs_no_nccl(machine: Any) -> None:
    found = machine([SHARED], torch_of(has_nccl=False))
    assert problems(found) == {}
    assert found[4] == Check("NCCL", True, "not needed for one card")


def test_a_disk_without_room_for_checkpoints(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    found = problems(machine([H100], torch_of()))
    assert list(found) == ["disk for checkpoints"]
    assert found["disk for checkpoints"].found == "1.0 GB free at the store, two checkpoints take 1.7 GB"
    assert "domainlm gc" in found["disk for checkpoints"].fix


def test_a_model_that_is_not_here(machine: Any, tmp_path: Path) -> None:
    (tmp_path / "project/model/config.json").write_text("{}", encoding="utf-8")
    assert machine([H100], torch_of())[-1].found.startswith("the base model is not here yet")


def test_a_configuration_that_is_wrong(machine: Any, tmp_path: Path) -> None:
    (tmp_path / "project/config/config.yaml").write_text(f"{SOURCES}pt_adaptor: {{}}\n", encoding="utf-8")
    check = machine([H100], torch_of())[-1]
    assert not check.is_ok
    assert "pt_adaptor" in check.found
