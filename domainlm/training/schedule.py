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


def learning_rate(step: int, steps: int, section: Training) -> float:
    """Linear warmup to the peak, then a cosine to the final share.

    The last step has the final share; steps count from 0.
    """
    warmup = round(section.warmup_share * steps)
    if step < warmup:
        return section.learning_rate * (step + 1) / (warmup + 1)
    fraction = (step - warmup) / max(1, steps - 1 - warmup)
    floor = section.final_learning_rate_share
    return section.learning_rate * (floor + (1 - floor) * (1 + math.cos(math.pi * fraction)) / 2)
