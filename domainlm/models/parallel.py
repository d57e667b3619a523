"""Parallel work whose bytes do not depend on the number of cores.

In: independent pieces of work. Out: their results, in order. Each piece runs on one thread of the machine, several
pieces at a time: torch's own threads split the sums inside a product (fp32 gradients of a LoRA layer differ between
one thread and two on a Xeon), while here the split is by rows, and the number of threads is only the number of rows
in progress. It is also faster on small models, which spend much of a product's time waiting for the other thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def use_one_thread() -> None:
    """Run the calling thread's torch operations on that thread alone."""
    import torch

    torch.set_num_threads(1)


def parallel_map(work: Callable[[T], R], pieces: Sequence[T], threads: int, threads_in_piece: int = 1) -> Iterator[R]:
    """Yield work(piece) for every piece, in order, `threads` at a time.

    threads_in_piece: threads that torch uses for each of them; with more than one, the last bits depend on their number.
    """
    import torch

    use_one_thread()
    with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, threads_in_piece)) as pool:
        yield from pool.map(work, pieces)
