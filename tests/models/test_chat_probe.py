from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.chat_probe import check_turns
from domainlm.models.control_tokens import special_tokens
from domainlm.tokens.chat import Messages
from domainlm.tokens.template import TemplateRefuses

END = "<E>"


def turns(messages: Messages, has_prompt: bool = False) -> str:
    """A template that does as it should."""
    said = "".join(f"<S>{m['role']}\n{m['content']}{END}\n" for m in messages)
    return said + ("<S>assistant\n" if has_prompt else "")


def system_in_the_last_question(messages: Messages, has_prompt: bool) -> str:
    """Mistral's, which has no role of a system turn."""
    system = messages[0]["content"] + "\n\n" if messages[0]["role"] == "system" else ""
    own = [m for m in messages if m["role"] != "system"]
    last = max(at for at, m in enumerate(own) if m["role"] == "user")
    said = (
        f"[INST] {system if at == last else ''}{m['content']}[/INST]"
        if m["role"] == "user"
        else f" {m['content']}{END}"
        for at, m in enumerate(own)
    )
    return "<s>" + "".join(said)


def one_round(messages: Messages, has_prompt: bool) -> str:
    if sum(m["role"] == "user" for m in messages) > 1:
        raise TemplateRefuses("one question only")
    return turns(messages, has_prompt)


def reasoning_in_the_last_answer(messages: Messages, has_prompt: bool) -> str:
    """Qwen3's."""
    last = {**messages[-1], "content": f"<think>\n\n</think>\n\n{messages[-1]['content']}"}
    shown = [*messages[:-1], last] if messages[-1]["role"] == "assistant" else messages
    return turns(shown, has_prompt)


def end_of_text_after_answers_alone(messages: Messages, has_prompt: bool) -> str:
    return "".join(m["content"] + (END if m["role"] == "assistant" else "\n") for m in messages)


@pytest.mark.parametrize(
    "render",
    [turns, system_in_the_last_question, reasoning_in_the_last_answer, one_round, end_of_text_after_answers_alone],
)
def test_templates_as_they_are_in_use_pass(render: Callable[[Messages, bool], str]) -> None:
    check_turns(render, END, True)
    check_turns(render, END, False)


def without_system(messages: Messages, has_prompt: bool) -> str:
    return turns([m for m in messages if m["role"] != "system"], has_prompt)


def test_a_dropped_system_turn_is_refused_where_one_is_set() -> None:
    check_turns(without_system, END, False)
    with pytest.raises(StageError, match=r"omits the system turn, and sft_tokens\.system_prompt is set.*to null"):
        check_turns(without_system, END, True)


def all_users(messages: Messages, has_prompt: bool) -> str:
    return turns([{**m, "role": "user"} for m in messages]) + ("<S>assistant\n" if has_prompt else "")


def no_roles(messages: Messages, has_prompt: bool) -> str:
    return "".join(m["content"] + END for m in messages)


def last_round(messages: Messages, has_prompt: bool) -> str:
    last = max(at for at, m in enumerate(messages) if m["role"] == "user")
    return turns([*[m for m in messages[:1] if m["role"] == "system"], *messages[last:]], has_prompt)


def without_earlier_answers(messages: Messages, has_prompt: bool) -> str:
    kept = [m for at, m in enumerate(messages) if m["role"] != "assistant" or at == len(messages) - 1]
    return turns(kept, has_prompt)


def question_twice(messages: Messages, has_prompt: bool) -> str:
    first = next(m["content"] for m in messages if m["role"] == "user")
    return f"About: {first}\n" + turns(messages, has_prompt)


def system_before_each_question(messages: Messages, has_prompt: bool) -> str:
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    own = [m for m in messages if m["role"] != "system"]
    shown = [{**m, "content": f"{system}\n{m['content']}"} if m["role"] == "user" else m for m in own]
    return turns(shown, has_prompt)


def backwards(messages: Messages, has_prompt: bool) -> str:
    return turns(messages[-2:] + messages[:-2], has_prompt) if len(messages) > 3 else turns(messages, has_prompt)


def by_number(messages: Messages, has_prompt: bool) -> str:
    roles = ("user", "assistant")
    shown = [{**m, "role": roles[at % 2]} for at, m in enumerate(messages)]
    return turns(shown) + (f"<S>{roles[len(messages) % 2]}\n" if has_prompt else "")


@pytest.mark.parametrize("has_system_turn", [False, True])
@pytest.mark.parametrize(
    ("render", "words"),
    [
        (all_users, "renders the assistant's turn as the user's"),
        (no_roles, "renders the assistant's turn as the user's"),
        (last_round, "omits the first question"),
        (without_earlier_answers, "omits the first answer"),
        (question_twice, "writes the first question more than once"),
        (system_before_each_question, "writes the system turn more than once"),
        (backwards, "before an earlier turn"),
        (by_number, "takes the user's turns for the assistant's where a system turn"),
    ],
)
def test_a_template_that_renders_another_conversation_is_refused(
    render: Callable[[Sequence[Mapping[str, str]], bool], str], words: str, has_system_turn: bool
) -> None:
    with pytest.raises(StageError, match=rf"the chat template .*{words}.*set base_model\.chat_template"):
        check_turns(render, END, has_system_turn)


OTHER = "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("processor", "settings", "file", "expected"),
    [
        (OTHER, None, None, "[user]Why?<|im_end|>"),
        ([{"name": "default", "template": OTHER}, {"name": "tools", "template": "x"}], None, None, "[user]Why?<|im_end|>"),
        # where tokenizers look comes first
        (OTHER, "S" + OTHER, None, "S[user]Why?<|im_end|>"),
        (OTHER, None, "J" + OTHER, "J[user]Why?<|im_end|>"),
    ],
)  # fmt: skip
def test_a_template_that_a_processor_reads_counts_where_there_is_no_other(
    processor: Any, settings: str | None, file: str | None, expected: str, make_base: Callable[..., Path]
) -> None:
    from transformers import AutoTokenizer

    base = make_base("llama")
    (base / "chat_template.jinja").unlink()
    (base / "chat_template.json").write_text(json.dumps({"chat_template": processor}))
    if file is not None:
        (base / "chat_template.jinja").write_text(file)
    values = json.loads((base / "tokenizer_config.json").read_text())
    own = {} if settings is None else {"chat_template": settings}
    (base / "tokenizer_config.json").write_text(json.dumps(values | own))
    assert special_tokens(base, BaseModelConfig(), 300, True).turn_end == "<|im_end|>"
    turns = [{"role": "user", "content": "Why?"}]
    assert AutoTokenizer.from_pretrained(base).apply_chat_template(turns, tokenize=False) == expected


@pytest.mark.parametrize("text", ["[]", "{", '{"chat_template": ""}', '{"chat_template": 5}'])
def test_a_processor_s_file_without_a_template_is_refused_in_words(text: str, make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    (base / "chat_template.jinja").unlink()
    (base / "chat_template.json").write_text(text)
    with pytest.raises(StageError, match=r"chat_template"):
        special_tokens(base, BaseModelConfig(), 300, True)
