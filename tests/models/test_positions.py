from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainlm.contract import StageError
from domainlm.models.positions import check_row_length, max_row_tokens


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_position_embeddings": 64}, 64),
        ({"n_positions": 64}, 64),
        ({"max_position_embeddings": -1, "n_positions": 64}, 64),
        ({"text_config": {"max_position_embeddings": 64}, "max_position_embeddings": 8}, 64),
        # Phi-3.5: frequencies change beyond the original length, for every document of a row
        (
            {
                "max_position_embeddings": 64,
                "original_max_position_embeddings": 32,
                "rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]},
            },
            32,
        ),
        (
            {
                "max_position_embeddings": 64,
                "rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 16},
            },
            16,
        ),
        ({"max_position_embeddings": 64, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 64),
        (
            {
                "max_position_embeddings": 64,
                "rope_parameters": {
                    "full_attention": {"rope_type": "dynamic", "original_max_position_embeddings": 8},
                    "sliding_attention": {"rope_type": "default"},
                },
            },
            8,
        ),
        # these frequencies do not depend on the row
        ({"max_position_embeddings": 64, "rope_scaling": {"type": "yarn", "original_max_position_embeddings": 8}}, 64),
        ({"max_position_embeddings": 64, "rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, 64),
    ],
)
def test_rows_are_as_long_as_positions_allow(config: dict[str, Any], expected: int, tmp_path: Path) -> None:
    found = max_row_tokens(config)
    assert found is not None
    assert found[0] == expected
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    check_row_length(tmp_path, expected, "pt_tokens.sequence_length")
    with pytest.raises(StageError, match=rf"set pt_tokens\.sequence_length to {expected} or less"):
        check_row_length(tmp_path, expected + 1, "pt_tokens.sequence_length")


def test_a_model_that_counts_no_positions_allows_any_row() -> None:
    assert max_row_tokens({"model_type": "bloom"}) is None
