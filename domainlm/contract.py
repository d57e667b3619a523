"""The contract of a stage: what `run` is handed and what it may do with it.

A stage module has `run(inputs, config, out, scratch, resources)`; a sharded one also `run_shard` of the same shape.
It reads `inputs` and `config`, writes files under `out`, keeps restartable work under `scratch`, and returns figures
for the log. It sees no environment, clock, host name, network or absolute path, so equal inputs give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

Stats = Mapping[str, Any]


class StageError(Exception):
    """The stage cannot go on: the message names the value, what was expected, and the fix."""


def _silent(done: int, total: int, figures: Mapping[str, float]) -> None:
    return None


@dataclass(frozen=True)
class Resources:
    """What the profile grants; none of it may change the result's meaning."""

    threads: int = 1
    micro_batch_rows: int = 1
    checkpoint_seconds: float = 60.0
    progress: Callable[[int, int, Mapping[str, float]], None] = field(default=_silent, repr=False)
    log: Callable[[str], None] = field(default=print, repr=False)


@dataclass(frozen=True)
class Inputs:
    """The read-only inputs of one stage.

    `folders` maps an artifact's name to its folder (a whole one, or the same shard's of a sharded one). `open_raw` opens a raw file by
    its digest, checking while it is read that the bytes are those the inventory lists; it raises `StageError` where they are not.
    """

    folders: Mapping[str, Path]
    open_raw: Callable[[Mapping[str, Any]], BinaryIO] | None = None
