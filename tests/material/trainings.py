"""Short trainings of tiny models, whole or interrupted.

In: a `base_model` folder and a token folder of `material.tiny_models`. Out: the artifact's files and their bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources
from domainlm.training.job import Start
from domainlm.training.train import train_adapter

LENGTHS = [31, 14, 9, 32, 25, 17, 8, 30, 12, 40, 22, 5]
# not auto: two runs on a busy machine may choose differently
SECTION = PtAdapter(rank=4, alpha=8, rows_per_step=2, epochs=2, learning_rate=5e-3, precision="float32")


class Interrupted(Exception):
    pass


def interrupt_after(step: int) -> Callable[[int, int, Mapping[str, float]], None]:
    def progress(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Interrupted

    return progress


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run(base: Path, tokens: Path, folder: Path, section: PtAdapter = SECTION, **resources: object) -> dict[str, bytes]:
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    settings = {"log": lambda line: None, "checkpoint_seconds": 0.0} | resources
    train_adapter(Start(base, "base_model"), tokens, section, 17, out, scratch, Resources(**settings))  # type: ignore[arg-type]
    return files(out)


def environment_of_tests(**changes: str) -> dict[str, str]:
    """Variables by which another Python finds the modules that this one does."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**os.environ, "PYTHONPATH": paths, **changes}
