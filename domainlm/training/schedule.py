"""The order of the rows and the learning rate of each update.

In: numbers and a seed. Out: both as pure functions of the step, so that a resumed run has what an uninterrupted one has.
"""

from __future__ import annotations

import hashlib
import math

from domainlm.config.training import Training


def row_order(rows: int, epochs: int, seed: int) -> list[int]:
    """Rows in the order of training, shuffled in each epoch.

    The order is by a digest of seed, epoch and row, equal in every numpy version.
    """

    def digest(epoch: int, row: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{epoch}:{row}".encode(), digest_size=16).digest()

    return [row for epoch in range(epochs) for row in sorted(range(rows), key=lambda index: digest(epoch, index))]


def rows_per_step(section: Training, row_length: int) -> int:
    """Rows of a global batch; one in tokens is rounded up."""
    if section.tokens_per_step is None:
        return section.rows_per_step
    return -(-section.tokens_per_step // row_length)


def learning_rate(step: int, steps: int, section: Training) -> float:
    """Linear warmup to the peak, then the schedule's course.

    The last step has the final share, but under a constant rate; steps count from 0.
    """
    warmup = round(section.warmup_share * steps)
    if step < warmup:
        return section.learning_rate * (step + 1) / (warmup + 1)
    floor = section.final_learning_rate_share
    return section.learning_rate * (floor + (1 - floor) * _share_above_floor(step, steps, warmup, section))


def _share_above_floor(step: int, steps: int, warmup: int, section: Training) -> float:
    """1 at the peak, 0 at the final share."""
    fraction = (step - warmup) / max(1, steps - 1 - warmup)
    match section.schedule:
        case "cosine":
            return (1 + math.cos(math.pi * fraction)) / 2
        case "linear":
            return 1 - fraction
        case "constant":
            return 1.0
        case "wsd":
            # 1 - sqrt reaches a lower loss than a line of the same length (arXiv 2405.18392)
            decay = round(section.decay_share * steps)
            return 1 - math.sqrt(max(0, step - (steps - decay) + 1) / max(1, decay))
