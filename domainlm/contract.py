"""The contract of a stage: its arguments and its freedoms.

A stage module has `run(inputs, config, out, scratch, resources)`; a sharded stage also has `run_shard` with the same
arguments. A stage reads `inputs` and `config`, writes files under `out`, keeps restartable work under `scratch`, and
returns figures for the log. It sees no environment, clock, host name, network or absolute path, so equal inputs give
equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

Stats = Mapping[str, Any]


class StageError(Exception):
    """The stage cannot continue.

    The message names the value, the expectation and the fix.
    """


def _silent(done: int, total: int, figures: Mapping[str, float]) -> None:
    return None


def _measured_anew(name: str, measure: Callable[[], str]) -> str:
    return measure()


@dataclass(frozen=True)
class Resources:
    """The resources that a profile grants; none may change a result's meaning.

    has_activation_checkpointing: compute each layer again in the backward pass, which takes time and saves memory.
    choose(name, measure): a choice that the machine makes by measuring itself; the value of `measure`, or the one that is
    remembered of it. It stands in action.json. processes: those that train together on the CPU; on GPUs there is one a card.
    """

    threads: int = 1
    micro_batch_rows: int = 1
    checkpoint_seconds: float = 60.0
    gpus: int = 0
    processes: int = 1
    has_activation_checkpointing: bool = False
    progress: Callable[[int, int, Mapping[str, float]], None] = field(default=_silent, repr=False)
    log: Callable[[str], None] = field(default=print, repr=False)
    choose: Callable[[str, Callable[[], str]], str] = field(default=_measured_anew, repr=False)


@dataclass(frozen=True)
class Inputs:
    """The read-only inputs of one stage.

    `folders` maps an artifact's name to its folder (that of the whole artifact, or of the same shard). `open_raw`
    opens a raw file by its digest and checks, while the file is read, that its bytes are those in the inventory; it
    raises `StageError` if they are not.
    """

    folders: Mapping[str, Path]
    open_raw: Callable[[Mapping[str, Any]], BinaryIO] | None = None
