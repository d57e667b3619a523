from __future__ import annotations

from typing import Any

import pytest

from domainlm.contract import StageError
from domainlm.models.control_tokens import PROBE, find_end_of_text, find_text_start


@pytest.mark.parametrize(
    ("added", "eos", "turn_end", "expected"),
    [
        # Llama 3, Gemma 3, Command R, Mistral with ChatML: another token ends a text
        (["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], "<|eot_id|>", "<|eot_id|>", "<|end_of_text|>"),
        (["<pad>", "<eos>", "<bos>", "<end_of_turn>"], "<end_of_turn>", "<end_of_turn>", "<eos>"),
        (["<BOS_TOKEN>", "<EOS_TOKEN>", "<|END|>"], "<|END|>", "<|END|>", "<EOS_TOKEN>"),
        (["<unk>", "<s>", "</s>", "<|im_end|>"], "<|im_end|>", "<|im_end|>", "</s>"),
        (
            ["<\uff5cend\u2581of\u2581sentence\uff5c>", "<|E|>"],
            "<|E|>",
            "<|E|>",
            "<\uff5cend\u2581of\u2581sentence\uff5c>",
        ),
        # SmolLM2, Qwen2
        (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>", "<|im_end|>", "<|endoftext|>"),
        # Gemma 3 as a base model
        (["<eos>", "<end_of_turn>"], "<eos>", "<end_of_turn>", "<eos>"),
        # Mistral, OLMo 2: there is no other
        (["<unk>", "<s>", "</s>"], "</s>", "</s>", "</s>"),
        (["<|endoftext|>"], "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"),
        # settings that name no eos token
        (["<s>", "</s>"], None, "</s>", "</s>"),
        ([], None, None, None),
    ],
)
def test_a_text_ends_with_another_token_than_a_turn_where_there_is_one(
    added: list[str], eos: str | None, turn_end: str | None, expected: str | None
) -> None:
    assert find_end_of_text(added, eos, turn_end) == expected


def tokenizer(*ids: int) -> Any:
    return lambda text: {"input_ids": list(ids)} if text == PROBE else None


def test_the_start_of_a_text_is_what_precedes_its_tokens() -> None:
    assert find_text_start(tokenizer(5, 6), [5, 6]) == ()
    assert find_text_start(tokenizer(1, 5, 6), [5, 6]) == (1,)
    assert find_text_start(tokenizer(8, 9, 5, 6, 2), [5, 6]) == (8, 9)
    with pytest.raises(StageError, match="control tokens around it"):
        find_text_start(tokenizer(1, 7, 6), [5, 6])
