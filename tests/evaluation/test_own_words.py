from __future__ import annotations

from typing import Any

import pytest
from material.tiny_models import sentencepiece

from domainlm.evaluation.own_words import own_words


def merging() -> Any:
    """A byte-level tokenizer that joins line feeds, and a blank with a letter, as Qwen's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*alphabet, "ĊĊ", "Ġx"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ċ", "Ċ"), ("Ġ", "x")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer


EMPTY = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("said", "answer", "expected"),
    [
        ("yes", "yes", ("[q]", "yes")),
        (f"{EMPTY}yes", "yes", (f"[q]{EMPTY}", "yes")),
        # an answer that says the same as the template
        (f"{EMPTY}<think>yes", "<think>yes", (f"[q]{EMPTY}", "<think>yes")),
        # the line feed after the answer is the turn's
        (f"{EMPTY}yes\n", "yes", (f"[q]{EMPTY}", "yes\n")),
        # indentation is the answer's
        ("  y = 1", "  y = 1", ("[q]", "  y = 1")),
        ("final:   y = 1", "  y = 1", ("[q]final: ", "  y = 1")),
        (f"{EMPTY}y", "\n\ny", (f"[q]{EMPTY}", "y")),
        # the prompt opens the reasoning with which the answer begins
        ("hm\n</think>\n\nyes", "<think>\nhm\n</think>\n\nyes", ("[q]", "hm\n</think>\n\nyes")),
        # no token of training is cut
        ("final: x = 1", "x = 1", ("[q]final:", " x = 1")),
        (" x", "x", ("[q]", " x")),
    ],
)
def test_what_the_template_writes_before_the_words_is_of_the_prompt(
    said: str, answer: str, expected: tuple[str, str]
) -> None:
    assert own_words(merging(), "[q]", said, answer) == expected


def test_a_blank_that_is_one_token_with_the_first_word_stays_with_it() -> None:
    assert own_words(sentencepiece(), "[q]", " A ra.", "A ra.") == ("[q]", " A ra.")
