from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from domainlm.models import precision
from domainlm.models.precision import faster_precision, product_seconds, resolved_precision, widths


def refuse(name: str, measure: Callable[[], str]) -> str:
    raise AssertionError("a declared precision is not measured")


@pytest.mark.parametrize("declared", ["float32", "bfloat16"])
def test_a_declared_precision_is_taken(declared: str, tmp_path: Path) -> None:
    assert resolved_precision(declared, tmp_path, torch.device("cpu"), refuse) == declared


@pytest.mark.parametrize(
    ("float32", "bfloat16", "expected"),
    [(3.0, 1.0, "bfloat16"), (1.0, 3.0, "float32"), (1.0, 1.0, "float32"), (1.1, 1.0, "float32")],
)
def test_bfloat16_is_chosen_where_it_is_clearly_faster(
    float32: float, bfloat16: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"float32": float32, "bfloat16": bfloat16}
    monkeypatch.setattr(precision, "product_seconds", lambda name, hidden, intermediate: seconds[name])
    assert faster_precision(64, 256) == expected


def test_a_product_is_timed_and_threads_are_left_as_they_were() -> None:
    before = torch.get_num_threads()
    assert 0 < product_seconds("float32", 8, 16) < 5
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{"hidden_size": 576, "intermediate_size": 1536}', (576, 1536)),
        ('{"n_embd": 768}', (768, 3072)),
        ('{"hidden_size": 64, "intermediate_size": [128, 256]}', (64, 256)),
        ('{"hidden_size": 64, "intermediate_size": null}', (64, 256)),
    ],
)
def test_widths_are_those_of_the_configuration(config: str, expected: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    assert widths(tmp_path) == expected


def test_what_is_remembered_may_be_anything(tmp_path: Path) -> None:
    assert resolved_precision("auto", tmp_path, torch.device("cpu"), lambda name, measure: "rm -rf") == "float32"
