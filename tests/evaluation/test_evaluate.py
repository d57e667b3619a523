from __future__ import annotations

from typing import Any

import pytest

from domainlm.evaluation.evaluate import evaluate_set
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
