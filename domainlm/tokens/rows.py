"""A token file's rows, mapped read-only.

The reader is apart from the writer: a change of packing changes the token files, and training runs again only if
their bytes differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PackedRows:
    """One split as arrays of shape [rows, row length], mapped from disk."""

    ids: np.ndarray
    positions: np.ndarray
    loss_mask: np.ndarray

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def row_length(self) -> int:
        return int(self.ids.shape[1])


def read_split(folder: Path, split: str) -> PackedRows:
    """The rows of one split, mapped read-only."""
    import numpy as np

    ids, positions, loss_mask = (
        np.load(folder / f"{split}_{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("ids", "positions", "loss_mask")
    )
    return PackedRows(ids, positions, loss_mask)
