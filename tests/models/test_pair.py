from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import write_base

from domainlm.contract import StageError
from domainlm.models.pair import check_configurations, check_pair


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tuple(write_base(tmp_path / name, "qwen2", "float32", "<|im_end|>") for name in ("base", "instruct"))  # type: ignore[return-value]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_two_checkpoints_of_one_release(pair: tuple[Path, Path]) -> None:
    base, instruct = pair
    # as Qwen2.5-14B and Qwen2.5-14B-Instruct differ
    ours = {"max_position_embeddings": 32768, "max_window_layers": 70, "eos_token_id": 0, "dtype": "bfloat16"}
    edit(instruct / "config.json", lambda values: values.update(ours, attention_dropout=0.1))
    edit(instruct / "tokenizer_config.json", lambda values: values.update(eos_token="<|endoftext|>"))
    (instruct / "chat_template.jinja").write_text("another")
    check_pair(base, instruct)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hidden_size", 64, "hidden_size: 32, that of instruct_model 64"),
        ("model_type", "llama", 'model_type: "qwen2", that of instruct_model "llama"'),
        ("num_hidden_layers", 3, "num_hidden_layers: 2, that of instruct_model 3"),
        ("rms_norm_eps", 1e-5, "rms_norm_eps: 1e-06, that of instruct_model 1e-05"),
        ("tie_word_embeddings", False, "tie_word_embeddings: true, that of instruct_model false"),
    ],
)
def test_another_computation_is_refused_with_both_values(
    pair: tuple[Path, Path], key: str, value: Any, said: str
) -> None:
    edit(pair[1] / "config.json", lambda values: values.update({key: value}))
    with pytest.raises(StageError, match=f"config.json of base_model has {said}; expected equal .*one release"):
        check_pair(*pair)


def test_a_default_that_is_written_out_as_null_says_nothing() -> None:
    check_configurations({"sliding_window": None, "hidden_size": 3}, {"hidden_size": 3})
    with pytest.raises(StageError, match='sliding_window: 8, that of instruct_model "nothing"'):
        check_configurations({"sliding_window": 8}, {})


def test_a_token_with_another_id_is_refused_with_both(pair: tuple[Path, Path]) -> None:
    def swapped(values: dict[str, Any]) -> None:
        vocabulary = values["model"]["vocab"]
        vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]

    mine = json.loads((pair[0] / "tokenizer.json").read_text())["model"]["vocab"]
    edit(pair[1] / "tokenizer.json", swapped)
    said = rf"the token 'A' of base_model's tokenizer has the id {mine['A']}, and has the id {mine['B']} in instruct_model's"
    with pytest.raises(StageError, match=rf"{said} \(2 such tokens of {len(mine)}\); expected equal ids"):
        check_pair(*pair)


def test_a_token_that_the_instruct_model_lacks_is_refused_and_one_more_is_not(pair: tuple[Path, Path]) -> None:
    base, instruct = pair

    def with_token(values: dict[str, Any]) -> None:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        values["added_tokens"].append({"id": 259, "content": "<|tool|>", "special": True, **flags})

    edit(instruct / "tokenizer.json", with_token)
    check_pair(base, instruct)
    with pytest.raises(StageError, match=r"'<\|tool\|>' of base_model's tokenizer has the id 259, and is missing in"):
        check_pair(instruct, base)


def test_a_text_with_other_ids_is_refused(pair: tuple[Path, Path]) -> None:
    """Equal vocabularies, but one joins letters and the other does not."""
    base, instruct = pair

    def with_pair(values: dict[str, Any], merges: list[list[str]]) -> None:
        values["model"]["vocab"]["Do"] = 259
        values["model"]["merges"] = merges

    edit(base / "tokenizer.json", lambda values: with_pair(values, [["D", "o"]]))
    edit(instruct / "tokenizer.json", lambda values: with_pair(values, []))
    with pytest.raises(StageError, match=r"'Dose: 12.* has the ids \[259, .* by base_model's tokenizer and"):
        check_pair(base, instruct)


def test_another_end_of_a_document_is_refused_with_the_knob(pair: tuple[Path, Path]) -> None:
    edit(pair[1] / "tokens.json", lambda values: values.update(end_of_text="<|im_end|>", end_of_text_id=2))
    with pytest.raises(StageError, match=r"'<\|endoftext\|>' \(id 0\), .* set instruct_model.end_of_text to"):
        check_pair(*pair)


def test_another_start_of_a_text_is_refused(pair: tuple[Path, Path]) -> None:
    edit(pair[1] / "tokens.json", lambda values: values.update(text_start_ids=[1]))
    with pytest.raises(StageError, match=r"puts the ids \[\] before a text, that of instruct_model \[1\]"):
        check_pair(*pair)
