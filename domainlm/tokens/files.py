"""Packed token files: one split is three arrays and a sidecar.

In: token sequences. Out: `<split>_ids.npy`, `<split>_positions.npy`, `<split>_loss_mask.npy` ([rows, row length]) and
`<split>_sidecar.parquet` (row, start, end, document, offset), from which a token is traced to its document. The bytes
depend on the sequences alone. Plain arrays were chosen and not a dataset library: rows are mapped into memory, not
decoded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.contract import StageError
from domainlm.tokens.packing import Segment, TokenSequence, best_fit, cut, fill_row

if TYPE_CHECKING:
    import numpy as np

SPLITS = ("train", "validation")


@dataclass(frozen=True)
class PackedFigures:
    """Figures of one split.

    tokens: row positions that hold a document; fill: their share.
    """

    rows: int
    tokens: int
    loss_tokens: int
    fill: float
    tokens_by_source: Mapping[str, int]


def write_split(
    folder: Path, split: str, sequences: Sequence[TokenSequence], row_length: int, pad_id: int
) -> PackedFigures:
    """Pack `sequences` and write the files of one split.

    Memory: the sequences; the rows go straight to disk.
    """
    import numpy as np

    if not sequences:
        raise StageError(f"split {split!r} holds no token sequence; expected at least one: give it more documents")
    pieces = cut((len(sequence.ids) for sequence in sequences), row_length)
    rows = best_fit([piece.length for piece in pieces], row_length)
    shape = (len(rows), row_length)

    def create(name: str, dtype: type) -> np.ndarray:
        return np.lib.format.open_memmap(folder / f"{split}_{name}.npy", mode="w+", dtype=dtype, shape=shape)

    ids, positions, loss_mask = create("ids", np.int32), create("positions", np.int32), create("loss_mask", np.uint8)
    ids[:] = pad_id
    segments: list[Segment] = []
    for row, members in enumerate(rows):
        chosen = [pieces[index] for index in members]
        segments += fill_row(chosen, sequences, row, ids[row], positions[row], loss_mask[row])
    loss_tokens = int(loss_mask.sum(dtype=np.int64))
    for array in (ids, positions, loss_mask):
        array.flush()  # type: ignore[attr-defined]
    _write_sidecar(folder / f"{split}_sidecar.parquet", segments)
    tokens = sum(piece.length for piece in pieces)
    by_source: Counter[str] = Counter()
    for sequence in sequences:
        by_source[sequence.source] += len(sequence.ids)
    return PackedFigures(len(rows), tokens, loss_tokens, round(tokens / (len(rows) * row_length), 6), dict(by_source))


def write_meta(
    folder: Path, figures: Mapping[str, PackedFigures], row_length: int, pad_id: int, end_of_text_id: int
) -> dict[str, object]:
    """Write meta.json and return it.

    `fill` and `tokens_by_source` are those of the training split.
    """
    meta: dict[str, object] = {
        "sequence_length": row_length,
        "pad_id": pad_id,
        "end_of_text_id": end_of_text_id,
        "rows": {split: figure.rows for split, figure in figures.items()},
        "tokens": {split: figure.tokens for split, figure in figures.items()},
        "loss_tokens": {split: figure.loss_tokens for split, figure in figures.items()},
        "tokens_by_source": dict(figures["train"].tokens_by_source),
        "fill": figures["train"].fill,
    }
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (folder / "meta.json").write_text(text, encoding="utf-8", newline="\n")
    return meta


def _write_sidecar(path: Path, segments: Sequence[Segment]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    integer = pa.int32()
    schema = pa.schema(
        [("row", integer), ("start", integer), ("end", integer), ("document", pa.string()), ("offset", pa.int64())]
    )
    table = pa.Table.from_pylist([asdict(segment) for segment in segments], schema=schema)
    pq.write_table(table, path, compression="zstd", write_statistics=False)
