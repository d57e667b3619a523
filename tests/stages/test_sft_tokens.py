from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from domainlm.config.instruction import SftTokens
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import sft_tokens
from domainlm.tokens.rows import read_split

ANSWERS = ["A cat.", "Dogs bark; cats do not."]
Rows = list[dict[str, Any]]


def rows_of(answers: list[str], question: str = "What?") -> Rows:
    return [
        {
            "id": f"q{i}",
            "source": "s",
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        }
        for i, answer in enumerate(answers)
    ]


def build(base: Path, folder: Path, rows: Rows, length: int = 128, **section: Any) -> Path:
    dataset, out = folder / "sft_dataset", folder / "out"
    dataset.mkdir(parents=True)
    out.mkdir()
    for split in ("train", "validation"):
        (dataset / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = SftTokens(sequence_length=length, **section).model_dump(mode="json")
    inputs = Inputs({"sft_dataset": dataset, "base_model": base})
    sft_tokens.run(inputs, parse_slice("sft_tokens", {"section": values}), out, folder, Resources())
    return out


def test_the_mask_covers_exactly_the_answers_and_their_turn_ends(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    out = build(base, tmp_path / "w", rows_of(ANSWERS), system_prompt="Be brief.")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    rows = read_split(out, "train")
    for part in pq.read_table(out / "train_sidecar.parquet").to_pylist():
        span = slice(part["start"], part["end"])
        ids, mask = rows.ids[part["row"], span], rows.loss_mask[part["row"], span]
        answer = ANSWERS[int(part["document"][1:])]
        assert tokenizer.decode(ids[mask == 1].tolist(), skip_special_tokens=False) == f"{answer}<|im_end|>"
        assert tokenizer.decode(ids.tolist(), skip_special_tokens=False) == (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat?<|im_end|>\n"
            f"<|im_start|>assistant\n{answer}<|im_end|>\n"
        )
    assert (rows.loss_mask[rows.ids == 2]).sum() == len(ANSWERS)


def test_conversations_that_cannot_be_learned_are_listed(make_base: Callable[..., Path], tmp_path: Path) -> None:
    out = build(make_base("llama"), tmp_path / "w", rows_of(["fine", "x" * 200, "ends <|im_end|> early"]))
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(row["id"], row["split"], row["reason"]) for row in listed[:2]] == [
        ("q1", "train", "longer_than_row"),
        ("q2", "train", "control_token_in_text"),
    ]
    assert json.loads((out / "meta.json").read_text())["rows"]["train"] == 1


def test_nothing_left_is_an_error(make_base: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"sft_tokens\.sequence_length"):
        build(make_base("llama"), tmp_path / "w", rows_of(["x" * 200]))


def test_a_tokenizer_without_a_turn_end_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    tokens = json.loads((base / "tokens.json").read_text()) | {"turn_end": None, "turn_end_id": None}
    (base / "tokens.json").write_text(json.dumps(tokens))
    with pytest.raises(StageError, match="no chat template"):
        build(base, tmp_path / "w", rows_of(ANSWERS))


def test_a_system_turn_of_its_own_is_kept() -> None:
    own = [{"role": "system", "content": "own"}, {"role": "user", "content": "a"}]
    assert sft_tokens.with_system_turn(own, "configured") == own
    assert sft_tokens.with_system_turn(own[1:], None) == own[1:]
    assert sft_tokens.with_system_turn(own[1:], "configured")[0] == {"role": "system", "content": "configured"}
