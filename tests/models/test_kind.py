from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainlm.models.kind import has_own_template, kind_by_name, kind_of
from domainlm.tokens.special import SpecialTokens

TOKENS = SpecialTokens(0, "<|endoftext|>", 2, "<|im_end|>", 0, 300)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Qwen/Qwen2.5-14B-Instruct", "instruct"),
        ("google/gemma-2-9b-it", "instruct"),
        ("SmolLM2-135M-Instruct.Q4_1", "instruct"),
        ("meta-llama/Llama-2-7b-chat-hf", "instruct"),
        ("allenai/OLMo-2-1124-7B-SFT", "instruct"),
        ("Qwen/Qwen3-8B-Base", "base"),
        ("google/gemma-3-1b-pt", "base"),
        ("Qwen/Qwen2.5-14B", "unclear"),
        ("mistralai/Mistral-7B-v0.3", "unclear"),
        # letters within a word say nothing
        ("databases/titan-optimus", "unclear"),
    ],
)
def test_what_a_name_tells(name: str, kind: str) -> None:
    found, evidence = kind_by_name([name])
    assert found == kind
    assert evidence == ([] if kind == "unclear" else [f"its name is {name}"])


@pytest.mark.parametrize(
    ("name", "eos", "has_template", "kind"),
    [
        # Qwen2.5's base brings the template of its instruct model, and ends texts
        ("Qwen2.5-14B", "<|endoftext|>", True, "base"),
        ("Qwen2.5-14B-Instruct", "<|im_end|>", True, "instruct"),
        ("model", "<|im_end|>", True, "instruct"),
        ("model", "<|endoftext|>", False, "base"),
        # Gemma's instruct models keep the end token of their base
        ("gemma-2-9b-it", "<eos>", True, "instruct"),
        ("Some-Base", "<|im_end|>", True, "unclear"),
        ("Some-Base", "<|endoftext|>", True, "base"),
    ],
)
def test_kind_by_name_template_and_end(name: str, eos: str, has_template: bool, kind: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": eos}}))
    found = kind_of(tmp_path, TOKENS, has_template, [name])
    assert found["kind"] == kind
    assert any("chat template of its own" in each for each in found["evidence"])


def test_a_template_that_was_given_tells_nothing_of_the_end(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    found = kind_of(tmp_path, None, True, ["model"])
    assert found == {"kind": "unclear", "evidence": ["it has a chat template of its own"]}


def test_where_a_template_of_its_own_is_looked_for(tmp_path: Path) -> None:
    assert not has_own_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    assert not has_own_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert has_own_template(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert has_own_template(tmp_path)
