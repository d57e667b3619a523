"""NEFTune: noise on the embeddings of the tokens that are trained on.

In: the rows of a micro-batch, and the update by its seed and step. Out: embeddings with uniform noise of the size
alpha / sqrt(tokens of a row x width) (arXiv 2310.05914). Each row's noise is drawn by a generator of its own, from
seed, step and row, so that it depends neither on threads nor on the micro-batch nor on where a killed run continues.
Whatever does not ask for noise, such as a validation, gets none.

A hook adds it where the model looks its tokens up, because some models scale or normalise what comes after; the
thread says which rows it computes, since several micro-batches pass one model at a time.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class _Asked:
    update: str
    rows: Sequence[int]


_asked_by = threading.local()


@contextmanager
def noisy_embeddings(model: Any, alpha: float) -> Iterator[None]:
    """Let the model add noise where `noise_of` asks for it."""
    if alpha == 0:
        yield
        return

    def add(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        asked: _Asked | None = getattr(_asked_by, "asked", None)
        return None if asked is None else output + row_noise(asked.update, asked.rows, output, alpha)

    handle = model.get_input_embeddings().register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def noise_of(update: str, rows: Sequence[int]) -> Iterator[None]:
    """Ask for the noise of these rows, in this thread."""
    _asked_by.asked = _Asked(update, rows)
    try:
        yield
    finally:
        _asked_by.asked = None


def row_noise(update: str, rows: Sequence[int], like: torch.Tensor, alpha: float) -> torch.Tensor:
    """Noise for embeddings [rows, length, width], of their precision and device."""
    import torch

    length, width = like.shape[1:]
    size = alpha / math.sqrt(length * width)
    drawn = []
    for row in rows:
        digest = hashlib.blake2b(f"noise:{update}:{row}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
        drawn.append(torch.rand(length, width, generator=generator).mul_(2).sub_(1).mul_(size))
    return torch.stack(drawn).to(like)
