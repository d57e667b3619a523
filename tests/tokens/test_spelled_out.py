"""Tokenizers whose files call control tokens ordinary, as those of Qwen, DeepSeek and Phi do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from domainlm.tokens.special import SpecialTokens, read_special_tokens, write_special_tokens
from domainlm.tokens.spelled_out import control_tokens, not_in_messages, read_text_tokenizer
from domainlm.tokens.tokenizer import read_tokenizer

# what a chat template writes, and what tokenizers are known to have besides
CONTROL = [
    "<|im_start|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "<think>",
    "</think>",
    "<|fim_prefix|>",
    "<fim_suffix>",
    "<fim-middle>",
    "<｜User｜>",
    "<｜fim▁hole｜>",
    "[|assistant|]",
    "<|turn>",
    "<turn|>",
    "▁<PRE>",
    "<repo_name>",
    "<file_sep>",
    "<unused12>",
    "[UNUSED_TOKEN_3]",
    "<extra_id_7>",
    "[control_8]",
    "<SPECIAL_12>",
    "<jupyter_code>",
]
OF_TEMPLATE = ["<start_answer>", "[INST]", "[/INST]"]
# Gemma's line feeds and tags, GPT-NeoX's blanks, OLMo's masks, words of a user
ORDINARY = [
    "\n\n",
    "  ",
    "<table>",
    "</table>",
    "<h1>",
    "<s>",
    "<pre>",
    "|||EMAIL|||",
    "aspirin",
    "<drug>",
    "|>",
    "<->",
]
TEMPLATE = "[INST] {{ messages[0]['content'] }} [/INST]<start_answer><｜User｜><|im_start|><tool_call><|end|>"


def write(folder: Path, template: str = TEMPLATE, file: str = "chat_template.jinja") -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in [*CONTROL, *OF_TEMPLATE, *ORDINARY]])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<|end|>")
    write_special_tokens(folder, SpecialTokens(end, "<|end|>", end, "<|end|>", end, 400))
    text: Any = template
    if file == "tokenizer_config.json":
        text = json.dumps({"chat_template": [{"name": "default", "template": template}]})
    (folder / file).write_text(text, encoding="utf-8")
    return tokenizer


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_control_tokens_are_text_in_documents_and_ordinary_ones_stay(file: str, tmp_path: Path) -> None:
    plain = write(tmp_path, file=file)
    texts = read_text_tokenizer(tmp_path)
    for name in [*CONTROL, *OF_TEMPLATE, "<|end|>"]:
        found = texts.encode(f"a {name} b", add_special_tokens=False)
        assert plain.token_to_id(name) not in found.ids, name
        assert len(found.ids) == len(f"a {name} b".encode()), name
    for name in ORDINARY:
        assert plain.token_to_id(name) in texts.encode(f"a{name}b", add_special_tokens=False).ids, name


def test_ids_without_spelled_out_tokens_are_those_of_the_file(tmp_path: Path) -> None:
    plain = write(tmp_path)
    text = "Take  aspirin.\n\n<table>5 < 6 | a |> b [1] [INS T]</table> think <b>tool_call</b> 咳嗽 | <|"
    assert read_text_tokenizer(tmp_path).encode(text, add_special_tokens=False).ids == plain.encode(text).ids


def test_what_the_template_does_not_name_is_ordinary(tmp_path: Path) -> None:
    plain = write(tmp_path, template="{{ messages[0]['content'] }}<|end|>")
    found = control_tokens(tmp_path, plain)
    assert found == {*CONTROL, "<|end|>"}


def test_prompts_keep_their_control_tokens(tmp_path: Path) -> None:
    write(tmp_path)
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer.encode("<think>").ids == [tokenizer.token_to_id("<think>")]


def test_messages_may_name_reasoning_and_tools_and_no_token_of_turns(tmp_path: Path) -> None:
    tokenizer = write(tmp_path)
    found = not_in_messages(tmp_path, tokenizer, read_special_tokens(tmp_path))
    assert found == {"<|end|>", "<|im_start|>", "<｜User｜>"}
