"""Cards that a training fits, what would make it fit, its speed.

In: a model's shape, a job, a machine. Out: for each card a verdict, the fewest changes that make it fit, tokens per
second by published speeds. A card's gigabytes are counted as 10^9 bytes, 6 to 7 % less than nvidia-smi shows, so that
a verdict has some room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from domainlm.explain.model_shape import Shape
from domainlm.explain.training_memory import Job, Machine, training_memory

MORE_CARDS = (2, 4, 8)
# of dense bf16 products at a card's peak: 14,110 tokens/s of Qwen2.5-7B and 6,900 of the 14B by LoRA, 4,096 tokens, one
# H100 (NVIDIA NeMo AutoModel, performance summary of 2025-10), at 4 FLOP a parameter and token, are 43 and 41 %
PUBLISHED_UTILISATION = 0.41
PUBLISHED_SOURCE = "NVIDIA NeMo AutoModel's LoRA on one H100, scaled by parameters and by the card's bf16 peak"
# seconds of LoRA over those of QLoRA at 4,096 tokens for Qwen-14B (README of Qwen: 17.0 and 20.1)
QLORA_SPEED = 0.85
# each card of several, of its speed alone: "-10 %" of two nodes with tensor and FSDP sharding in the same summary
SHARDED_SPEED = 0.9


@dataclass(frozen=True)
class Card:
    """A kind of GPU; peak_teraflops: of dense bf16 products, by its maker."""

    gigabytes: int
    example: str
    peak_teraflops: float

    @property
    def size(self) -> int:
        return self.gigabytes * 10**9


CARDS = (Card(24, "RTX 4090", 165.2), Card(80, "H100", 989.4), Card(141, "H200", 989.4))
Change = Callable[[Job, Machine], tuple[Job, Machine] | None]


def fits(shape: Shape, job: Job, machine: Machine, card: Card) -> bool:
    return training_memory(shape, job, machine).total <= card.size


def remedy(shape: Shape, job: Job, machine: Machine, card: Card) -> tuple[str, ...] | None:
    """The fewest changes with which a training fits a card.

    Empty: it fits as it is. None: no change that is known makes it fit.
    """
    if fits(shape, job, machine, card):
        return ()
    for names in _combinations(job):
        changed, applied = (job, machine), []
        for name in names:
            after = CHANGES[name](*changed)
            if after is not None:
                changed = after
                applied.append(name)
        if fits(shape, *changed, card):
            return tuple(applied)
    return None


def _combinations(job: Job) -> Iterator[tuple[str, ...]]:
    """Names of changes, in the order in which they are tried.

    Those that change nothing count for nothing. First come those that cost nothing but time, alone and together; then
    another method or more cards, then shorter rows.
    """
    free = CHANGES_OF_LITTLE
    yield from ((name,) for name in free)
    yield free[:2]
    yield from ((first, free[2]) for first in free[:2])
    yield free
    several = tuple(f"ZeRO-3 over {count} cards" for count in MORE_CARDS)
    # who trains every weight is given more cards before another method
    others = (*several, "method: lora", "method: qlora") if job.method == "full" else ("method: qlora", *several)
    for last in others:
        yield (last,)
        yield (free[2], last)
        yield (*free, last)
    for name in SHORTER:
        yield (*free, name)
        yield from ((*free, last, name) for last in others)


def _bfloat16(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
    return (replace(job, precision="bfloat16"), machine) if job.precision == "float32" else None


def _one_row(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
    return (replace(job, micro_batch_rows=1), machine) if job.micro_batch_rows > 1 else None


def _checkpointing(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
    return None if job.is_checkpointed else (replace(job, is_checkpointed=True), machine)


def _quantised(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
    return (replace(job, method="qlora"), machine) if job.method in ("lora", "full") else None


def cpu_remedy(shape: Shape, job: Job, machine: Machine, memory: int) -> tuple[str, ...] | None:
    """The fewest changes with which a training fits this machine's memory.

    As of `remedy`.
    """
    less, one = replace(job, is_checkpointed=True), replace(machine, threads=1)
    changes: dict[tuple[str, ...], tuple[Job, Machine]] = {
        (): (job, machine),
        ("micro_batch_rows: 1",): (replace(job, micro_batch_rows=1), machine),
        ("activation_checkpointing: 1",): (less, machine),
    }
    for threads in range(machine.threads - 1, 0, -1):
        changes[(f"--cores {threads}",)] = (job, replace(machine, threads=threads))
    changes[("activation_checkpointing: 1", "--cores 1")] = (less, one)
    changes[(*CHANGES_OF_LITTLE, "--cores 1")] = (replace(less, micro_batch_rows=1, precision="bfloat16"), one)
    found = (names for names, (each, on) in changes.items() if training_memory(shape, each, on).total <= memory)
    return next(found, None)


def _adapter(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
    return (replace(job, method="lora"), machine) if job.method == "full" else None


def _sharded(count: int) -> Change:
    def change(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
        is_new = machine.sharding != "zero3" or machine.cards < count
        # 4-bit weights are not gathered
        return (job, replace(machine, cards=count, sharding="zero3")) if is_new and job.method != "qlora" else None

    return change


def _shorter(window: int) -> Change:
    def change(job: Job, machine: Machine) -> tuple[Job, Machine] | None:
        return (replace(job, window=window), machine) if window < job.window else None

    return change


CHANGES_OF_LITTLE = ("precision: bfloat16", "micro_batch_rows: 1", "activation_checkpointing: 1")
SHORTER = tuple(f"sequence_length: {2**power}" for power in range(15, 7, -1))
CHANGES: dict[str, Change] = {
    "precision: bfloat16": _bfloat16,
    "micro_batch_rows: 1": _one_row,
    "activation_checkpointing: 1": _checkpointing,
    "method: qlora": _quantised,
    "method: lora": _adapter,
    **{f"ZeRO-3 over {count} cards": _sharded(count) for count in MORE_CARDS},
    **{name: _shorter(int(name.rpartition(" ")[2])) for name in SHORTER},
}


def flop_of_token(shape: Shape, job: Job) -> int:
    """Floating-point operations of the model for one token.

    Forward and the gradients of what passes through: 4 a parameter; those of the weights: 2 more; a second forward of
    activation checkpointing: 2 more.
    """
    count = 6 if job.method == "full" else 4
    return (count + 2 * job.is_checkpointed) * shape.active_parameters


def published_speed(shape: Shape, job: Job, machine: Machine, card: Card) -> float:
    """Tokens per second of all cards, by speeds that others published."""
    speed = PUBLISHED_UTILISATION * card.peak_teraflops * 1e12 / flop_of_token(shape, job)
    speed *= QLORA_SPEED if job.method == "qlora" else 1.0
    # products of fp32 run at half of bf16's rate or less, with TF32
    speed *= 0.5 if job.precision == "float32" else 1.0
    return speed * machine.cards * (SHARDED_SPEED if machine.sharding == "zero3" else 1.0)
