from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from domainlm.contract import StageError
from domainlm.tokens.files import write_meta, write_split
from domainlm.tokens.packing import TokenSequence
from domainlm.tokens.rows import read_split


def sequences(lengths: list[int]) -> list[TokenSequence]:
    return [
        TokenSequence(f"d{i}", "abc"[i % 3], np.arange(10, 10 + n, dtype=np.int32), np.ones(n, np.uint8))
        for i, n in enumerate(lengths)
    ]


def test_files_of_a_split(tmp_path: Path) -> None:
    figures = write_split(tmp_path, "train", sequences([5, 3, 9]), 8, 2)
    rows = read_split(tmp_path, "train")
    assert (rows.ids.dtype, rows.positions.dtype, rows.loss_mask.dtype) == (np.int32, np.int32, np.uint8)
    assert rows.ids.shape == rows.positions.shape == rows.loss_mask.shape == (len(rows), 8)
    assert figures.rows == len(rows) == 3
    assert figures.tokens == 5 + 3 + 9 + 1  # the long one is cut, one token twice
    assert figures.loss_tokens == 4 + 2 + 8
    assert figures.tokens_by_source == {"a": 5, "b": 3, "c": 9}


def test_sidecar_leads_from_a_token_to_its_document(tmp_path: Path) -> None:
    given = sequences([5, 3, 9])
    write_split(tmp_path, "train", given, 8, 2)
    rows = read_split(tmp_path, "train")
    by_name = {sequence.document: sequence.ids for sequence in given}
    for part in pq.read_table(tmp_path / "train_sidecar.parquet").to_pylist():
        length = part["end"] - part["start"]
        expected = by_name[part["document"]][part["offset"] : part["offset"] + length]
        assert rows.ids[part["row"], part["start"] : part["end"]].tolist() == expected.tolist()


def test_bytes_are_equal_twice_and_meta_is_sorted(tmp_path: Path) -> None:
    names = ["train_ids.npy", "train_positions.npy", "train_loss_mask.npy", "train_sidecar.parquet", "meta.json"]
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        figures = {split: write_split(folder, split, sequences([5, 3, 9]), 8, 2) for split in ("train", "validation")}
        write_meta(folder, figures, 8, 2, 0)
        found.append([(folder / file).read_bytes() for file in names])
    assert found[0] == found[1]
    meta = json.loads((tmp_path / "one" / "meta.json").read_text())
    assert list(meta) == sorted(meta)
    assert meta["rows"] == {"train": 3, "validation": 3}
    assert meta["fill"] == round(18 / 24, 6)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="'validation'"):
        write_split(tmp_path, "validation", [], 8, 2)
