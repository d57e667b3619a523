from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domainlm.contract import StageError
from domainlm.evaluation.evaluate import language_model
from domainlm.evaluation.limits import checked_positions, within_positions
from domainlm.evaluation.scoring import Scored, scores
from domainlm.evaluation.sets import Encoder, HeldOutSet
from domainlm.tokens.special import SpecialTokens


def write_config(folder: Path, **values: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def test_the_length_of_an_answer_leaves_room_for_a_question(tmp_path: Path) -> None:
    base = write_config(tmp_path, max_position_embeddings=2048)
    assert checked_positions(base, 2047) == 2048
    with pytest.raises(StageError) as caught:
        checked_positions(base, 2048)
    assert "eval_results.max_new_tokens is 2048, and the base model has 2048 positions" in str(caught.value)
    assert "set eval_results.max_new_tokens to 1024 or less" in str(caught.value)
    assert checked_positions(write_config(tmp_path, max_position_embeddings=-1), 9999) is None


def test_positions_are_those_within_which_the_rotation_does_not_change(tmp_path: Path) -> None:
    scaling = {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}
    config = {"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": scaling}
    with pytest.raises(StageError, match=r"is 5000, and the base model has 4096 positions \(original_max"):
        checked_positions(write_config(tmp_path, **config), 5000)


@pytest.fixture
def encoder() -> Encoder:
    """A token a letter."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Encoder(tokenizer, tokenizer, SpecialTokens(0, "!", 0, "!", 0, 256, (1, 2)))


def held_out(name: str, output_type: str, *items: dict[str, Any], is_prompted: bool = False) -> HeldOutSet:
    return HeldOutSet(name, output_type, items, is_prompted)


def said(context: str, continuation: str) -> dict[str, Any]:
    return {"id": context + continuation, "context": context, "continuation": continuation}


def test_items_that_need_more_positions_are_left_out_and_counted(encoder: Encoder) -> None:
    sets = [
        # 2 tokens in front of a text
        held_out("definitions", "loglikelihood", said("x" * 10, "y" * 88), said("x" * 10, "y" * 89)),
        # none in front of a prompt
        held_out("answers", "loglikelihood", said("x" * 10, "y" * 90), said("x" * 10, "y" * 91), is_prompted=True),
        held_out(
            "choices",
            "multiple_choice",
            {"id": "a", "context": "x" * 10, "choices": ["y", "y" * 88]},
            {"id": "b", "context": "x" * 10, "choices": ["y" * 89, "y"]},
        ),
        # 36 new ones after a prompt of 64
        held_out("generations", "generate_until", said("x" * 64, ""), said("x" * 65, ""), is_prompted=True),
        held_out("general", "loglikelihood_rolling", {"id": "r", "continuation": "x" * 1000}),
    ]
    found, left_out = within_positions(sets, encoder, 100, 36)
    assert left_out == {"definitions": 1, "answers": 1, "choices": 1, "generations": 1}
    assert [each.items for each in found] == [each.items[:1] for each in sets]
    assert within_positions(sets, encoder, None, 36) == (sets, {})
    # a set without items is none
    assert within_positions(sets[1:2], encoder, 50, 36) == ([], {"answers": 2})


def test_questions_without_room_for_an_answer_name_the_knob(encoder: Encoder) -> None:
    asked = held_out("generations", "generate_until", said("x" * 65, ""), said("x" * 70, ""), is_prompted=True)
    with pytest.raises(StageError, match=r"eval_results\.max_new_tokens is 36, .* none of 2 questions .* needs 164"):
        within_positions([asked], encoder, 100, 36)


class Recording:
    """A model that notes the highest position and gives one probability to every token."""

    device = "cpu"

    def __init__(self) -> None:
        self.highest = 0
        self.rows: list[Any] = []

    def __call__(self, input_ids: Any, position_ids: Any, use_cache: bool, logits_to_keep: Any) -> Any:
        import torch

        self.highest = max(self.highest, int(position_ids.max()))
        self.rows.append(position_ids[0].tolist())
        return SimpleNamespace(logits=torch.zeros(1, len(logits_to_keep), 256))


def test_padding_stays_within_the_positions() -> None:
    model = Recording()
    scores(model, [Scored(tuple(range(100)), 1)], 0, lambda done: None, positions=100)
    assert model.highest == 99
    plain = Recording()
    scores(plain, [Scored(tuple(range(100)), 1)], 0, lambda done: None)
    assert plain.rows == [[*range(100), *range(412)]]
    same = Recording()
    scores(same, [Scored(tuple(range(100)), 1)], 0, lambda done: None, positions=512)
    assert same.rows == plain.rows


@pytest.mark.parametrize(("positions", "highest"), [(None, 512), (8192, 512), (512, 511), (100, 99)])
def test_running_text_is_scored_in_windows_within_the_positions(
    positions: int | None, highest: int, encoder: Encoder
) -> None:
    model = Recording()
    lm = language_model(model, encoder, 10, lambda done: None, 1, positions)
    [found] = lm.loglikelihood_rolling([SimpleNamespace(args=("x" * 1000,))])
    assert found == pytest.approx(-1000 * math.log(256))
    # two tokens are in front of a text
    assert model.highest == highest
