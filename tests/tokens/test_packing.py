from __future__ import annotations

import numpy as np
import pytest

from domainlm.tokens.packing import Piece, TokenSequence, best_fit, cut, fill_row


def test_short_sequences_are_one_piece() -> None:
    assert cut([3, 8], 8) == [Piece(0, 0, 3), Piece(1, 0, 8)]


def test_pieces_of_a_long_sequence_share_one_token() -> None:
    assert cut([9], 8) == [Piece(0, 0, 8), Piece(0, 7, 2)]
    assert cut([15], 8) == [Piece(0, 0, 8), Piece(0, 7, 8)]
    assert cut([16], 8) == [Piece(0, 0, 8), Piece(0, 7, 8), Piece(0, 14, 2)]


@pytest.mark.parametrize("count", range(1, 60))
def test_every_token_but_the_first_is_a_label_exactly_once(count: int) -> None:
    labels = [p.offset + i for p in cut([count], 8) for i in range(1, p.length)]
    assert sorted(labels) == list(range(1, count))


def test_best_fit_takes_the_fullest_row_that_fits() -> None:
    # 7 and 6 open rows with 3 and 4 free; 4 fits only the second, 3 then the first
    assert best_fit([3, 7, 4, 6], 10) == [[1, 0], [3, 2]]


def test_best_fit_holds_every_index_once_and_no_row_overflows() -> None:
    lengths = np.random.default_rng(1).integers(1, 65, size=500).tolist()
    rows = best_fit(lengths, 64)
    assert sorted(i for row in rows for i in row) == list(range(500))
    assert max(sum(lengths[i] for i in row) for row in rows) <= 64
    assert len(rows) <= 1.05 * sum(lengths) / 64
    assert rows == best_fit(lengths, 64)


def test_rows_restart_positions_and_mask_each_first_token() -> None:
    def sequence(name: str, ids: list[int]) -> TokenSequence:
        return TokenSequence(name, "s", np.array(ids, np.int32), np.ones(len(ids), np.uint8))

    sequences = [sequence("a", [5, 6, 0]), sequence("b", [7, 0])]
    ids, positions, mask = np.full(8, 9, np.int32), np.zeros(8, np.int32), np.zeros(8, np.uint8)
    segments = fill_row([Piece(0, 0, 3), Piece(1, 0, 2)], sequences, 4, ids, positions, mask)
    assert ids.tolist() == [5, 6, 0, 7, 0, 9, 9, 9]
    assert positions.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert mask.tolist() == [0, 1, 1, 0, 1, 0, 0, 0]
    assert [(s.row, s.start, s.end, s.document, s.offset) for s in segments] == [(4, 0, 3, "a", 0), (4, 3, 5, "b", 0)]
