"""The processes of one training, and what they exchange.

In: rank and size of a group. Out: each process's rows of a global batch, sums over all of them, and a check that their weights
are equal to the bit. Sums are of fp32 gradients and not averages of averages, because the mean of an update is over
the labels of its global batch, which no process has an equal share of. A group of one exchanges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from domainlm.contract import StageError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")
HOST = "127.0.0.1"
# of fp32 gradients that are summed at once: 64 MB
BUCKET_NUMBERS = 1 << 24
# of torch's half an hour: the parent notices a process that ends, and one that saves or validates may take its time
TIMEOUTS = 48


class PeerLost(Exception):
    """Another process of the group went away in an exchange."""


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process saves, logs and speaks for all."""
        return self.rank == 0

    def part(self, items: Sequence[T]) -> list[T]:
        """This process's items: every size-th, from its rank on."""
        return list(items[self.rank :: self.size])


ALONE = Group()


@contextmanager
def joined(rank: int, size: int, port: int, device: torch.device) -> Iterator[Group]:
    """Join the group whose store listens at a port of this machine."""
    import torch
    import torch.distributed as dist

    store = dist.TCPStore(HOST, port, is_master=False)  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend, own = ("nccl", device) if device.type == "cuda" else ("gloo", None)
    timeout = TIMEOUTS * dist.constants.default_pg_timeout
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout, device_id=own)
    check_size(size)
    yield Group(rank, size)


def check_size(granted: int) -> None:
    """Raise StageError if the group is not of the granted size."""
    import torch.distributed as dist

    found = dist.get_world_size() if dist.is_initialized() else 1
    if found != granted:
        raise StageError(
            f"{found} processes joined the training, and the profile grants {granted}; expected as many: fewer would train"
            " on a part of each batch, so run the same command again"
        )


def leave(group: Group) -> None:
    """End all exchange; all processes of the group call it together."""
    import torch.distributed as dist

    if group.size > 1:
        wait_for_all(group)
        dist.destroy_process_group()


def wait_for_all(group: Group) -> None:
    _gathered(group, None)


def map_shared(group: Group, work: Callable[[list[T]], list[R]], items: Sequence[T]) -> list[R]:
    """Results of all items, in order; each process works on its own.

    work: from items to as many results.
    """
    parts = _gathered(group, work(group.part(items)))
    return [parts[number % group.size][number // group.size] for number in range(len(items))]


def all_values(group: Group, value: T) -> list[T]:
    """The value that each process has, in order of rank."""
    return _gathered(group, value)


def _gathered(group: Group, value: T) -> list[T]:
    import torch.distributed as dist

    if group.size == 1:
        return [value]
    values: list[Any] = [None] * group.size
    with _naming_lost_peers():
        dist.all_gather_object(values, value)
    return values


@contextmanager
def _naming_lost_peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error)) from error


def sum_gradients(group: Group, weights: Sequence[torch.nn.Parameter]) -> None:
    """Set each weight's gradient to the sum of all processes'.

    A process without rows has none, and adds zeros. The result is equal to the bit in all of them: one process computes
    each number of it. The order of the sum depends on the size of the group alone.
    """
    import torch
    import torch.distributed as dist

    if group.size == 1:
        return
    for bucket in _buckets(weights):
        found = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in bucket]
        flat = torch.cat([gradient.reshape(-1) for gradient in found])
        with _naming_lost_peers():
            dist.all_reduce(flat)
        for weight, gradient in zip(bucket, torch.split(flat, [weight.numel() for weight in bucket]), strict=True):
            weight.grad = gradient.view(weight.shape)


def _buckets(weights: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    bucket: list[torch.nn.Parameter] = []
    numbers = 0
    for weight in weights:
        if bucket and numbers + weight.numel() > BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(weight)
        numbers += weight.numel()
    if bucket:
        yield bucket


def check_agreement(group: Group, parameters: Sequence[tuple[str, torch.nn.Parameter]], update: int) -> None:
    """Raise StageError if processes have different weights.

    Compared are sums of the fp32 weights' bits, which one flipped bit changes.
    """
    import torch

    if group.size == 1:
        return
    sums = [int(weight.detach().view(torch.int32).sum(dtype=torch.int64)) for _, weight in parameters]
    all_sums = all_values(group, sums)
    for rank, others in enumerate(all_sums):
        for (name, _), first, other in zip(parameters, all_sums[0], others, strict=True):
            if first != other:
                raise StageError(
                    f"process {rank} has another {name} than process 0 after update {update}; expected equal weights, as every"
                    " process makes the same update: run it again, and if it happens again, train in one process (processes: 1)"
                    " and look for a damaged card or memory"
                )


def is_compared(update: int, updates: int) -> bool:
    """Whether processes compare their weights after an update.

    That is at the start, after 1, 2, 4, 8, ... updates, and at the end.
    """
    return update & (update - 1) == 0 or update == updates
