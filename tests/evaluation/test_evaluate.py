from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_base

from domainlm.evaluation.evaluate import evaluate_set, load_evaluated, with_rows
from domainlm.evaluation.sets import HeldOutSet


@pytest.mark.parametrize("output_type", ["loglikelihood", "loglikelihood_rolling"])
def test_long_texts_without_blanks_are_scored(output_type: str) -> None:
    """Chinese prose is one word to whoever counts blanks, and a page of it has more than the 709 nats that exp() takes."""
    from lm_eval.api.model import LM

    class Certain(LM):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.generated: dict[str, Any] = {}

        def loglikelihood(self, requests: Any) -> list[tuple[float, bool]]:
            return [(-2000.0, False) for _ in requests]

        def loglikelihood_rolling(self, requests: Any) -> list[float]:
            return [-2000.0 for _ in requests]

        def generate_until(self, requests: Any) -> list[str]:
            raise NotImplementedError

    item = {"id": "a", "document": "a", "context": "", "continuation": "咳嗽" * 400, "tokens": 800}
    found = evaluate_set(Certain(), HeldOutSet("test", output_type, (item,)), "base")
    assert [(row["nll"], row["tokens"]) for row in found] == [(2000.0, 800)]


@pytest.mark.parametrize("is_tied", [True, False])
def test_tokens_that_a_model_lacks_get_the_mean_of_its_rows(is_tied: bool, tmp_path: Path) -> None:
    import torch

    base = write_base(tmp_path / "base", "llama", "float32", "<|im_end|>", tie_word_embeddings=is_tied)
    model, whole = load_evaluated(base, None), load_evaluated(base, None)
    rows = whole.get_input_embeddings().weight.shape[0]
    assert with_rows(model, rows - 3) == 0
    assert with_rows(model, rows + 2) == 2
    assert with_rows(model, rows + 2) == 0
    for layer, former in (
        (model.get_input_embeddings(), whole.get_input_embeddings()),
        (model.get_output_embeddings(), whole.get_output_embeddings()),
    ):
        assert layer.weight[:rows].equal(former.weight)
        assert layer.weight[rows:].equal(former.weight.mean(dim=0).expand(2, -1))
    ids = torch.tensor([[5, 6, rows + 1, 7]])
    assert bool(model(ids).logits.isfinite().all())
    # what it knows, it says as before
    assert torch.allclose(model(ids[:, :2]).logits[..., :rows], whole(ids[:, :2]).logits, atol=1e-5)
