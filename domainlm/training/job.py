"""What a training is asked to do, as values.

In: nothing. Out: `Start` and `Job`, which a stage makes and every process of a training is given. They lie apart from
the training, so that what starts processes need not import what runs in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domainlm.config.training import Training


@dataclass(frozen=True)
class Start:
    """The start of training: checkpoint folder, name, adapter to continue.

    The name is the one in the adapter's configuration. learned_end: the token by which the rows' documents end.
    """

    base: Path
    base_name: str
    adapter: Path | None = None
    learned_end: Literal["end_of_text", "turn_end"] = "end_of_text"


@dataclass(frozen=True)
class Job:
    """One training: its start, its rows, its knobs and its folders.

    tokens: the folder of packed rows. scratch: where checkpoints lie.
    """

    start: Start
    tokens: Path
    section: Training
    seed: int
    out: Path
    scratch: Path
