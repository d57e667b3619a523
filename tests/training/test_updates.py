from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from material.trainings import LENGTHS, SECTION, Interrupted, interrupt_after, run


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_resume_at_any_step_and_any_thread_count_give_the_same_bytes(
    dtype: str, make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama", dtype), make_tokens(LENGTHS)
    section = SECTION.model_copy(update={"precision": dtype})
    expected = run(base, tokens, tmp_path / "whole", section, threads=2)
    assert run(base, tokens, tmp_path / "one_thread", section, threads=1, checkpoint_seconds=1e9) == expected
    steps = json.loads(expected["stats.json"])["steps"]
    stops = sorted(np.random.default_rng().choice(np.arange(1, steps), size=3, replace=False).tolist())
    for stop in stops:
        with pytest.raises(Interrupted):
            run(base, tokens, tmp_path / "killed", section, progress=interrupt_after(stop))
    assert (tmp_path / "killed" / "scratch" / "checkpoint.safetensors").exists()
    assert run(base, tokens, tmp_path / "killed", section) == expected, f"interrupted after {stops}"
