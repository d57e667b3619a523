"""A tiny base with an adapter, to be merged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from material.adapters import with_random_b

from domainlm.config.pretraining import PtAdapter
from domainlm.models.load import load_model
from domainlm.models.lora import new_adapter, save_adapter
from domainlm.tokens.rows import PackedRows, read_split


@pytest.fixture
def parts(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Path, PackedRows, Path]:
    """Base and adapter folders, validation rows, and an empty folder for the merged model."""
    base, adapter, merged = make_base("llama", "bfloat16"), tmp_path / "adapter", tmp_path / "merged"
    adapter.mkdir()
    merged.mkdir()
    model = new_adapter(load_model(base, "bfloat16"), PtAdapter(rank=4, alpha=8), 1)
    with_random_b(model)
    save_adapter(model, adapter, "base_model")
    return base, adapter, read_split(make_tokens([31, 14, 9, 32]), "validation"), merged
