"""Held-out questions answered by plain transformers and peft: `python benchmarks/training/answers.py [QUESTIONS]`.

Runs the tutorial's script (docs/examples/answer.py) on questions of the test split, greedily, at most 128 new tokens,
once with the adapter and once with the base model alone; prints how many answers end by themselves, how many are
empty, and the mean token F1.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domainlm.evaluation.token_f1 import token_f1

PROJECT = Path(__file__).resolve().parents[2]
MAX_NEW_TOKENS = 128


def questions(count: int) -> list[tuple[str, str]]:
    """The first (question, reference) pairs of the test split, one per document, by the rows' own order."""
    found: dict[str, tuple[str, str]] = {}
    with (PROJECT / "artifacts/medical/sft_dataset/test.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            asked, answered = row["messages"]
            found.setdefault(row["document"], (asked["content"], answered["content"]))
    return list(found.values())[:count]


def measure(name: str, answer: Callable[[str], str], lengths: list[int], asked: list[tuple[str, str]]) -> None:
    lengths.clear()
    answers = [answer(question) for question, _ in asked]
    ended = sum(length < MAX_NEW_TOKENS for length in lengths) / len(asked)
    empty = sum(not text.strip() for text in answers)
    f1 = sum(token_f1(text, reference) for text, (_, reference) in zip(answers, asked, strict=True)) / len(asked)
    print(
        f"{name:6} questions {len(asked)}  ended by themselves {ended:.1%}  empty {empty}  mean token F1 {f1:.4f}",
        flush=True,
    )


def main() -> None:
    asked = questions(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    script: dict[str, Any] = runpy.run_path(str(PROJECT / "docs/examples/answer.py"))
    model, lengths = script["model"], list[int]()
    generate = model.generate

    def recorded(**arguments: Any) -> Any:
        output = generate(**arguments)
        lengths.append(output.shape[1] - arguments["input_ids"].shape[1])
        return output

    model.generate = recorded
    measure("sft", script["answer"], lengths, asked)
    # the base model without either adapter: the checkpoint before pretraining
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(PROJECT / "artifacts/medical/base_model")
    generate = plain.generate
    measure("base", script["answer"], lengths, asked)


if __name__ == "__main__":
    main()
