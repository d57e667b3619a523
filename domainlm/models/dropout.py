"""Dropout whose masks are a pure function of update, row and layer.

In: the rows that a thread computes, and a layer's inputs. Out: the inputs with some set to zero and the others scaled
up. A mask is drawn for each row by a digest, not from a running random state, so that neither threads, micro-batches
nor a resumed run change it. Outside an update, such as in validation, nothing is dropped.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# by thread
_now: dict[int, tuple[str, tuple[int, ...]]] = {}


@contextmanager
def dropping(update: str, rows: Sequence[int]) -> Iterator[None]:
    """Drop within the block, on this thread.

    update: the seed and the step."""
    thread = threading.get_ident()
    _now[thread] = (update, tuple(rows))
    try:
        yield
    finally:
        del _now[thread]


def is_dropping() -> bool:
    return _current() is not None


def _current() -> tuple[str, tuple[int, ...]] | None:
    """What this thread computes.

    On a GPU, where one thread computes at a time, the backward pass has a thread of torch's own.
    """
    found = _now.get(threading.get_ident())
    return found if found is not None or len(_now) != 1 else next(iter(_now.values()))


def dropped(inputs: torch.Tensor, share: float, layer: str) -> torch.Tensor:
    """Inputs, some of them zero.

    They are [rows, length, width] or [rows * length, width]."""
    import torch

    current = _current()
    assert current is not None
    update, rows = current
    mask = torch.empty(len(rows), inputs.numel() // len(rows), dtype=inputs.dtype, device=inputs.device)
    for index, row in enumerate(rows):
        digest = hashlib.blake2b(f"{update}:{row}:{layer}".encode(), digest_size=8).digest()
        generator = torch.Generator(device=inputs.device).manual_seed(int.from_bytes(digest, "big") >> 1)
        mask[index].bernoulli_(1 - share, generator=generator)
    return inputs * mask.view(inputs.shape).div_(1 - share)
