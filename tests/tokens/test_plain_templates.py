from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from domainlm.config.sources import PlainTemplate
from domainlm.contract import StageError
from domainlm.tokens.chat import split_turns
from domainlm.tokens.plain_templates import TEMPLATES, plain_template
from domainlm.tokens.template import template_renderer

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "Because."},
    {"role": "user", "content": "Really?"},
    {"role": "assistant", "content": "Yes."},
]


def test_the_names_are_those_of_the_knob() -> None:
    assert set(TEMPLATES) == set(get_args(PlainTemplate))


@pytest.mark.parametrize(
    ("name", "prompt", "end"),
    [
        ("chatml", "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n", "<|im_end|>"),
        ("plain", "<s>### System\nBe brief.\n\n### User\nWhy?\n\n", "a'b"),
    ],
)
def test_a_plain_template_only_grows_and_begins_as_texts_do(name: str, prompt: str, end: str) -> None:
    text = plain_template(name, ["<s>"], "a'b", lambda token: True)
    with template_renderer(SimpleNamespace(chat_template=text, special_tokens_map={}), None) as render:
        pieces = split_turns(render, TURNS, end)
        opened = render(TURNS[:2], True)
        assert opened.startswith(prompt)
        assert pieces[0] == (opened, False)
    assert [said for said, is_learned in pieces if is_learned] == [f"Because.{end}", f"Yes.{end}"]


def test_chatml_needs_its_tokens() -> None:
    with pytest.raises(StageError, match=r"no <\|im_start\|>.*chat_template to plain"):
        plain_template("chatml", [], "</s>", lambda token: token == "</s>")
