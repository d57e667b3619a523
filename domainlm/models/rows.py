"""Packed rows as tensors, and the positions of their labels.

In: rows of a token file. Out: ids, positions and loss mask as tensors, and the positions whose next token is a label.
Training and the merge's certificate read rows in this one way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from domainlm.tokens.rows import PackedRows

CHUNK_ROWS = 256


def labelled_positions(
    hidden: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states that predict a learned label, and those labels.

    Position t - 1 predicts a label at t.
    """
    keep = mask[:, 1:].bool()
    return hidden[:, :-1][keep], ids[:, 1:][keep]


def batch_tensors(
    rows: PackedRows, indices: list[int], device: torch.device | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, positions (int64) and loss mask (uint8) of some rows.

    Each is [len(indices), row length]. device: None for the CPU.
    """
    import numpy as np
    import torch

    ids, positions = (torch.from_numpy(array[indices].astype(np.int64)) for array in (rows.ids, rows.positions))
    mask = torch.from_numpy(np.array(rows.loss_mask[indices]))
    return ids.to(device), positions.to(device), mask.to(device)
